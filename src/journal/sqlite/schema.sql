-- Times are milliseconds since 1970. Digests are 32 bytes, ids 16. `sequence` is the order of commits.

CREATE TABLE epoch (
    epoch    INTEGER PRIMARY KEY,
    begun_at INTEGER NOT NULL
) STRICT;

CREATE TABLE head (
    epoch          INTEGER NOT NULL REFERENCES epoch,
    batch          INTEGER NOT NULL,
    first_index    INTEGER NOT NULL,
    size           INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    jws            TEXT NOT NULL,
    PRIMARY KEY (epoch, batch)
) STRICT, WITHOUT ROWID;

CREATE TABLE exchange (
    sequence          INTEGER PRIMARY KEY,
    id                BLOB NOT NULL UNIQUE,
    partner           TEXT NOT NULL,
    flow              TEXT NOT NULL,
    received_at       INTEGER NOT NULL,
    translated_at     INTEGER NOT NULL,
    idempotency_key   TEXT,
    message_id        TEXT,
    corrects          BLOB,
    mapping           TEXT NOT NULL,
    content_type      TEXT,
    content_encoding  TEXT NOT NULL,
    trace_id          TEXT NOT NULL,
    outcome           INTEGER NOT NULL,  -- 0 accepted, 1 in part, 2 refused
    fault             TEXT,
    records           INTEGER NOT NULL,
    accepted          INTEGER NOT NULL,
    refused           INTEGER NOT NULL,
    warnings          INTEGER NOT NULL,
    repeated          INTEGER NOT NULL,
    findings_left_out INTEGER NOT NULL,
    body_bytes        INTEGER NOT NULL,
    body_digest       BLOB NOT NULL,
    canonical_digest  BLOB NOT NULL,
    mapping_digest    BLOB NOT NULL,
    schema_digest     BLOB NOT NULL,
    flow_digest       BLOB NOT NULL
) STRICT;
CREATE INDEX exchange_received ON exchange (received_at);
CREATE INDEX exchange_partner ON exchange (partner, received_at);
CREATE INDEX exchange_flow ON exchange (partner, flow, received_at);
CREATE INDEX exchange_of_flow ON exchange (flow, received_at);
CREATE INDEX exchange_message ON exchange (message_id, received_at, sequence, flow, outcome) WHERE message_id IS NOT NULL;
CREATE INDEX exchange_fault ON exchange (fault, received_at) WHERE fault IS NOT NULL;
CREATE INDEX exchange_trouble ON exchange (outcome, received_at) WHERE outcome > 0;
CREATE INDEX exchange_partner_trouble ON exchange (partner, outcome, received_at) WHERE outcome > 0;

-- The rules of an exchange's findings, to find it by.
CREATE TABLE exchange_rule (
    rule        TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    sequence    INTEGER NOT NULL REFERENCES exchange,
    PRIMARY KEY (rule, received_at, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE leaf (
    sequence   INTEGER PRIMARY KEY REFERENCES exchange,
    epoch      INTEGER NOT NULL,
    batch      INTEGER NOT NULL,
    leaf_index INTEGER NOT NULL,  -- within the batch
    leaf       TEXT NOT NULL,
    path       BLOB NOT NULL      -- digests from the bottom up, one after the other
) STRICT;

-- What is in a file of the body store is NULL here and has its bit in `in_files`.
CREATE TABLE content (
    sequence  INTEGER PRIMARY KEY REFERENCES exchange,
    in_files  INTEGER NOT NULL,   -- 1 body, 2 canonical, 4 index
    report    TEXT NOT NULL,
    repeated  BLOB,               -- one bit for each row of the index, lowest first; NULL: none
    rows      BLOB,
    canonical BLOB,
    body      BLOB,
    answer    BLOB,               -- the business answer and its media type, where its sender gets one
    answer_type TEXT
) STRICT;

CREATE TABLE pinned (
    digest BLOB NOT NULL UNIQUE,
    text   TEXT NOT NULL
) STRICT;

CREATE TABLE repeat_key (
    partner     TEXT NOT NULL,
    flow        TEXT NOT NULL,
    kind        INTEGER NOT NULL, -- 0 idempotency key, 1 message id
    value       TEXT NOT NULL,
    sequence    INTEGER NOT NULL REFERENCES exchange,
    body_digest BLOB NOT NULL,
    PRIMARY KEY (partner, flow, kind, value, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_space (
    space INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE business_key (
    space    INTEGER NOT NULL REFERENCES key_space,
    key      BLOB NOT NULL,
    sequence INTEGER NOT NULL REFERENCES exchange,
    PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;

-- `state`: 0 queued, 1 leased, 2 held behind an earlier one with its order key, 3 dead letter,
-- 4 acknowledged, 5 waived. So `state <= 1` may be leased, `state <= 3` is not settled.
-- While leased, `due_at` is the lease's end: a lease that ran out is due by itself.
-- `attempts` is also the token of the lease.
CREATE TABLE delivery (
    sequence        INTEGER PRIMARY KEY,
    id              BLOB NOT NULL UNIQUE,
    exchange        INTEGER NOT NULL REFERENCES exchange,
    destination     TEXT NOT NULL,
    mapping         BLOB NOT NULL,
    destination_bit INTEGER NOT NULL,
    first_row       INTEGER NOT NULL,
    rows            INTEGER NOT NULL,
    records         INTEGER NOT NULL,
    order_key       TEXT,
    repeated_ids    INTEGER NOT NULL,  -- bits: ids of its message that an earlier delivery has too
    state           INTEGER NOT NULL,
    due_at          INTEGER NOT NULL,
    due_since       INTEGER NOT NULL,  -- when it was queued, let go by those before it, or resent, whichever was last
    attempts        INTEGER NOT NULL,
    fault           TEXT,              -- why it is a dead letter, or was one last
    rendered        BLOB,
    acknowledged_at INTEGER
) STRICT;
CREATE INDEX delivery_exchange ON delivery (exchange);
CREATE INDEX delivery_due ON delivery (destination, due_at) WHERE state <= 1;
CREATE INDEX delivery_open ON delivery (destination, sequence) WHERE state <= 3;
CREATE INDEX delivery_dead ON delivery (destination, sequence) WHERE state = 3;
CREATE INDEX delivery_dead_exchange ON delivery (exchange) WHERE state = 3;
CREATE INDEX delivery_order ON delivery (destination, order_key, sequence) WHERE state <= 3 AND order_key IS NOT NULL;

CREATE TABLE attempt (
    delivery   INTEGER NOT NULL REFERENCES delivery,
    number     INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,           -- NULL: not ended, or its lease ran out
    fault      TEXT,
    detail     TEXT,
    answer     TEXT,
    PRIMARY KEY (delivery, number)
) STRICT, WITHOUT ROWID;

-- What operators did, and why: the log of administrative acts. `text` is canonical JSON and holds the hash of the one before.
CREATE TABLE act (
    number INTEGER PRIMARY KEY,  -- from 1, without gaps
    kind   TEXT NOT NULL,
    text   TEXT NOT NULL,
    hash   BLOB NOT NULL         -- SHA-256 of `text`
) STRICT;
CREATE INDEX act_kind ON act (kind, number);

-- Which acts changed a delivery.
CREATE TABLE delivery_act (
    delivery INTEGER NOT NULL REFERENCES delivery,
    act      INTEGER NOT NULL REFERENCES act DEFERRABLE INITIALLY DEFERRED,
    PRIMARY KEY (delivery, act)
) STRICT, WITHOUT ROWID;

-- Acts that need a second person.
CREATE TABLE proposal (
    act        INTEGER PRIMARY KEY REFERENCES act,
    until      INTEGER NOT NULL,
    decided_by INTEGER REFERENCES act  -- NULL: it waits, or its span ran out
) STRICT;

-- What is paused, as `flow/NAME` or `destination/PARTNER/PLACE`, and by which act.
CREATE TABLE pause (
    what TEXT PRIMARY KEY,
    act  INTEGER NOT NULL REFERENCES act DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

CREATE TABLE flow_total (
    partner          TEXT NOT NULL,
    flow             TEXT NOT NULL,
    exchanges        INTEGER NOT NULL,
    refused_whole    INTEGER NOT NULL,
    records          INTEGER NOT NULL,
    accepted         INTEGER NOT NULL,
    refused          INTEGER NOT NULL,
    warnings         INTEGER NOT NULL,
    repeated         INTEGER NOT NULL,
    last_received_at INTEGER NOT NULL,
    PRIMARY KEY (partner, flow)
) STRICT, WITHOUT ROWID;

CREATE TABLE destination_total (
    destination  TEXT PRIMARY KEY,
    queued       INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    dead         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What happened in each hour, counted from 1970. `hour_latency.series` is `PARTNER/FLOW` or `to PARTNER/PLACE`.
CREATE TABLE hour_flow (
    partner           TEXT NOT NULL,
    flow              TEXT NOT NULL,
    hour              INTEGER NOT NULL,
    exchanges         INTEGER NOT NULL,
    in_part           INTEGER NOT NULL,
    refused_exchanges INTEGER NOT NULL,
    records           INTEGER NOT NULL,
    accepted          INTEGER NOT NULL,
    refused           INTEGER NOT NULL,
    warnings          INTEGER NOT NULL,
    repeated          INTEGER NOT NULL,
    bytes             INTEGER NOT NULL,
    PRIMARY KEY (partner, flow, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE hour_rule (
    partner  TEXT NOT NULL,
    flow     TEXT NOT NULL,
    hour     INTEGER NOT NULL,
    rule     TEXT NOT NULL,
    findings INTEGER NOT NULL,
    example  BLOB NOT NULL,      -- the latest exchange that had one
    PRIMARY KEY (partner, flow, hour, rule)
) STRICT, WITHOUT ROWID;

CREATE TABLE hour_destination (
    destination  TEXT NOT NULL,
    hour         INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    records      INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    dead         INTEGER NOT NULL,
    PRIMARY KEY (destination, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE hour_latency (
    series TEXT NOT NULL,
    hour   INTEGER NOT NULL,
    bucket INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (series, hour, bucket)
) STRICT, WITHOUT ROWID;
