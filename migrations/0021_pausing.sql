-- Why: a host pauses the drawing, or lets the queue run empty; both last until a host ends them, also over a restart.

CREATE TABLE service (
    id          INTEGER PRIMARY KEY,
    mode        TEXT NOT NULL,         -- no row: open
    reason      TEXT NOT NULL,         -- what people read; may be empty
    since_ms    INTEGER NOT NULL,
    decided_by  TEXT NOT NULL,         -- platform:user_id
    CONSTRAINT one_row CHECK (id = 1),
    CONSTRAINT mode_known CHECK (mode IN ('paused', 'draining'))
) STRICT;
