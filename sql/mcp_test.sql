-- What the bridge to MCP clients needs: dry runs of recorded patches, dead letters without values, and events of calls.
SET client_min_messages = warning;
CREATE SCHEMA mcp_test;
SET search_path = mcp_test, public;
GRANT USAGE ON SCHEMA mcp_test TO mend_healer;
CREATE ROLE regress_mcp_agent IN ROLE mend_agent;
CREATE ROLE regress_mcp_other IN ROLE mend_agent;
CREATE TABLE t (id int, n int);
SELECT mend.enroll('t', 'review');
SELECT healing_load('t', '[{"id": 1, "n": 3000000000}, {"id": 2, "m": 7}, 5]');
CALL mend.wait_idle('t');

-- dry_run_patch: of a patch with DDL, with mappings only, refused, and settled.
CREATE TABLE made (what text, id bigint);
INSERT INTO made SELECT 'ddl', mend.propose('t', 'ALTER TABLE t ALTER n TYPE bigint');
INSERT INTO made SELECT 'mapping', mend.propose('t', '', '{"m": "n"}');
INSERT INTO made SELECT 'both', mend.propose('t', 'ALTER TABLE t ALTER n TYPE bigint', '{"m": null}');
INSERT INTO made SELECT 'useless', mend.propose('t', 'ALTER TABLE t ADD z int');
SET client_min_messages = error; -- the warning names the patch
INSERT INTO made SELECT 'refused', mend.propose('t', 'DROP TABLE t');
SET client_min_messages = warning;
BEGIN READ ONLY;
SELECT what, d.* FROM made, mend.dry_run_patch(id) d ORDER BY made.id;
COMMIT;
\set VERBOSITY terse
SELECT mend.dry_run_patch(0);
SELECT mend.dry_run_patch(NULL);
\set VERBOSITY default
SELECT count(*) AS untouched FROM mend.queue WHERE target = 't'::regclass;
SET ROLE regress_mcp_agent;
SELECT ok FROM mend.dry_run_patch((SELECT min(p.id) FROM mend.patches p WHERE p.target_name = 'mcp_test.t' AND p.field_map <> '{}'));

-- Dead letters: that they are, and of what kind.
SELECT target_name, kind, field, sqlstate, died_at IS NOT NULL AS dated FROM mend.dead_letters WHERE target_name = 'mcp_test.t';
SELECT payload FROM mend.dead_letters;
SELECT error FROM mend.dead_letters;
SELECT reason FROM mend.dead_letters;
SELECT submitted_by FROM mend.dead_letters;
SELECT context FROM mend.dead_letters;
RESET ROLE;

\set VERBOSITY terse
-- Events of calls. The actor is the session's user, whatever the role.
SET SESSION AUTHORIZATION regress_mcp_agent;
SELECT mend.record_tool_call('list_drift', NULL, 12, 'mcp_test.t');
SELECT mend.record_tool_call('get_patch', '42501', -5, NULL, 999999999);
SELECT mend.record_tool_call('describe_table', '42P01', 9223372036854775807, repeat('x', 100000));
SELECT mend.record_tool_call('', NULL, 1);
SELECT mend.record_tool_call('list drift', NULL, 1);
SELECT mend.record_tool_call(repeat('a', 41), NULL, 1);
SELECT mend.record_tool_call(NULL, NULL, 1);
SELECT mend.record_tool_call('list_drift', 'no', 1);
SELECT mend.record_tool_call('list_drift', E'4250\n1', 1);
SELECT mend.record_tool_call('list_drift', NULL, NULL);
INSERT INTO mend.events (kind) VALUES ('patch_approved');
INSERT INTO mend.tool_calls VALUES ('x', now(), 0);
UPDATE mend.tool_calls SET calls = 0;
RESET SESSION AUTHORIZATION;
SELECT kind, target_name, patch_id, actor, regexp_replace(detail::text, 'x{200}', '200 x') AS detail
FROM mend.events WHERE actor LIKE 'regress_mcp%' ORDER BY id;
SELECT calls FROM mend.tool_calls WHERE actor = 'regress_mcp_agent';

-- 600 a minute for a role; the rest are counted, and told of when the minute is over.
SET SESSION AUTHORIZATION regress_mcp_other;
SELECT mend.record_tool_call('list_drift', NULL, 1) AS kept, count(*) FROM generate_series(1, 610) GROUP BY 1 ORDER BY 1;
SET SESSION AUTHORIZATION regress_mcp_agent;
SELECT mend.record_tool_call('list_drift', NULL, 1) AS another_role;
RESET SESSION AUTHORIZATION;
UPDATE mend.tool_calls SET since = since - interval '61 s' WHERE actor = 'regress_mcp_other';
SET SESSION AUTHORIZATION regress_mcp_other;
SELECT mend.record_tool_call('list_drift', NULL, 1) AS a_minute_later;
RESET SESSION AUTHORIZATION;
SELECT kind, actor, detail - 'since' AS detail, count(*) FROM mend.events WHERE actor = 'regress_mcp_other' GROUP BY 1, 2, 3 ORDER BY 1;

CREATE ROLE regress_mcp_nobody;
SET ROLE regress_mcp_nobody;
SELECT mend.record_tool_call('list_drift', NULL, 1);
SELECT mend.dry_run_patch(1);
SELECT id FROM mend.dead_letters;
RESET ROLE;

DELETE FROM mend.tool_calls;
SELECT mend.discard(array_agg(id), 'test') IS NOT NULL AS discarded FROM mend.dead_letters WHERE target = 't'::regclass;
SELECT count(mend.reject(p.id, 'test')) FROM mend.patches p WHERE p.target = 't'::regclass AND p.state = 'proposed';
SELECT mend.configure('t', mode => 'auto');
CALL mend.wait_idle('t');
SELECT mend.discard(array_agg(id), 'test') IS NOT NULL AS discarded FROM mend.dead_letters WHERE target = 't'::regclass;
SELECT mend.unenroll('t');
DROP SCHEMA mcp_test CASCADE;
DROP ROLE regress_mcp_agent, regress_mcp_other, regress_mcp_nobody;
