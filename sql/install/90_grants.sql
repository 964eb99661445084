-- Functions: beside their definitions. Payloads (queue, dead_letters) are for mend_admin alone.
GRANT USAGE ON SCHEMA mend TO PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA mend FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA mend FROM PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA mend TO mend_admin;
GRANT SELECT ON mend.drifts, mend.patches, mend.fields, mend.enrollments TO mend_agent;
-- Not detail: the event of a discarded dead letter keeps its payload.
GRANT SELECT (id, at, kind, target_name, patch_id, actor) ON mend.events TO mend_agent;
