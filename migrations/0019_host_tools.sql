-- Why: hosts decide in a chat who else is a host, who may use the bot and who may not, besides what the settings say; and
-- the database records what hosts did, and when.

CREATE TABLE permission (
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,         -- platform:id of a person, a chat or a server
    until_ms    INTEGER,               -- when it ends; NULL: when a host ends it
    reason      TEXT NOT NULL,         -- what a banned person reads; may be empty
    at_ms       INTEGER NOT NULL,
    decided_by  TEXT NOT NULL,         -- platform:user_id
    PRIMARY KEY (kind, name),
    CONSTRAINT kind_known CHECK (kind IN ('host', 'allow', 'ban')),
    CONSTRAINT named CHECK (name LIKE '%_:_%'),
    CONSTRAINT only_bans_end CHECK (until_ms IS NULL OR kind = 'ban')
) STRICT;

CREATE TABLE host_action (
    id          INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    platform    TEXT NOT NULL,
    user_id     TEXT NOT NULL,         -- who did it
    action      TEXT NOT NULL,
    subject     TEXT NOT NULL,         -- to whom or to what; may be empty
    detail      TEXT NOT NULL,         -- JSON
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT detail_is_json CHECK (json_valid(detail))
) STRICT;
CREATE INDEX host_action_by_time ON host_action (at_ms);
