-- Why: a LoRA file is offered once its trial picture is good; a restart must not draw all trial pictures again.

CREATE TABLE lora_verdict (
    sha256  TEXT NOT NULL,
    model   TEXT NOT NULL,
    refusal TEXT NOT NULL,                      -- the class of the refusal; empty: the picture was good
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (sha256, model)
) WITHOUT ROWID, STRICT;
