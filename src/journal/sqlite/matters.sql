-- Reconciliations. Made at each opening where it is not there yet.

CREATE TABLE IF NOT EXISTS reconciliation (
    name        TEXT PRIMARY KEY,
    declaration BLOB NOT NULL,     -- SHA-256 of the file that its matters are of
    sequence    INTEGER NOT NULL,  -- the exchange, and the row of its index, that come next
    row         INTEGER NOT NULL,
    duplicates  INTEGER NOT NULL,
    left_out    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- `state`: 0 matched, 1 waiting (late once `due_at` is over), 2 unmatched, 3 amount different, 4 settled by an operator.
CREATE TABLE IF NOT EXISTS matter (
    number         INTEGER PRIMARY KEY,
    reconciliation TEXT NOT NULL,
    key            TEXT NOT NULL,
    state          INTEGER NOT NULL,
    due_at         INTEGER,
    changed_at     INTEGER NOT NULL,  -- when what decides its state was received
    came_late      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS matter_key ON matter (reconciliation, key);
CREATE INDEX IF NOT EXISTS matter_number ON matter (reconciliation, number);
CREATE INDEX IF NOT EXISTS matter_state ON matter (reconciliation, state, number);
CREATE INDEX IF NOT EXISTS matter_due ON matter (reconciliation, due_at) WHERE state = 1;
CREATE INDEX IF NOT EXISTS matter_trouble ON matter (reconciliation, changed_at) WHERE state >= 2;

CREATE TABLE IF NOT EXISTS matter_count (
    reconciliation TEXT NOT NULL,
    state          INTEGER NOT NULL,
    matters        INTEGER NOT NULL,
    PRIMARY KEY (reconciliation, state)
) STRICT, WITHOUT ROWID;

-- By which act a matter was settled last.
CREATE TABLE IF NOT EXISTS matter_act (
    matter INTEGER PRIMARY KEY REFERENCES matter ON DELETE CASCADE,
    act    INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS matter_leg (
    matter      INTEGER NOT NULL REFERENCES matter ON DELETE CASCADE,
    leg         INTEGER NOT NULL,
    exchange    BLOB NOT NULL,
    record      INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    amount      TEXT,
    currency    TEXT,
    ends        INTEGER NOT NULL,
    duplicates  INTEGER NOT NULL,
    PRIMARY KEY (matter, leg)
) STRICT, WITHOUT ROWID;
