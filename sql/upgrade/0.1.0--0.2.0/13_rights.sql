-- The whole identity of who offered a payload, and the code of its table that he consented to.
ALTER TABLE mend.queue ADD COLUMN session_submitter oid, ADD COLUMN session_submitted_by name, ADD COLUMN code jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN mend.queue.session_submitter IS 'OID of the session user who offered it; null: the submitter himself';
COMMENT ON COLUMN mend.queue.session_submitted_by IS 'Name of that role; replay needs OID and name to agree';
COMMENT ON COLUMN mend.queue.code IS 'The table''s owner, and digests of the code that storing a row ran when it was offered; empty: unknown';
ALTER TABLE mend.dead_letters ADD COLUMN session_submitter oid, ADD COLUMN session_submitted_by name, ADD COLUMN code jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN mend.dead_letters.session_submitter IS 'OID of the session user who offered it; null: the submitter himself';
COMMENT ON COLUMN mend.dead_letters.session_submitted_by IS 'Name of that role; replay needs OID and name to agree';
COMMENT ON COLUMN mend.dead_letters.code IS 'The table''s owner, and digests of the code that storing a row ran when it was offered; empty: unknown';
ALTER TABLE mend.patches ADD COLUMN code_change jsonb;
COMMENT ON COLUMN mend.patches.code_change IS 'What it has changed of the table''s code: {part: [digest before, digest after]}; null: nothing';
DROP FUNCTION mend.retry(regclass, bigint[]);

-- NaN is larger than every number, and made rounds fail.
DELETE FROM mend.model_prices WHERE input >= 'Infinity';
ALTER TABLE mend.model_prices DROP CONSTRAINT model_prices_input_check, ADD CONSTRAINT model_prices_input_check CHECK (input >= 0 AND input < 'Infinity');
DELETE FROM mend.model_prices WHERE output >= 'Infinity';
ALTER TABLE mend.model_prices DROP CONSTRAINT model_prices_output_check, ADD CONSTRAINT model_prices_output_check CHECK (output >= 0 AND output < 'Infinity');
DELETE FROM mend.model_prices WHERE cache_write >= 'Infinity';
ALTER TABLE mend.model_prices DROP CONSTRAINT model_prices_cache_write_check, ADD CONSTRAINT model_prices_cache_write_check CHECK (cache_write >= 0 AND cache_write < 'Infinity');
DELETE FROM mend.model_prices WHERE cache_write_hour >= 'Infinity';
ALTER TABLE mend.model_prices DROP CONSTRAINT model_prices_cache_write_hour_check, ADD CONSTRAINT model_prices_cache_write_hour_check CHECK (cache_write_hour >= 0 AND cache_write_hour < 'Infinity');
DELETE FROM mend.model_prices WHERE cache_read >= 'Infinity';
ALTER TABLE mend.model_prices DROP CONSTRAINT model_prices_cache_read_check, ADD CONSTRAINT model_prices_cache_read_check CHECK (cache_read >= 0 AND cache_read < 'Infinity');
DELETE FROM mend.model_prices WHERE long_prompt_factor >= 'Infinity';
ALTER TABLE mend.model_prices DROP CONSTRAINT model_prices_long_prompt_factor_check, ADD CONSTRAINT model_prices_long_prompt_factor_check CHECK (long_prompt_factor >= 0 AND long_prompt_factor < 'Infinity');

ALTER TABLE mend.progress ADD COLUMN told_since timestamptz, ADD COLUMN told int NOT NULL DEFAULT 0, ADD COLUMN untold_dead bigint NOT NULL DEFAULT 0,
    ADD COLUMN untold_stored bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN mend.progress.told_since IS 'Since when rounds with the same kinds of events are counted: a minute at most';
COMMENT ON COLUMN mend.progress.told IS 'How many rounds since then left an event of the rows that they stored or buried';
COMMENT ON COLUMN mend.progress.untold_dead IS 'Rows that became dead letters and are still to be told of, in one event';
COMMENT ON COLUMN mend.progress.untold_stored IS 'Rows that were stored and are still to be told of, in one event';
