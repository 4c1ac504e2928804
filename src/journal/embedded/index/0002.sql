-- Derived from the journal, written behind it, disposable: delete the file and it is made anew.

CREATE TABLE progress (
    journal_tag INTEGER NOT NULL,
    applied     INTEGER NOT NULL  -- the last record of the journal that is contained here
) STRICT;

CREATE TABLE application (
    k1 INTEGER, k2 INTEGER,
    head  INTEGER NOT NULL,              -- its latest event
    since INTEGER,                       -- while it is in interview: the event that started that
    PRIMARY KEY (k1, k2)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX interview ON application (since) WHERE since IS NOT NULL;

CREATE TABLE message (k1 INTEGER, k2 INTEGER, event INTEGER NOT NULL, PRIMARY KEY (k1, k2)) STRICT, WITHOUT ROWID;
CREATE TABLE candidate (k INTEGER, event INTEGER, PRIMARY KEY (k, event)) STRICT, WITHOUT ROWID;
CREATE TABLE work (event INTEGER, record INTEGER, PRIMARY KEY (event, record)) STRICT, WITHOUT ROWID;

CREATE TABLE open (                      -- what is not delivered yet, or given up
    event            INTEGER PRIMARY KEY,
    dead             INTEGER NOT NULL,   -- 0 it waits, 1 given up, 2 given up and then deleted
    attempts         INTEGER NOT NULL,   -- since it was opened
    first_attempt_at INTEGER,            -- milliseconds since 1970
    due_at           INTEGER NOT NULL,
    opened           INTEGER NOT NULL,   -- the record that opened it: the event itself, or its replay
    opened_at        INTEGER NOT NULL,
    number           INTEGER NOT NULL    -- of the replay; goes with the Idempotency-Key
) STRICT;

CREATE TABLE duplicates (event INTEGER PRIMARY KEY, count INTEGER NOT NULL, last_at INTEGER NOT NULL) STRICT;

CREATE TABLE protection (
    k1 INTEGER, k2 INTEGER,              -- the application
    event      INTEGER NOT NULL,         -- the event that changed it last
    orgid      TEXT    NOT NULL,
    started_at INTEGER,                  -- microseconds since 1970
    ended_at   INTEGER,
    PRIMARY KEY (k1, k2)
) STRICT, WITHOUT ROWID;

CREATE TABLE organisation (
    orgid           TEXT PRIMARY KEY,
    accepted        INTEGER NOT NULL DEFAULT 0,
    delivered       INTEGER NOT NULL DEFAULT 0,
    dead            INTEGER NOT NULL DEFAULT 0,
    late            INTEGER NOT NULL DEFAULT 0,
    last_message_at INTEGER,
    last_started_at INTEGER
) STRICT;

CREATE TABLE stage (
    orgid TEXT, stage TEXT, interview INTEGER, count INTEGER NOT NULL, PRIMARY KEY (orgid, stage, interview)
) STRICT, WITHOUT ROWID;
