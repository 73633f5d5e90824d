-- Why: hosts see what the bot did in the last days, and what it refused, also over restarts.

CREATE TABLE refusal (
    hour        INTEGER NOT NULL,      -- since 1970, UTC
    rule        TEXT NOT NULL,         -- the class of the refusal
    count       INTEGER NOT NULL,
    PRIMARY KEY (hour, rule),
    CONSTRAINT some_refusals CHECK (count > 0)
) STRICT;

CREATE INDEX job_by_end ON job (ended_ms);
