-- The nonces of WS-Security tokens that any bridge took lately. What is lost of them with a server
-- that falls only lets a token in once more, so that nobody waits for a sync of this table.
CREATE TABLE nonce (
    orgid   text COLLATE "C" NOT NULL,
    nonce   bytea  NOT NULL,   -- its digest
    process uuid   NOT NULL,   -- which bridge took it
    until   bigint NOT NULL,   -- when its token is too old in any case
    PRIMARY KEY (orgid, nonce)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX nonce_until ON nonce (until);
