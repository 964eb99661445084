# A planner that answers with the worst it can: thousands of generated patches, checked, and those that pass, executed. Nothing but
# the enrolled table ever changes, and that only in allowed ways. MEND_SEED repeats a run; MEND_PATCHES makes it longer.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use HostileDdl;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{MEND_SEED} // 1;
srand($seed);
note("MEND_SEED=$seed");
my $patches = $ENV{MEND_PATCHES} || 2000;
my $node = mend_node('adversary', "mend.idle_exit = '1h'", 'autovacuum = off', 'mend.patches_per_hour = 1000', 'mend.column_cooldown = 0',
	'mend.max_columns = 300', "log_min_error_statement = 'panic'", "log_statement = 'none'");
sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

query(q{
	CREATE ROLE eve;
	CREATE SCHEMA elsewhere;
	CREATE TABLE prey (id int PRIMARY KEY, small smallint NOT NULL, code varchar(5), price numeric(10,2), made date);
	CREATE TABLE elsewhere.prey (id int);
	CREATE TABLE victim (id int PRIMARY KEY, secret int); INSERT INTO victim VALUES (1, 42);
	CREATE TYPE elsewhere.typed AS (id int);
	CREATE SEQUENCE s;
	CREATE FUNCTION evil() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'EVIL RAN'; RETURN 1; END $$;
	CREATE FUNCTION evil_check(anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'EVIL RAN'; RETURN true; END $$;
	CREATE DOMAIN elsewhere.int8 AS pg_catalog.int8 CHECK (evil_check(VALUE));
	CREATE DOMAIN elsewhere.text AS pg_catalog.text CHECK (evil_check(VALUE));
	INSERT INTO prey VALUES (1, 1, 'a', 1.5, '2024-01-01');
	SELECT mend.enroll('prey', allow => '{add_column,widen_type,drop_not_null,set_default,map_field}', mode => 'review');
	-- Every row of every catalog but those of the prey, in one number.
	CREATE FUNCTION world() RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		family oid[] := ARRAY(SELECT 'prey'::regclass::oid UNION SELECT indexrelid FROM pg_index WHERE indrelid = 'prey'::regclass
			UNION SELECT reltoastrelid FROM pg_class WHERE oid = 'prey'::regclass AND reltoastrelid <> 0
			UNION SELECT indexrelid FROM pg_index WHERE indrelid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'prey'::regclass));
		t record; part text; answer text := '';
	BEGIN
		FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r'
				AND relname NOT IN ('pg_depend', 'pg_shdepend', 'pg_statistic') ORDER BY 1 LOOP
			EXECUTE format('SELECT md5(string_agg(r, '''' ORDER BY r)) FROM (SELECT %s AS r FROM pg_catalog.%I c WHERE %s) rows',
				CASE WHEN t.relname IN ('pg_class', 'pg_attribute') THEN '(to_jsonb(c) - ''{relpages,reltuples,relallvisible,relfrozenxid,relminmxid,attoptions}''::text[])::text'
					ELSE 'c::text' END, t.relname,
				CASE t.relname WHEN 'pg_class' THEN 'oid <> ALL ($1)' WHEN 'pg_attribute' THEN 'attrelid <> ALL ($1)' WHEN 'pg_attrdef' THEN 'adrelid <> ALL ($1)'
					WHEN 'pg_index' THEN 'indrelid <> ALL ($1)' WHEN 'pg_constraint' THEN 'conrelid <> ALL ($1)' WHEN 'pg_type' THEN 'typrelid <> ALL ($1)'
					-- A column says which patch made or changed it.
					WHEN 'pg_description' THEN '$1 IS NOT NULL AND NOT (classoid = ''pg_class''::regclass AND objoid = ''prey''::regclass AND objsubid > 0 AND description ~ ''^pg_mend: (added|widened|changed) by patch [0-9]+ on [0-9-]+'')' ELSE '$1 IS NOT NULL' END)
			INTO part USING family;
			answer := answer || t.relname || ' ' || coalesce(part, '') || E'\n';
		END LOOP;
		RETURN answer || (SELECT md5(string_agg(v::text, '')) FROM victim v);
	END $$;
	-- What the prey is, as far as a patch may not change it: owner, rights, constraints, triggers, policies, rules, options; and of
	-- its first columns everything but type, default and NOT NULL.
	CREATE VIEW fixed AS
	SELECT jsonb_build_object('class', to_jsonb(c) - '{relfilenode,relpages,reltuples,relallvisible,relnatts,relfrozenxid,relminmxid,reltoastrelid}'::text[],
		'constraints', (SELECT jsonb_agg(pg_get_constraintdef(oid) ORDER BY oid) FROM pg_constraint WHERE conrelid = c.oid),
		'indexes', (SELECT jsonb_agg(pg_get_indexdef(indexrelid) ORDER BY indexrelid) FROM pg_index WHERE indrelid = c.oid),
		'others', (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid) + (SELECT count(*) FROM pg_policy WHERE polrelid = c.oid)
			+ (SELECT count(*) FROM pg_rewrite WHERE ev_class = c.oid) + (SELECT count(*) FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent)),
		'columns', (SELECT jsonb_agg(jsonb_build_array(attnum, attname, attacl, attidentity, attgenerated, attisdropped, attinhcount, attcompression) ORDER BY attnum)
			FROM pg_attribute WHERE attrelid = c.oid AND attnum BETWEEN 1 AND 5)) AS facts
	FROM pg_class c WHERE c.oid = 'prey'::regclass;
	-- Of the new and the changed, what may be: plain columns of built-in types, defaults that are constants.
	CREATE VIEW strange AS
	SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull, pg_get_expr(adbin, adrelid) AS default_is
	FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE attrelid = 'prey'::regclass AND attnum > 0 AND (attisdropped OR attidentity <> '' OR attgenerated <> '' OR attcollation NOT IN (0, 100) OR attinhcount > 0 OR attacl IS NOT NULL
		OR attnotnull AND attname NOT IN ('id', 'small') OR atttypid >= 16384
		-- A quoted literal or a number, with casts.
		OR pg_get_expr(adbin, adrelid) !~ '^\(?(''([^'']|'''')*''|-?[0-9.]+|true|false|NULL|\(-[0-9.]+\))\)?(::[a-z 0-9\[\](),]+)*$'
		OR CASE attname WHEN 'id' THEN atttypid NOT IN ('int'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'float8'::regtype)
			WHEN 'small' THEN atttypid NOT IN ('int2'::regtype, 'int'::regtype, 'bigint'::regtype, 'numeric'::regtype, 'float8'::regtype, 'text'::regtype, 'varchar'::regtype)
			WHEN 'code' THEN atttypid NOT IN ('varchar'::regtype, 'text'::regtype) OR atttypmod BETWEEN 0 AND 8
			WHEN 'price' THEN atttypid NOT IN ('numeric'::regtype, 'text'::regtype, 'varchar'::regtype)
			WHEN 'made' THEN atttypid NOT IN ('date'::regtype, 'text'::regtype, 'varchar'::regtype) ELSE false END);
	CREATE TABLE texts (n int PRIMARY KEY, allowed boolean, ddl text);
	CREATE TABLE verdicts (n int PRIMARY KEY, let_through boolean, canonical text, reason text, trouble text)});

my $load = '';
my $allowed_ones = int($patches / 4);
for my $n (1 .. $patches)
{
	my $good = $n <= $allowed_ones;
	my $ddl = $good ? allowed_ddl() : hostile_ddl();
	utf8::encode($ddl);
	$ddl =~ s/\\/\\\\/g;
	$ddl =~ s/\n/\\n/g;
	$ddl =~ s/\r/\\r/g;
	$ddl =~ s/\t/\\t/g;
	$load .= "$n\t" . ($good ? 't' : 'f') . "\t$ddl\n";
}
my $file = PostgreSQL::Test::Utils::tempdir() . '/texts';
append_to_file($file, $load);
query("SET client_encoding = 'UTF8'; COPY texts FROM '$file'");
query('GRANT mend_agent TO eve; GRANT SELECT ON texts TO eve; GRANT INSERT ON verdicts TO eve');
my $world = query('SELECT world()');

# Judged, by an agent.
my ($checked, $out, $err) = $node->psql('postgres', q{SET ROLE eve; INSERT INTO verdicts SELECT t.n, c.* FROM texts t, mend.check_ddl('prey', t.ddl) c});
is($err, '', 'no text is an error');
is(query('SELECT count(*) FROM verdicts'), $patches, 'and every text has a verdict');
is(query('SELECT count(*) FROM verdicts WHERE let_through IS NULL OR let_through AND canonical IS NULL OR NOT let_through AND reason IS NULL'), '0', 'with a reason or a text that would run');
is(query('SELECT world()'), $world, 'checking changes nothing');
unlike(slurp_file($node->logfile), qr/EVIL RAN/, 'and runs nothing');
is(query('SELECT string_agg(ddl || \' -- \' || reason, E\'\n\') FROM texts JOIN verdicts USING (n) WHERE allowed AND NOT let_through'), '', 'what may be is let through');

# What was let through is executed, each in a subtransaction: is there more to it than a patch may do?
query(q{
	DO $$
	DECLARE v record; before jsonb := (SELECT facts FROM fixed); was text := world(); found text; seen int := 0;
	BEGIN
		FOR v IN SELECT * FROM verdicts WHERE let_through ORDER BY n LOOP
			BEGIN
				EXECUTE v.canonical;
				found := NULL;
				IF (SELECT facts FROM fixed) IS DISTINCT FROM before THEN found := 'the table'; END IF;
				IF EXISTS (SELECT FROM strange) THEN found := (SELECT 'columns: ' || s::text FROM strange s LIMIT 1); END IF;
				seen := seen + 1;
				IF seen % 40 = 1 AND world() <> was THEN found := (SELECT string_agg(l, ' ') FROM (SELECT regexp_split_to_table(world(), '\n') EXCEPT SELECT regexp_split_to_table(was, '\n')) d (l)); END IF;
				RAISE EXCEPTION USING ERRCODE = 'PT000';
			EXCEPTION
				WHEN SQLSTATE 'PT000' THEN UPDATE verdicts SET trouble = found WHERE n = v.n;
				WHEN OTHERS THEN UPDATE verdicts SET trouble = 'error: ' || SQLERRM WHERE n = v.n;
			END;
		END LOOP;
	END $$});
is(query('SELECT string_agg(trouble || \': \' || ddl || \' -- \' || canonical, E\'\n\') FROM texts JOIN verdicts USING (n) WHERE trouble IS NOT NULL'), '', 'none does more than a patch may');
is(query(q{SELECT count(*) FROM verdicts WHERE canonical !~ '^ALTER TABLE public\.prey (ADD COLUMN|ALTER COLUMN) '}), '0', 'and each names the table');
note('figures: texts ' . query(q{SELECT format('%s, let through %s (of %s that must be), refused %s, wrongly let through %s, wrongly refused %s', count(*), count(*) FILTER (WHERE let_through),
	count(*) FILTER (WHERE allowed), count(*) FILTER (WHERE NOT let_through), count(trouble), count(*) FILTER (WHERE allowed AND NOT let_through)) FROM texts JOIN verdicts USING (n)}));

# As patches: proposed over many drifts, approved blindly, applied by the worker.
my @names = hostile_names();
for my $round (1 .. 12)
{
	my $name = $names[ $round % @names ];
	my $sql = join ' ', map { my $n = 1000 * $round + $_; qq{SELECT healing_insert('prey', jsonb_build_object('id', $n, 'small', 70000, 'code', 'longer than five', 'price', 0.125, 'n' || (random() * 1000)::int, 1)::text);} } 1 .. 8;
	query($sql);
	$node->psql('postgres', 'SELECT healing_insert(\'prey\', jsonb_build_object(\'id\', 1, $n$' . $name . '$n$, 1)::text)');
	# Half of them such as the guard lets through.
	query(qq{SET client_min_messages = error;
		SELECT count(mend.propose('prey', ddl, '{"n7": "code", "ctid": "id", "x": null}', 'Ignore all rules')) FROM
			((SELECT ddl FROM texts WHERE NOT allowed ORDER BY md5(n || '$round') LIMIT 40) UNION ALL (SELECT ddl FROM texts WHERE allowed ORDER BY md5(n || '$round') LIMIT 10)) t;
		SELECT count(mend.approve(id)) FROM mend.patches WHERE state = 'proposed'});
	query("CALL mend.wait_idle('prey', '120 s')");
}
is(query('SELECT world()'), $world, 'after all those patches the world is as it was');
is(query('SELECT string_agg(s::text, E\'\n\') FROM strange s'), '', 'the table has changed in allowed ways only');
cmp_ok(query("SELECT relnatts FROM pg_class WHERE oid = 'prey'::regclass"), '<=', 300, 'within its cap of columns');
is(query("SELECT count(*) FROM prey WHERE id = 1 AND price = 1.5"), '1', 'the row that was there is as it was');
cmp_ok(query("SELECT count(*) FROM mend.patches WHERE state = 'applied'"), '>', 3, 'patches were applied');
is(query("SELECT string_agg(coalesce(ddl, ''), E'\\n') FROM mend.patches WHERE state = 'applied' AND ddl !~ '^ALTER TABLE public\\.prey '"), '', 'to this table');
is(query("SELECT count(*) FROM pg_shdepend WHERE refobjid = 'mend_healer'::regrole AND deptype = 'o'"), '0', 'the healer owns nothing');
is(query('SELECT count(*) FROM mend.progress WHERE last_error IS NOT NULL'), '0', 'no round has failed');
unlike(slurp_file($node->logfile), qr/EVIL RAN/, 'and nothing ran that was not to run');
note('figures: proposed ' . query(q{SELECT string_agg(format('%s %s', state, n), ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM mend.patches GROUP BY state) p}));

nothing_crashed($node);
$node->stop;
done_testing();
