-- Why: a job may continue from an earlier one: draw it again, begin with one of its pictures, or change its text. People
-- see what came from what, and the picture that a drawing begins with must be found after a restart. A job whose start
-- picture was deleted meanwhile fails with a reason of its own, its person may publish private pictures in the chat of
-- the request, and may delete a job's pictures and text: the row stays, because the ledger refers to it. SQLite cannot
-- change a CHECK, so the table of jobs is rebuilt.

CREATE TABLE job_now (
    id               TEXT PRIMARY KEY,
    person           INTEGER NOT NULL REFERENCES person (id),
    state            TEXT NOT NULL,
    attempt          INTEGER NOT NULL DEFAULT 0,  -- tries begun, a try that our own stop ended not counted
    accepted_order   INTEGER NOT NULL UNIQUE,
    platform         TEXT NOT NULL,
    chat_id          TEXT NOT NULL,
    ref              TEXT NOT NULL,
    locale           TEXT NOT NULL,
    private          INTEGER NOT NULL,
    prompt           TEXT NOT NULL,
    loras            TEXT NOT NULL,               -- JSON [{"name", "sha256", "weight"}], pinned at acceptance
    width_px         INTEGER NOT NULL,
    height_px        INTEGER NOT NULL,
    seed             INTEGER NOT NULL,
    count            INTEGER NOT NULL,
    steps            INTEGER NOT NULL,
    price            INTEGER NOT NULL,
    created_ms       INTEGER NOT NULL,
    started_ms       INTEGER,
    ended_ms         INTEGER,
    fail             TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    lease            TEXT,                        -- the run of the process that draws it
    typed            TEXT NOT NULL,               -- what the person typed of ``prompt``
    triggers         TEXT NOT NULL,               -- JSON list of the trigger words in front of it
    asked_in         TEXT NOT NULL,               -- JSON list of platform:id: the chat and the server of the request
    asked_ref        TEXT NOT NULL DEFAULT '',    -- the adapter's JSON of that chat, if the answer goes elsewhere
    prompts          TEXT NOT NULL DEFAULT '[]',  -- JSON list of the text of each picture; empty: all have ``prompt``
    spoiler          INTEGER NOT NULL DEFAULT 0,  -- the pictures are hidden until somebody opens them
    request          TEXT NOT NULL DEFAULT '',    -- hash of what was asked for, and where; may be empty
    start_job        TEXT,                        -- the picture that the drawing begins with; NULL: noise alone
    start_index      INTEGER,
    start_strength   REAL,                        -- the part of the schedule that is drawn again
    derivation       TEXT,                        -- how it continues from an earlier job; NULL: it does not
    parent_job       TEXT,                        -- that job
    parent_index     INTEGER,                     -- its picture; NULL: the whole job
    deleted_ms       INTEGER,                     -- when its person or a host deleted its pictures and its text
    CONSTRAINT id_short CHECK (length(id) BETWEEN 1 AND 22),
    CONSTRAINT state_known CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT fail_known CHECK (fail IN ('out_of_memory', 'prompt_too_long', 'lora_missing', 'lora_rejected',
                                          'blank_picture', 'worker_error', 'disk_full', 'lora_withdrawn',
                                          'start_missing')),
    CONSTRAINT fail_when_failed CHECK ((state = 'failed') = (fail IS NOT NULL)),
    CONSTRAINT lease_when_running CHECK ((state = 'running') = (lease IS NOT NULL)),
    CONSTRAINT ended_when_ended CHECK ((state IN ('done', 'failed', 'cancelled')) = (ended_ms IS NOT NULL)),
    CONSTRAINT flags CHECK (private IN (0, 1) AND cancel_requested IN (0, 1) AND spoiler IN (0, 1)),
    CONSTRAINT derivation_known CHECK (derivation IN ('again', 'same_seed', 'varied', 'larger', 'edited', 'adopted',
                                                      'final')),
    CONSTRAINT derivation_has_parent CHECK ((derivation IS NULL) = (parent_job IS NULL)),
    CONSTRAINT start_is_whole CHECK ((start_job IS NULL) = (start_index IS NULL)
                                     AND (start_job IS NULL) = (start_strength IS NULL)),
    CONSTRAINT strength_range CHECK (start_strength > 0 AND start_strength <= 1),
    CONSTRAINT deleted_when_ended CHECK (deleted_ms IS NULL OR ended_ms IS NOT NULL),
    CONSTRAINT loras_are_json CHECK (json_valid(loras)),
    CONSTRAINT lists_are_json CHECK (json_valid(triggers) AND json_valid(asked_in) AND json_valid(prompts)),
    CONSTRAINT drawable CHECK (width_px > 0 AND height_px > 0 AND count > 0 AND steps > 0 AND price >= 0),
    CONSTRAINT seed_range CHECK (seed BETWEEN 0 AND 4294967295)
) STRICT;

INSERT INTO job_now (id, person, state, attempt, accepted_order, platform, chat_id, ref, locale, private, prompt, loras, width_px,
    height_px, seed, count, steps, price, created_ms, started_ms, ended_ms, fail, cancel_requested, lease, typed, triggers,
    asked_in, prompts, spoiler, request)
SELECT id, person, state, attempt, accepted_order, platform, chat_id, ref, locale, private, prompt, loras, width_px,
    height_px, seed, count, steps, price, created_ms, started_ms, ended_ms, fail, cancel_requested, lease, typed, triggers,
    asked_in, prompts, spoiler, request
FROM job;

DROP TABLE job;
ALTER TABLE job_now RENAME TO job;

CREATE INDEX job_waiting ON job (accepted_order) WHERE state IN ('queued', 'running');
CREATE INDEX job_of_person ON job (person, accepted_order);
CREATE INDEX job_of_request ON job (person, request);

-- The jobs whose files are still to be deleted, and those whose start picture must be kept.
CREATE INDEX job_deleted ON job (id) WHERE deleted_ms IS NOT NULL;

-- What people reported to the hosts: each person a job once.
CREATE TABLE job_report (
    job         TEXT NOT NULL REFERENCES job (id),
    person      INTEGER NOT NULL REFERENCES person (id),   -- who reported it
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (job, person)
) STRICT;

CREATE INDEX job_report_of_person ON job_report (person, at_ms);
