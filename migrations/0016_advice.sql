-- Why: what cannot work is explained to each person once, and never again.

CREATE TABLE advice_given (
    person      INTEGER NOT NULL REFERENCES person (id),
    kind        TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (person, kind),
    CONSTRAINT kind_known CHECK (kind IN ('negative', 'quality', 'resolution', 'weights', 'faces'))
) STRICT;
