-- The claude planner: prices that people edit, and the prompt that they may look at.
-- A listed row gives way to a person's; so does it to the row that a restore brings back.
CREATE OR REPLACE FUNCTION mend.edit_price() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        DELETE FROM mend.model_prices p WHERE p.model = NEW.model AND p.listed;
    END IF;
    NEW.listed := false;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION mend.edit_price() IS 'Internal: keeps apart the prices that came with pg_mend and those that a person gave';
REVOKE ALL ON FUNCTION mend.edit_price() FROM PUBLIC;
CREATE OR REPLACE TRIGGER edited BEFORE INSERT OR UPDATE ON mend.model_prices FOR EACH ROW EXECUTE FUNCTION mend.edit_price();
COMMENT ON TRIGGER edited ON mend.model_prices IS 'A row that a person writes is no longer a listed one';
GRANT INSERT, UPDATE, DELETE ON mend.model_prices TO mend_admin;

-- An administrator may have anything asked anew.
GRANT DELETE ON mend.plans, mend.holds TO mend_admin;

CREATE OR REPLACE FUNCTION mend.preview_prompt(target regclass) RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'mend_preview_prompt';
COMMENT ON FUNCTION mend.preview_prompt(regclass) IS
    'The request that Claude would be sent about the table''s drift now, to the byte; null, with a notice, when it would not be asked. Drift of dead letters counts when there is no other';
REVOKE ALL ON FUNCTION mend.preview_prompt(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.preview_prompt(regclass) TO mend_admin;

CREATE OR REPLACE FUNCTION mend.prompt(call_id bigint) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN (SELECT r.body FROM mend.prompts r WHERE r.call_id = prompt.call_id);
COMMENT ON FUNCTION mend.prompt(bigint) IS
    'The body of a request to a model, byte for byte as it was sent; null where mend.keep_prompts was not full';
REVOKE ALL ON FUNCTION mend.prompt(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mend.prompt(bigint) TO mend_admin;
