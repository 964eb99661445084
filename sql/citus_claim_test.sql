-- What Citus's catalogs say decides, and nothing of Citus is needed to try it: here a table is claimed by hand.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA claim;
CREATE TABLE claim.pg_dist_partition (logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL, partkey text, colocationid int, repmodel "char" NOT NULL);
CREATE TABLE claim.pg_dist_shard (logicalrelid regclass NOT NULL, shardid bigint PRIMARY KEY);
CREATE TABLE claim.pg_dist_local_group (groupid int PRIMARY KEY);
CREATE TABLE claim.pg_dist_node (nodeid int PRIMARY KEY, groupid int, nodename text, nodeport int);
INSERT INTO claim.pg_dist_local_group VALUES (0);
INSERT INTO claim.pg_dist_node VALUES (1, 0, 'coordinator.example', 5432);
ALTER TABLE claim.pg_dist_partition SET SCHEMA pg_catalog;
ALTER TABLE claim.pg_dist_shard SET SCHEMA pg_catalog;
ALTER TABLE claim.pg_dist_local_group SET SCHEMA pg_catalog;
ALTER TABLE claim.pg_dist_node SET SCHEMA pg_catalog;
CREATE ROLE regress_claim_owner;
GRANT ALL ON SCHEMA claim TO regress_claim_owner;
SET ROLE regress_claim_owner;
CREATE TABLE claim.t (id int CONSTRAINT a_var CHECK (id IS NOT NULL), k int UNIQUE, n smallint CHECK (n <> 13));
CREATE TABLE claim.t_102008 (id int);
RESET ROLE;
-- The distribution column is kept as a printed Var: here that of a constraint.
INSERT INTO pg_dist_partition SELECT conrelid, 'h', substring(conbin::text FROM '\{VAR [^}]*\}'), 1, 's'
FROM pg_constraint WHERE conname = 'a_var';
ALTER TABLE claim.t DROP CONSTRAINT a_var;
INSERT INTO pg_dist_shard VALUES ('claim.t', 102008);

-- A shard is none to enrol, and only the coordinator is asked.
SELECT mend.enroll('claim.t_102008');
UPDATE pg_dist_local_group SET groupid = 3;
SELECT mend.enroll('claim.t');
UPDATE pg_dist_local_group SET groupid = 0;
SELECT mend.enroll('claim.t');
UPDATE pg_dist_local_group SET groupid = 3;
SELECT healing_insert('claim.t', '{"id": 1}');
UPDATE pg_dist_local_group SET groupid = 0;

-- Sets come from mend.batch_rows(), which has rows for nobody else.
SELECT * FROM mend.batch_rows() AS r(id int);
SELECT healing_load('claim.t', '[{"id": 1, "k": 1, "n": 1}, {"id": 2, "k": 1, "n": 2}, {"id": 3, "k": 3, "n": 13}, {"k": 4, "n": 4}, {"id": null, "k": 5}, {"id": 6, "k": 6}]');
CALL mend.wait_idle('claim.t');
SELECT * FROM claim.t ORDER BY id;
SELECT payload, kind, field, sqlstate, error FROM mend.dead_letters WHERE target = 'claim.t'::regclass ORDER BY id;

-- The owner alters it, and what drifts beside the distribution column is healed without it.
SELECT healing_load('claim.t', '[{"id": 7, "k": 7, "extra": "x"}, {"id": 8, "k": 8000000000}, {"id": 9000000000, "k": 9}, {"id": 9000000001, "k": 9, "other": 1}]');
CALL mend.wait_idle('claim.t');
SELECT ddl, state, rows_healed FROM mend.patches WHERE target = 'claim.t'::regclass ORDER BY id;
SELECT * FROM claim.t WHERE id > 6 ORDER BY id;
SELECT payload, kind, field, reason FROM mend.dead_letters WHERE target = 'claim.t'::regclass AND kind = 'out_of_range' ORDER BY id;

-- A table that was made anew under its name is told of.
ALTER TABLE claim.t RENAME TO old;
CREATE TABLE claim.t (id int);
DROP TABLE claim.old;
SELECT state, replace(reason, E'\n', ' ') AS reason FROM mend.status WHERE reason LIKE '%claim.t%';
SELECT mend.move('claim.t');

DROP TABLE pg_dist_partition, pg_dist_shard, pg_dist_local_group, pg_dist_node;
DELETE FROM mend.dead_letters WHERE target_name = 'claim.t';
DROP SCHEMA claim CASCADE;
DROP ROLE regress_claim_owner;
