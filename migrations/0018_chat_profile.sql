-- Why: hosts decide what may be drawn in a chat, and the database records who decided it, and when.

CREATE TABLE chat_profile (
    platform    TEXT NOT NULL,
    chat_id     TEXT NOT NULL,
    loras       TEXT NOT NULL,         -- JSON list of names; empty: all that people may use
    width_px    INTEGER,               -- pictures have at most as many pixels as one of this size; NULL: any
    height_px   INTEGER,
    language    TEXT NOT NULL,         -- a locale; empty: each person's own
    PRIMARY KEY (platform, chat_id),
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT loras_are_json CHECK (json_valid(loras)),
    CONSTRAINT whole_size CHECK ((width_px IS NULL) = (height_px IS NULL))
) STRICT;

CREATE TABLE chat_profile_change (
    id          INTEGER PRIMARY KEY,
    at_ms       INTEGER NOT NULL,
    platform    TEXT NOT NULL,
    user_id     TEXT NOT NULL,         -- who changed it
    chat_id     TEXT NOT NULL,
    before      TEXT NOT NULL,         -- JSON
    after       TEXT NOT NULL,         -- JSON
    CONSTRAINT platform_known CHECK (platform IN ('console', 'web', 'discord', 'telegram')),
    CONSTRAINT both_are_json CHECK (json_valid(before) AND json_valid(after))
) STRICT;
CREATE INDEX chat_profile_change_by_time ON chat_profile_change (at_ms);
