-- Days in sums, and the statements of those that are over. Made at each opening where it is not there yet.

-- How the days of a flow are told apart, as its latest commit said.
CREATE TABLE IF NOT EXISTS day_rule (
    flow    TEXT PRIMARY KEY,
    zone    TEXT NOT NULL,
    cut_off TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS day_exchange (
    partner          TEXT NOT NULL,
    flow             TEXT NOT NULL,
    day              TEXT NOT NULL,
    exchanges        INTEGER NOT NULL,
    in_part          INTEGER NOT NULL,
    refused          INTEGER NOT NULL,
    repeated_records INTEGER NOT NULL,
    PRIMARY KEY (partner, flow, day)
) STRICT, WITHOUT ROWID;

-- `measure`: 0 accepted, 1 refused, 2 delivered, 3 taken. `basis`: 0 received, 1 work date, 2 booking date.
CREATE TABLE IF NOT EXISTS day_sum (
    partner   TEXT NOT NULL,
    flow      TEXT NOT NULL,
    day       TEXT NOT NULL,
    measure   INTEGER NOT NULL,
    other     TEXT NOT NULL,
    basis     INTEGER NOT NULL,
    date      TEXT NOT NULL,
    currency  TEXT NOT NULL,
    direction TEXT NOT NULL,
    records   INTEGER NOT NULL,
    amount    TEXT,              -- an exact decimal; NULL where no amount can be told
    PRIMARY KEY (partner, flow, day, measure, other, basis, date, currency, direction)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS statement (
    partner  TEXT NOT NULL,
    flow     TEXT NOT NULL,
    day      TEXT NOT NULL,
    text     TEXT NOT NULL,
    workbook BLOB NOT NULL,
    PRIMARY KEY (partner, flow, day)
) STRICT, WITHOUT ROWID;
