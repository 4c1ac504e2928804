-- What is read back from Workday. It is not history: rows change, and what was read is forgotten in time.

CREATE TABLE details (
    k1 INTEGER, k2 INTEGER,               -- the application
    event            INTEGER NOT NULL,    -- the interview's start that asked for them
    orgid            TEXT    NOT NULL,
    state            INTEGER NOT NULL,    -- 0 they wait, 1 read, 2 given up
    attempts         INTEGER NOT NULL,    -- of this event; the number of a claim is its fence
    claimed          INTEGER NOT NULL,    -- 1 while somebody holds the claim
    due_at           INTEGER NOT NULL,    -- milliseconds since 1970; of a claim, when its lease ends
    first_attempt_at INTEGER,             -- since the last pause
    error            TEXT,                -- what went wrong last
    details          TEXT,                -- what was read, as JSON
    read_at          INTEGER,
    PRIMARY KEY (k1, k2)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX details_event ON details (event);
CREATE INDEX details_due ON details (orgid, due_at) WHERE state = 0;

CREATE TABLE details_hold (               -- an organisation whose details are not asked for
    orgid TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    wrong INTEGER NOT NULL                -- 1: the set-up is wrong; after `until` one at a time is tried
) STRICT, WITHOUT ROWID;
