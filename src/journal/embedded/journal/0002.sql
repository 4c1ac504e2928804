-- What operators and upkeep add to the record, and what stays of what they removed.

ALTER TABLE event ADD COLUMN note TEXT;                            -- of an operator's event: who and why
ALTER TABLE journal ADD COLUMN removed_upto INTEGER NOT NULL DEFAULT 0; -- the journal had this many records when some were last removed
ALTER TABLE journal ADD COLUMN removed_at INTEGER NOT NULL DEFAULT 0;   -- the latest time recorded by then

CREATE TABLE replay (                     -- a settled event is delivered anew
    sequence INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    event    INTEGER NOT NULL,
    number   INTEGER NOT NULL,            -- how often it was replayed after a delivery; goes with the Idempotency-Key
    was      INTEGER NOT NULL,            -- 0 delivered, 1 dead
    actor    TEXT    NOT NULL
) STRICT;

CREATE TABLE discard (                    -- a delivery that an operator deleted; its event still counts for its application
    sequence INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    event    INTEGER NOT NULL,
    was      INTEGER NOT NULL,            -- 0 waiting, 1 dead
    actor    TEXT    NOT NULL
) STRICT;

CREATE TABLE gate (                       -- what stops or lets go the deliveries of an organisation
    sequence INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    orgid    TEXT    NOT NULL,
    change   INTEGER NOT NULL,            -- 0 resumed, 1 paused by an operator, 2 set-up wrong, 3 set-up mended, 4 held
    wait_ms  INTEGER,                     -- between probes, or for how long it is held
    reason   TEXT                         -- what the relay answered, or who asked for it
) STRICT;

CREATE TABLE erasure (                    -- the receipt of an erasure
    sequence     INTEGER PRIMARY KEY,
    at           INTEGER NOT NULL,
    orgid        TEXT    NOT NULL,
    candidate_id TEXT,                    -- until it is done
    actor        TEXT    NOT NULL,
    done_at      INTEGER,
    events       INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE removed (                    -- the figures of what is no longer there
    orgid           TEXT PRIMARY KEY,
    accepted        INTEGER NOT NULL,
    delivered       INTEGER NOT NULL,
    late            INTEGER NOT NULL,
    last_message_at INTEGER,
    last_started_at INTEGER
) STRICT;
