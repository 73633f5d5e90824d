-- Why: a picture's file has the name of its content, so equal pictures are one file. Several rows may name a file, so a
-- file is deleted when no row names it, and the rows say what has expired. SQLite cannot drop a UNIQUE constraint, so
-- the table is rebuilt. Rows of files with earlier names keep these until the bot has renamed the files.

CREATE TABLE picture_now (
    job           TEXT NOT NULL REFERENCES job (id),
    idx           INTEGER NOT NULL,
    seed          INTEGER NOT NULL,
    sha256        TEXT NOT NULL,  -- of the file, which has its name; empty: expired, or from before migration 0022
    form          TEXT NOT NULL DEFAULT 'original',  -- 'small': an original that needs no preview
    earlier_name  TEXT NOT NULL DEFAULT '',  -- within the pictures folder, of a file that is not renamed yet
    PRIMARY KEY (job, idx),
    CONSTRAINT sha256_is_hexadecimal CHECK (sha256 = '' OR (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*')),
    CONSTRAINT form_known CHECK (form IN ('original', 'small', 'preview', 'expired')),
    CONSTRAINT file_unless_expired CHECK ((form = 'expired') = (sha256 = '' AND earlier_name = ''))
) STRICT;

INSERT INTO picture_now (job, idx, seed, sha256, form, earlier_name)
SELECT job, idx, seed, sha256, form, file_name FROM picture;

DROP TABLE picture;
ALTER TABLE picture_now RENAME TO picture;

CREATE INDEX picture_form ON picture (form);
CREATE INDEX picture_sha256 ON picture (sha256) WHERE sha256 <> '';
CREATE INDEX picture_earlier_name ON picture (earlier_name) WHERE earlier_name <> '';

-- Files that perhaps no picture names: stored before a file is written, and when a picture stops naming it.
CREATE TABLE loose_file (
    name TEXT PRIMARY KEY  -- within the pictures folder
) WITHOUT ROWID, STRICT;

-- Triggers, so that no statement can leave a file that nobody finds again.
CREATE TRIGGER picture_names_a_file AFTER INSERT ON picture BEGIN
    DELETE FROM loose_file
    WHERE name IN (NEW.earlier_name, substr(NEW.sha256, 1, 2) || '/' || NEW.sha256 || '.png');
END;

CREATE TRIGGER picture_names_another_file AFTER UPDATE OF sha256, earlier_name ON picture BEGIN
    INSERT INTO loose_file (name) SELECT OLD.earlier_name WHERE OLD.earlier_name <> '' ON CONFLICT DO NOTHING;
    INSERT INTO loose_file (name) SELECT substr(OLD.sha256, 1, 2) || '/' || OLD.sha256 || '.png'
    WHERE OLD.sha256 <> '' ON CONFLICT DO NOTHING;
    DELETE FROM loose_file
    WHERE name IN (NEW.earlier_name, substr(NEW.sha256, 1, 2) || '/' || NEW.sha256 || '.png');
END;

CREATE TRIGGER picture_names_no_file AFTER DELETE ON picture BEGIN
    INSERT INTO loose_file (name) SELECT OLD.earlier_name WHERE OLD.earlier_name <> '' ON CONFLICT DO NOTHING;
    INSERT INTO loose_file (name) SELECT substr(OLD.sha256, 1, 2) || '/' || OLD.sha256 || '.png'
    WHERE OLD.sha256 <> '' ON CONFLICT DO NOTHING;
END;
