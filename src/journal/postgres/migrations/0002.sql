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

-- What is written all the time is vacuumed early and at full speed, so that neither dead rows nor the
-- space of what was purged pile up; of the largest tables, also after so many new rows alone, so that
-- their pages are frozen bit by bit and not all at once.
ALTER TABLE application SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE duplicate SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE attempt SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE event SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE message SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE process SET (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_cost_delay = 0);
