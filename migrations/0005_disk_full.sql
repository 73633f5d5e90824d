-- Why: a job whose pictures the host's disk cannot take fails with a reason of its own, 'disk_full', so that its
-- person reads the cause. SQLite cannot change a CHECK, so the table is rebuilt; nothing else in it changes.

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
    CONSTRAINT id_short CHECK (length(id) BETWEEN 1 AND 22),
    CONSTRAINT state_known CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT fail_known CHECK (fail IN ('out_of_memory', 'prompt_too_long', 'lora_missing', 'lora_rejected',
                                          'blank_picture', 'worker_error', 'disk_full')),
    CONSTRAINT fail_when_failed CHECK ((state = 'failed') = (fail IS NOT NULL)),
    CONSTRAINT lease_when_running CHECK ((state = 'running') = (lease IS NOT NULL)),
    CONSTRAINT ended_when_ended CHECK ((state IN ('done', 'failed', 'cancelled')) = (ended_ms IS NOT NULL)),
    CONSTRAINT flags CHECK (private IN (0, 1) AND cancel_requested IN (0, 1)),
    CONSTRAINT loras_are_json CHECK (json_valid(loras)),
    CONSTRAINT drawable CHECK (width_px > 0 AND height_px > 0 AND count > 0 AND steps > 0 AND price >= 0),
    CONSTRAINT seed_range CHECK (seed BETWEEN 0 AND 4294967295)
) STRICT;

INSERT INTO job_now (id, person, state, attempt, accepted_order, platform, chat_id, ref, locale, private, prompt, loras, width_px,
    height_px, seed, count, steps, price, created_ms, started_ms, ended_ms, fail, cancel_requested, lease)
SELECT id, person, state, attempt, accepted_order, platform, chat_id, ref, locale, private, prompt, loras, width_px,
    height_px, seed, count, steps, price, created_ms, started_ms, ended_ms, fail, cancel_requested, lease
FROM job;

DROP TABLE job;
ALTER TABLE job_now RENAME TO job;

CREATE INDEX job_waiting ON job (accepted_order) WHERE state IN ('queued', 'running');
CREATE INDEX job_of_person ON job (person, accepted_order);
