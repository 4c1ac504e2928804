-- What any number of bridges share. Times are milliseconds since 1970 by the database's clock,
-- unless they say otherwise; one sequence numbers events, attempts and replays.

CREATE FUNCTION journal_now() RETURNS bigint LANGUAGE sql VOLATILE
    AS $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE SEQUENCE record AS bigint;

CREATE TABLE journal (
    tag      integer NOT NULL,  -- 26 bits that tell this journal's event ids from others'
    hash_key bytea   NOT NULL   -- 16 secret bytes under which applications and messages are hashed
);

CREATE TABLE process (          -- the bridges that have the journal open, or had
    id      uuid PRIMARY KEY,
    seen_at bigint NOT NULL     -- written every second, which tries whether the database takes a write
) WITH (fillfactor = 50);

-- What is known of a job application. Its lock is what messages of one application queue for.
CREATE TABLE application (
    key         uuid PRIMARY KEY,    -- hash of organisation and job application
    orgid       text COLLATE "C" NOT NULL,
    position    smallint,            -- 0 out, 1 in; NULL: nothing is known yet
    likeness    uuid,                -- of the applied event
    ordered_at  bigint,              -- its own timestamp in microseconds, where that takes part in ordering
    applied     bigint,
    applied_at  bigint,
    applied_as  smallint,            -- its type
    head        bigint,              -- the latest event, applied or stale
    since       bigint,              -- while it is in interview: the event that started that
    since_at    bigint,
    heard_at    bigint               -- when its last message came, duplicates included
) WITH (fillfactor = 80);
CREATE INDEX application_in_interview ON application (since) WHERE since IS NOT NULL;

CREATE TABLE event (
    sequence           bigint PRIMARY KEY,
    received_at        bigint NOT NULL,
    application        uuid   NOT NULL,
    orgid              text COLLATE "C" NOT NULL,
    job_application_id text   NOT NULL,
    candidate_id       text   NOT NULL,
    job_requisition_id text   NOT NULL,
    stage              text,
    step               text,
    status             text,
    occurred_at        bigint,             -- microseconds since 1970, where the message says
    event_type         smallint NOT NULL,  -- 0 interview_started, 1 interview_ended, 2 state_changed
    stale              boolean  NOT NULL,
    was                boolean,            -- whether it was in interview; NULL: unknown
    now                boolean  NOT NULL,
    reason             smallint NOT NULL,  -- 0 told, 1 interview stage, 2 other stage, 3 closed status
    source             smallint NOT NULL,  -- 0 soap, 1 webhook, 2 operator, 3 reconcile
    deliver            boolean  NOT NULL,
    trace              text,
    note               text,
    replays            integer  NOT NULL DEFAULT 0  -- how often it was replayed after a delivery
);
CREATE INDEX event_received ON event (received_at, sequence);
CREATE INDEX event_application ON event (application, sequence);
CREATE INDEX event_candidate ON event (orgid, candidate_id, sequence);

CREATE TABLE message (                     -- the events that had a MessageID
    key         uuid PRIMARY KEY,          -- hash of application, MessageID and likeness
    event       bigint   NOT NULL,
    received_at bigint   NOT NULL,
    event_type  smallint NOT NULL
);
CREATE INDEX message_event ON message (event);

CREATE TABLE duplicate (
    event   bigint PRIMARY KEY,
    count   bigint NOT NULL,
    last_at bigint NOT NULL
) WITH (fillfactor = 80);

-- An event that waits for its delivery or was given up; what is delivered has no row.
CREATE TABLE work (
    event            bigint PRIMARY KEY,
    application      uuid     NOT NULL,
    orgid            text COLLATE "C" NOT NULL,
    state            smallint NOT NULL DEFAULT 0,  -- 0 it waits, 1 given up, 2 given up and then deleted
    opened           bigint   NOT NULL,            -- what put it here: the event itself, or its replay
    opened_at        bigint   NOT NULL,
    is_start         boolean  NOT NULL,            -- an interview's start that is no replay
    attempts         integer  NOT NULL DEFAULT 0,  -- since it was opened
    first_attempt_at bigint,
    strikes          integer  NOT NULL DEFAULT 0,  -- how often it found the set-up wrong while others went through
    strikes_upto     bigint   NOT NULL DEFAULT 0   -- how many had gone through when that was counted last
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX work_in_lane ON work (application, opened) WHERE state = 0;
CREATE INDEX work_waiting ON work (orgid, opened) WHERE state = 0;
CREATE INDEX work_starts ON work (orgid, opened) WHERE state = 0 AND is_start;
CREATE INDEX work_dead ON work (orgid, event) WHERE state = 1;

-- One row per organisation, application and kind of work. `due_at` holds the delay of a retry and
-- the lease alike; without a head nothing of the lane waits.
CREATE TABLE lane (
    application uuid     NOT NULL,
    kind        smallint NOT NULL,
    orgid       text COLLATE "C" NOT NULL,
    head        bigint,           -- the event whose turn it is
    head_opened bigint,
    due_at      bigint,
    attempt     bigint,           -- the attempt that holds the head: the fence
    PRIMARY KEY (application, kind)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX lane_due ON lane (orgid, due_at, head_opened) WHERE due_at IS NOT NULL;

CREATE TABLE attempt (            -- the intent, recorded before anything is sent, and later its result
    sequence   bigint PRIMARY KEY,
    event      bigint NOT NULL,
    at         bigint NOT NULL,
    verdict    smallint,          -- 0 delivered, 1 retry, 2 dead, 3 paused; NULL: unknown
    status     smallint,
    latency_ms bigint,
    error      text,
    answer     text
) WITH (fillfactor = 80);
CREATE INDEX attempt_event ON attempt (event, sequence);

CREATE TABLE protection (
    application uuid PRIMARY KEY,
    event       bigint NOT NULL,  -- the event that changed it last
    orgid       text COLLATE "C" NOT NULL,
    started_at  bigint,           -- microseconds since 1970
    ended_at    bigint
);
CREATE INDEX protection_event ON protection (event);

-- What stops the deliveries of an organisation.
CREATE TABLE gate (
    orgid        text COLLATE "C" PRIMARY KEY,
    by_operator  boolean NOT NULL DEFAULT false,
    paused_since bigint,
    probe_every  bigint,          -- while the set-up counts as wrong: milliseconds between probes
    probe_next   bigint,
    held_until   bigint,          -- what a relay asked for
    reason       text
);

CREATE TABLE pause (              -- the pauses that are over
    orgid text COLLATE "C" NOT NULL,
    since bigint NOT NULL,
    until bigint NOT NULL
);
CREATE INDEX pause_of ON pause (orgid, until);

-- Figures since the journal began: a row per organisation and desk of a process, summed when they
-- are read, so that no two ever wait for each other's.
CREATE TABLE figure (
    orgid           text COLLATE "C",
    process         uuid,
    desk            smallint,
    accepted        bigint NOT NULL,
    delivered       bigint NOT NULL,
    dead            bigint NOT NULL,
    late            bigint NOT NULL,
    pending         bigint NOT NULL,
    passed          bigint NOT NULL,  -- deliveries that went through, however often replayed
    last_message_at bigint,
    last_started_at bigint,
    PRIMARY KEY (orgid, process, desk)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE stage (
    orgid     text COLLATE "C",
    process   uuid,
    stage     text,
    interview boolean,
    count     bigint NOT NULL,
    PRIMARY KEY (orgid, process, stage, interview)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE erasure (            -- the receipt of an erasure
    number       bigint PRIMARY KEY,
    at           bigint NOT NULL,
    orgid        text COLLATE "C" NOT NULL,
    candidate_id text,            -- until it is done
    actor        text NOT NULL,
    done_at      bigint,
    events       bigint NOT NULL DEFAULT 0
);

CREATE TABLE action (             -- what operators did
    at    bigint NOT NULL,
    what  text   NOT NULL,        -- replay, discard, pause, resume, set_up_read
    actor text   NOT NULL,
    orgid text COLLATE "C",
    event bigint
);
CREATE INDEX action_at ON action (at);
CREATE INDEX action_of ON action (event) WHERE event IS NOT NULL;

CREATE TABLE refused (            -- messages that were refused, kept for a while
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       bigint NOT NULL,
    orgid    text COLLATE "C" NOT NULL,
    code     text   NOT NULL,
    message  text   NOT NULL,
    place    text,
    content_type text,
    soap_action  text,
    tenant   text,
    query    text    NOT NULL,
    bytes    bigint  NOT NULL,
    whole    boolean NOT NULL,
    body     text    NOT NULL
);
CREATE INDEX refused_of ON refused (orgid, id);
CREATE INDEX refused_at ON refused (at);

-- For whoever looks with psql.
CREATE VIEW events AS
SELECT (lpad(to_hex(received_at >> 16), 8, '0') || lpad(to_hex(received_at & 65535), 4, '0')
        || '7' || lpad(to_hex(tag >> 14), 3, '0') || lpad(to_hex(32768 | (tag & 16383)), 4, '0')
        || lpad(to_hex(sequence), 12, '0'))::uuid AS event_id,
       orgid, (ARRAY['interview_started', 'interview_ended', 'state_changed'])[event_type + 1] AS event_type,
       candidate_id, job_application_id, job_requisition_id, stage, step, status,
       to_timestamp(received_at / 1000.0) AS received_at,
       CASE WHEN stale THEN 'Stale' ELSE 'Accepted' END AS outcome
FROM event, journal;
