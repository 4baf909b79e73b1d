-- What is kept for those on duty. Made at each opening where it is not there yet, so that a journal that
-- was begun before these tables has them too. Times are milliseconds since 1970.

-- Empty texts are subjects that the alarm does not have, so that the index below tells all others apart.
CREATE TABLE IF NOT EXISTS alarm (
    number         INTEGER PRIMARY KEY,
    kind           TEXT NOT NULL,
    partner        TEXT NOT NULL,
    flow           TEXT NOT NULL,
    destination    TEXT NOT NULL,
    what           TEXT NOT NULL,
    severity       INTEGER NOT NULL,  -- 0 warning, 1 critical
    party          TEXT NOT NULL,
    zh             TEXT NOT NULL,
    en             TEXT NOT NULL,
    figures        TEXT NOT NULL,     -- JSON
    since          INTEGER NOT NULL,
    opened_at      INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    closed_at      INTEGER,
    told_opened_at INTEGER,
    told_closed_at INTEGER
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS alarm_open ON alarm (kind, partner, flow, destination, what) WHERE closed_at IS NULL;
CREATE INDEX IF NOT EXISTS alarm_untold ON alarm (number)
    WHERE closed_at IS NOT NULL AND told_opened_at IS NOT NULL AND told_closed_at IS NULL;

-- What operators said of an alarm: the act's own text has it.
CREATE TABLE IF NOT EXISTS alarm_act (
    alarm INTEGER NOT NULL REFERENCES alarm ON DELETE CASCADE,
    act   INTEGER NOT NULL REFERENCES act DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (alarm, act)
) STRICT, WITHOUT ROWID;

-- How often values stood in a sample of records, by day since 1970: of a path with an empty code all that have
-- a value there; of the empty path all that were looked at.
CREATE TABLE IF NOT EXISTS profile (
    day     INTEGER NOT NULL,
    partner TEXT NOT NULL,
    flow    TEXT NOT NULL,
    path    TEXT NOT NULL,
    code    TEXT NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (day, partner, flow, path, code)
) STRICT, WITHOUT ROWID;
