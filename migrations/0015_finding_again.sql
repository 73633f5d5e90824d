-- Why: people find their pictures again: by words, as favourites, and by recipe codes that work in every chat.

-- The code under which people pass a recipe on; jobs from before have none until they are shown.
ALTER TABLE job ADD COLUMN code TEXT NOT NULL DEFAULT '';
CREATE UNIQUE INDEX job_code ON job (code) WHERE code <> '';

-- Settings that were read from a picture file; their code draws them, also after a restart.
CREATE TABLE read_settings (
    code        TEXT PRIMARY KEY,
    settings    TEXT NOT NULL UNIQUE,  -- JSON of what is drawn
    created_ms  INTEGER NOT NULL,
    CONSTRAINT settings_are_json CHECK (json_valid(settings))
) STRICT;

CREATE TABLE favourite (
    person      INTEGER NOT NULL REFERENCES person (id),
    job         TEXT NOT NULL REFERENCES job (id),
    idx         INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (person, job, idx)
) WITHOUT ROWID, STRICT;

-- The words of each job; the row id is the job's accepted_order. It follows the jobs by itself, some seconds later.
-- who: the person who had the job then, as p12, so that a search reads nobody else's jobs.
CREATE VIRTUAL TABLE job_search USING fts5 (who, words, pinyin, tokenize = 'unicode61 remove_diacritics 2');

-- The people who were linked to a person: their jobs have an earlier ``who``.
CREATE TABLE earlier_person (
    person      INTEGER NOT NULL REFERENCES person (id),
    was         INTEGER NOT NULL,
    PRIMARY KEY (person, was)
) WITHOUT ROWID, STRICT;
