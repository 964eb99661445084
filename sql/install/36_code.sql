-- The code that storing a row in a table runs. An offer is consent to the code that the table has then, and to no other.
CREATE OR REPLACE FUNCTION mend.is_plain(expression text) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'mend_is_plain';
COMMENT ON FUNCTION mend.is_plain(text) IS
    'Internal: whether a stored expression does no more than compute: columns, constants, and what PostgreSQL has of operators, casts, pure functions, clocks and sequences';
REVOKE ALL ON FUNCTION mend.is_plain(text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION mend.code_of(target regclass) RETURNS jsonb
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'mend_code_of';
COMMENT ON FUNCTION mend.code_of(regclass) IS
    'Internal: the owner of a table, and digests of the code that storing a row runs: triggers, rules, policies, checks, defaults, computed columns, expressions of indexes and partition keys, and the functions and domains that these name';
REVOKE ALL ON FUNCTION mend.code_of(regclass) FROM PUBLIC;
