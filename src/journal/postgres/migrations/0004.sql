-- What is read back from Workday. It is not history: rows change, and what was read is forgotten in time.

CREATE TABLE details (
    application      uuid PRIMARY KEY,
    event            bigint   NOT NULL,  -- the interview's start that asked for them
    orgid            text COLLATE "C" NOT NULL,
    state            smallint NOT NULL DEFAULT 0,  -- 0 they wait, 1 read, 2 given up
    attempts         integer  NOT NULL DEFAULT 0,  -- of this event; the number of a claim is its fence
    claimed          boolean  NOT NULL DEFAULT false,
    due_at           bigint   NOT NULL,  -- of a claim, when its lease ends
    first_attempt_at bigint,             -- since the last pause
    error            text,               -- what went wrong last
    details          text,               -- what was read, as JSON
    read_at          bigint
) WITH (fillfactor = 80);
CREATE INDEX details_event ON details (event);
CREATE INDEX details_due ON details (orgid, due_at) WHERE state = 0;

CREATE TABLE details_hold (     -- an organisation whose details are not asked for
    orgid text COLLATE "C" PRIMARY KEY,
    until bigint  NOT NULL,
    wrong boolean NOT NULL      -- the set-up is wrong; after `until` one at a time is tried
);
