-- Why: what a person always wants is kept once, and holds on every platform that the person has linked.

CREATE TABLE person_setting (
    person      INTEGER PRIMARY KEY REFERENCES person (id),
    options     TEXT NOT NULL,         -- as they are typed, such as: --size 2:3 -n 2
    language    TEXT NOT NULL,         -- a locale; empty: that of the platform
    advice      INTEGER NOT NULL,
    CONSTRAINT flags CHECK (advice IN (0, 1))
) STRICT;

-- Options under a name.
CREATE TABLE preset (
    person      INTEGER NOT NULL REFERENCES person (id),
    key         TEXT NOT NULL,         -- the name as names are compared
    name        TEXT NOT NULL,
    options     TEXT NOT NULL,         -- as they are typed
    PRIMARY KEY (person, key)
) STRICT;
