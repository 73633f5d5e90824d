-- Why: a person asks on one platform for a code and types it on another, and is one person from then on.
-- And how much allowance was given is kept, so that one that is raised counts on the same day.

CREATE TABLE link_code (
    code        TEXT PRIMARY KEY,
    person      INTEGER NOT NULL REFERENCES person (id),  -- who asked for it; used: whom both became
    platform    TEXT NOT NULL,     -- where they asked
    expires_ms  INTEGER NOT NULL,
    typed_by    TEXT,              -- platform:user_id; whoever types it first has it
    typed_event TEXT,              -- the message; another one of theirs confirms
    used        INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT flags CHECK (used IN (0, 1))
) STRICT;

CREATE INDEX link_code_of_person ON link_code (person);

-- The allowance that was given until renews_at_s; NULL where it was given before this was kept.
ALTER TABLE account ADD COLUMN given INTEGER;
