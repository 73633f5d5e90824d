-- Why: the owner of a LoRA decides who may use it, and may take it back at once. A job whose LoRA was taken back
-- fails with a reason of its own, and says where it was asked for, because a LoRA may be allowed in one chat alone.
-- SQLite cannot change a CHECK, so the table of jobs is rebuilt.

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
    CONSTRAINT id_short CHECK (length(id) BETWEEN 1 AND 22),
    CONSTRAINT state_known CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT fail_known CHECK (fail IN ('out_of_memory', 'prompt_too_long', 'lora_missing', 'lora_rejected',
                                          'blank_picture', 'worker_error', 'disk_full', 'lora_withdrawn')),
    CONSTRAINT fail_when_failed CHECK ((state = 'failed') = (fail IS NOT NULL)),
    CONSTRAINT lease_when_running CHECK ((state = 'running') = (lease IS NOT NULL)),
    CONSTRAINT ended_when_ended CHECK ((state IN ('done', 'failed', 'cancelled')) = (ended_ms IS NOT NULL)),
    CONSTRAINT flags CHECK (private IN (0, 1) AND cancel_requested IN (0, 1)),
    CONSTRAINT loras_are_json CHECK (json_valid(loras)),
    CONSTRAINT lists_are_json CHECK (json_valid(triggers) AND json_valid(asked_in)),
    CONSTRAINT drawable CHECK (width_px > 0 AND height_px > 0 AND count > 0 AND steps > 0 AND price >= 0),
    CONSTRAINT seed_range CHECK (seed BETWEEN 0 AND 4294967295)
) STRICT;

INSERT INTO job_now (id, person, state, attempt, accepted_order, platform, chat_id, ref, locale, private, prompt, loras, width_px,
    height_px, seed, count, steps, price, created_ms, started_ms, ended_ms, fail, cancel_requested, lease, typed, triggers,
    asked_in)
SELECT id, person, state, attempt, accepted_order, platform, chat_id, ref, locale, private, prompt, loras, width_px,
    height_px, seed, count, steps, price, created_ms, started_ms, ended_ms, fail, cancel_requested, lease, typed, triggers,
    json_array(platform || ':' || chat_id)
FROM job;

DROP TABLE job;
ALTER TABLE job_now RENAME TO job;

CREATE INDEX job_waiting ON job (accepted_order) WHERE state IN ('queued', 'running');
CREATE INDEX job_of_person ON job (person, accepted_order);

-- What was decided in a chat about one person or chat; it wins over the file's sidecar.
CREATE TABLE lora_grant (
    lora        TEXT NOT NULL,         -- the name as names are compared
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,         -- platform:user_id or platform:chat_id
    allowed     INTEGER NOT NULL,
    granted_by  TEXT NOT NULL,         -- platform:user_id
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (lora, kind, subject),
    CONSTRAINT kind_known CHECK (kind IN ('person', 'chat')),
    CONSTRAINT flags CHECK (allowed IN (0, 1))
) STRICT;

-- LoRAs that nobody may use any more, under their name and under any other name of the same content.
CREATE TABLE lora_withdrawal (
    lora         TEXT PRIMARY KEY,
    sha256       TEXT NOT NULL,
    withdrawn_by TEXT NOT NULL,        -- platform:user_id
    at_ms        INTEGER NOT NULL
) STRICT;

-- One row for each LoRA of each job that has pictures. It stays as long as the job, whatever becomes of the file.
CREATE TABLE lora_use (
    job         TEXT NOT NULL REFERENCES job (id),
    lora        TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    person      INTEGER NOT NULL REFERENCES person (id),
    pictures    INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (job, lora),
    CONSTRAINT some_pictures CHECK (pictures > 0)
) STRICT;

CREATE INDEX lora_use_by_time ON lora_use (at_ms);
CREATE INDEX lora_use_of_person ON lora_use (person);

-- Monthly reports to the owners of LoRAs, until they are delivered; one for each owner and month.
CREATE TABLE owner_report (
    id            INTEGER PRIMARY KEY,
    platform      TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    period        TEXT NOT NULL,       -- a month, as 2026-11
    content       TEXT NOT NULL,       -- JSON
    state         TEXT NOT NULL DEFAULT 'ready',
    attempts      INTEGER NOT NULL DEFAULT 0,
    not_before_ms INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT one_of_each UNIQUE (platform, user_id, period),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT state_known CHECK (state IN ('ready', 'sending', 'maybe', 'sent', 'kept')),
    CONSTRAINT content_is_json CHECK (json_valid(content))
) STRICT;
