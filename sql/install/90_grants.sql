-- Functions: beside their definitions. Payloads (queue, dead_letters) are for mend_admin alone.
GRANT USAGE ON SCHEMA mend TO PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA mend FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA mend FROM PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA mend TO mend_admin;
GRANT SELECT ON mend.drifts, mend.patches, mend.fields, mend.enrollments, mend.events TO mend_agent;
