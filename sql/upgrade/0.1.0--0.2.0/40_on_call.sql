-- A patch that waited while somebody changed its table.
ALTER TABLE mend.patches DROP CONSTRAINT patches_state_check;
ALTER TABLE mend.patches ADD CONSTRAINT patches_state_check
    CHECK (state IN ('proposed', 'refused', 'approved', 'applied', 'failed', 'rejected', 'reverted', 'superseded'));
COMMENT ON COLUMN mend.patches.state IS 'proposed, refused, approved, applied, failed, rejected, reverted or superseded';
ALTER TABLE mend.requests DROP CONSTRAINT requests_kind_check;
ALTER TABLE mend.requests ADD CONSTRAINT requests_kind_check CHECK (kind IN ('round', 'retry', 'altered', 'reset_breaker'));
COMMENT ON COLUMN mend.requests.kind IS 'round; retry: rows that back off are tried at once; altered: so, because somebody has changed the table; reset_breaker';
ALTER TABLE mend.outbox ADD COLUMN digest_of bigint;
COMMENT ON COLUMN mend.outbox.digest_of IS 'The message that tells of it too, since it was last tried';
DROP FUNCTION mend.take_message(text, text);
DROP FUNCTION mend.html_table(text, text[], jsonb, text);
DROP FUNCTION mend.html_timeline(timestamptz);
