-- Why: a prompt may have alternatives, and each picture of a job draws its own. The text of each picture is kept, so
-- that a picture can be drawn again exactly, whatever later versions make of the same alternatives. Pictures may be
-- hidden until somebody opens them. And the same request sent twice within a minute is recognised.

ALTER TABLE job ADD COLUMN prompts TEXT NOT NULL DEFAULT '[]'  -- JSON list; empty: every picture has ``prompt``
    CONSTRAINT prompts_are_json CHECK (json_valid(prompts));
ALTER TABLE job ADD COLUMN spoiler INTEGER NOT NULL DEFAULT 0 CONSTRAINT spoiler_flag CHECK (spoiler IN (0, 1));
ALTER TABLE job ADD COLUMN request TEXT NOT NULL DEFAULT '';  -- hash of what was asked for, and where; may be empty

CREATE INDEX job_of_request ON job (person, request);
