-- Why: the first schema. Everything the house promised a person stands here before it is said.
--
-- People own credits; a job is one request for pictures; the ledger says why credits moved; the outbox holds
-- ended jobs until they were told; the inbox holds a platform's events until they were answered.
-- Times are INTEGER UTC milliseconds, money is INTEGER credits. The lists in the named CHECKs equal the
-- code's enums (tests/unit/bot/store/test_schema.py). The laws that hold after every commit:
--   sum(ledger.credits) of a person = account.credits
--   an ended job has exactly one outbox row, a waiting one has none
--   a job has one charge, and at most one refund, never above the charge

CREATE TABLE person (
    id          INTEGER PRIMARY KEY,
    created_ms  INTEGER NOT NULL
) STRICT;

-- A person as one platform knows them; several identities may share a person.
CREATE TABLE identity (
    platform    TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    person      INTEGER NOT NULL REFERENCES person (id),
    name        TEXT NOT NULL,
    locale      TEXT NOT NULL,
    PRIMARY KEY (platform, user_id),
    CONSTRAINT one_identity_per_platform UNIQUE (person, platform),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram'))
) STRICT;

CREATE TABLE account (
    person      INTEGER PRIMARY KEY REFERENCES person (id),
    credits     INTEGER NOT NULL DEFAULT 0,
    renews_at_s INTEGER NOT NULL DEFAULT 0,  -- end of the day whose allowance was given; UTC seconds
    CONSTRAINT credits_never_negative CHECK (credits >= 0)
) STRICT;

CREATE TABLE job (
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
                                          'blank_picture', 'worker_error')),
    CONSTRAINT fail_when_failed CHECK ((state = 'failed') = (fail IS NOT NULL)),
    CONSTRAINT lease_when_running CHECK ((state = 'running') = (lease IS NOT NULL)),
    CONSTRAINT ended_when_ended CHECK ((state IN ('done', 'failed', 'cancelled')) = (ended_ms IS NOT NULL)),
    CONSTRAINT flags CHECK (private IN (0, 1) AND cancel_requested IN (0, 1)),
    CONSTRAINT loras_are_json CHECK (json_valid(loras)),
    CONSTRAINT drawable CHECK (width_px > 0 AND height_px > 0 AND count > 0 AND steps > 0 AND price >= 0),
    CONSTRAINT seed_range CHECK (seed BETWEEN 0 AND 4294967295)
) STRICT;

CREATE INDEX job_waiting ON job (accepted_order) WHERE state IN ('queued', 'running');
CREATE INDEX job_of_person ON job (person, accepted_order);

-- The message that made the job: the same event twice makes no second one.
CREATE TABLE origin (
    platform    TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    job         TEXT NOT NULL REFERENCES job (id),
    PRIMARY KEY (platform, event_id),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram'))
) STRICT;

CREATE TABLE picture (
    job         TEXT NOT NULL REFERENCES job (id),
    idx         INTEGER NOT NULL,
    seed        INTEGER NOT NULL,
    file_name   TEXT NOT NULL UNIQUE,  -- within the pictures folder
    PRIMARY KEY (job, idx)
) STRICT;

CREATE TABLE ledger (
    id          INTEGER PRIMARY KEY,
    person      INTEGER NOT NULL REFERENCES person (id),
    job         TEXT REFERENCES job (id),
    kind        TEXT NOT NULL,
    credits     INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    CONSTRAINT one_charge_one_refund UNIQUE (job, kind),  -- rows without a job never collide: NULLs differ
    CONSTRAINT kind_known CHECK (kind IN ('allowance', 'charge', 'refund', 'grant')),
    CONSTRAINT job_when_charged CHECK ((kind IN ('charge', 'refund')) = (job IS NOT NULL)),
    CONSTRAINT sign_of_kind CHECK (CASE kind WHEN 'charge' THEN credits <= 0 WHEN 'grant' THEN 1 ELSE credits >= 0 END)
) STRICT;

CREATE INDEX ledger_of_person ON ledger (person);

-- ready → sending → sent; what may have arrived is maybe, what can never arrive is kept for /mine.
CREATE TABLE outbox (
    id            INTEGER PRIMARY KEY,
    job           TEXT NOT NULL UNIQUE REFERENCES job (id),
    state         TEXT NOT NULL DEFAULT 'ready',
    attempts      INTEGER NOT NULL DEFAULT 0,
    not_before_ms INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT state_known CHECK (state IN ('ready', 'sending', 'maybe', 'sent', 'kept'))
) STRICT;

CREATE INDEX outbox_due ON outbox (id) WHERE state IN ('ready', 'maybe', 'sending');

CREATE TABLE inbox (
    id          INTEGER PRIMARY KEY,
    platform    TEXT NOT NULL,
    event_id    TEXT NOT NULL,
    payload     TEXT NOT NULL,         -- emptied when settled: answered messages are not kept
    at_ms       INTEGER NOT NULL,
    settled     INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT event_once UNIQUE (platform, event_id),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT flags CHECK (settled IN (0, 1))
) STRICT;

-- The LoRA a picture gets when nobody named one; lora '' means: none.
CREATE TABLE chat_default (
    platform    TEXT NOT NULL,
    chat_id     TEXT NOT NULL,
    lora        TEXT NOT NULL,
    weight      REAL NOT NULL,
    PRIMARY KEY (platform, chat_id),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram'))
) STRICT;

CREATE TABLE bot_default (
    id          INTEGER PRIMARY KEY CONSTRAINT one_row CHECK (id = 1),
    lora        TEXT NOT NULL,
    weight      REAL NOT NULL
) STRICT;
