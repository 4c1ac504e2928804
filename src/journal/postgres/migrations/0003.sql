-- What is written all the time is vacuumed early and at full speed, so that neither dead rows nor the
-- space of what was purged pile up; of the largest tables, also after so many new rows alone, so that
-- their pages are frozen bit by bit and not all at once.
ALTER TABLE application SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE duplicate SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE attempt SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE event SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE message SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE process SET (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_cost_delay = 0);
