-- What counts as too old is found by its age: figures read it and nothing else.
CREATE INDEX work_starts_by_age ON work (orgid, opened_at) WHERE state = 0 AND is_start;
CREATE INDEX application_by_age ON application (since_at) WHERE since IS NOT NULL;
