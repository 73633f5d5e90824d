-- Why: hosts get one private message when something goes wrong and one when it works again; a restart
-- repeats neither.

CREATE TABLE alert (
    id          INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,         -- the platform of an offline chat; else empty
    facts       TEXT NOT NULL,         -- JSON
    since_ms    INTEGER NOT NULL,      -- when the condition was seen first
    reported_ms INTEGER NOT NULL,
    over_ms     INTEGER,
    CONSTRAINT kind_known CHECK (kind IN ('worker_lost', 'worker_cannot_start', 'nothing_drawn', 'disk_low',
                                          'backup_overdue', 'chat_offline', 'out_of_memory',
                                          'database_faulty')),
    CONSTRAINT facts_are_json CHECK (json_valid(facts))
) STRICT;

CREATE UNIQUE INDEX alert_that_lasts ON alert (kind, subject) WHERE over_ms IS NULL;

-- The messages to the hosts, until they are delivered.
CREATE TABLE alert_message (
    id            INTEGER PRIMARY KEY,
    alert         INTEGER NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
    is_over       INTEGER NOT NULL,
    platform      TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    state         TEXT NOT NULL DEFAULT 'ready',
    attempts      INTEGER NOT NULL DEFAULT 0,
    not_before_ms INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT one_of_each UNIQUE (alert, is_over, platform, user_id),
    CONSTRAINT flags CHECK (is_over IN (0, 1)),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT state_known CHECK (state IN ('ready', 'sending', 'maybe', 'sent', 'kept'))
) STRICT;
