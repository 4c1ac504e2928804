-- The durable truth, append-only. One counter numbers the records of all tables, so that the
-- order of their numbers is the order in which they were written.

CREATE TABLE journal (
    tag      INTEGER NOT NULL,  -- 26 bits that tell this journal's event ids from others'
    hash_key BLOB    NOT NULL,  -- 16 secret bytes under which applications and messages are hashed
    probed   INTEGER NOT NULL   -- counts the writes that only try whether the disk takes one
) STRICT;

CREATE TABLE event (
    sequence           INTEGER PRIMARY KEY,
    received_at        INTEGER NOT NULL,  -- milliseconds since 1970, never decreasing
    orgid              TEXT    NOT NULL,
    job_application_id TEXT    NOT NULL,
    candidate_id       TEXT    NOT NULL,
    job_requisition_id TEXT    NOT NULL,
    stage              TEXT,
    step               TEXT,
    status             TEXT,
    told               INTEGER,           -- where the message itself put the candidate: 0 out, 1 in
    occurred_at        INTEGER,           -- microseconds since 1970, where the message says
    ordered            INTEGER NOT NULL,  -- 1: occurred_at takes part in ordering
    event_type         INTEGER NOT NULL,  -- 0 interview_started, 1 interview_ended, 2 state_changed
    outcome            INTEGER NOT NULL,  -- 0 accepted, 1 stale
    was                INTEGER,           -- 0 out, 1 in, NULL unknown
    now                INTEGER NOT NULL,
    reason             INTEGER NOT NULL,  -- 0 told, 1 interview stage, 2 other stage, 3 closed status
    source             INTEGER NOT NULL,  -- 0 soap, 1 webhook, 2 operator, 3 reconcile
    deliver            INTEGER NOT NULL,
    message_id         TEXT,
    trace              TEXT,
    previous           INTEGER NOT NULL,  -- the application's event before this one, 0: none
    applied            INTEGER NOT NULL   -- the application's applied event after this one
) STRICT;

CREATE TABLE duplicate (
    sequence INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    event    INTEGER NOT NULL
) STRICT;

CREATE TABLE attempt (                    -- the intent, recorded before anything is sent
    sequence INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    event    INTEGER NOT NULL,
    kind     INTEGER NOT NULL
) STRICT;

CREATE TABLE settlement (                 -- what became of an attempt
    sequence   INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    event      INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    verdict    INTEGER NOT NULL,          -- 0 delivered, 1 retry, 2 dead
    due_at     INTEGER,                   -- of a retry: when it is tried again
    status     INTEGER,
    latency_ms INTEGER NOT NULL,
    error      TEXT,
    answer     TEXT,
    protection INTEGER,                   -- 1 activated, 0 ended
    late       INTEGER NOT NULL
) STRICT;

-- For whoever looks with sqlite3.
CREATE VIEW events AS
SELECT printf('%08x-%04x-7%03x-%04x-%012x',
              received_at >> 16, received_at & 65535, tag >> 14, 32768 | (tag & 16383), sequence) AS event_id,
       orgid, CASE event_type WHEN 0 THEN 'interview_started' WHEN 1 THEN 'interview_ended' ELSE 'state_changed' END AS event_type,
       candidate_id, job_application_id, job_requisition_id, stage, step, status,
       strftime('%Y-%m-%dT%H:%M:%fZ', received_at / 1000.0, 'unixepoch') AS received_at,
       CASE outcome WHEN 0 THEN 'Accepted' ELSE 'Stale' END AS outcome
FROM event, journal;
