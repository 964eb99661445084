# A planner that answers with the worst it can: thousands of generated patches, checked, and those that pass, executed. Nothing but
# the enrolled table ever changes, and that only in allowed ways. MEND_SEED repeats a run; MEND_PATCHES makes it longer.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../stand_in/lib";
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StandIn::HostileDdl;
use Test::More;
use CatalogSnapshot;

my $seed = $ENV{MEND_SEED} // 1;
srand($seed);
note("MEND_SEED=$seed");
my $patches = $ENV{MEND_PATCHES} || 2000;
my $node = mend_node('adversary', "mend.idle_exit = '1h'", 'autovacuum = off', 'mend.patches_per_hour = 1000', 'mend.column_cooldown = 0',
	'mend.max_columns = 300', "log_min_error_statement = 'panic'", "log_statement = 'none'");
sub query { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }

query('CREATE TABLE landing ' . landing_columns());
query(q{
	CREATE ROLE eve;
	CREATE SCHEMA elsewhere; CREATE SCHEMA work;
	CREATE TABLE elsewhere.landing (id int);
	CREATE TABLE victim (id int PRIMARY KEY, secret int); INSERT INTO victim VALUES (1, 42);
	CREATE TYPE elsewhere.typed AS (id int);
	CREATE SEQUENCE s;
	CREATE FUNCTION evil() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'EVIL RAN'; RETURN 1; END $$;
	CREATE FUNCTION evil_check(anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'EVIL RAN'; RETURN true; END $$;
	CREATE DOMAIN elsewhere.int8 AS pg_catalog.int8 CHECK (evil_check(VALUE));
	CREATE DOMAIN elsewhere.text AS pg_catalog.text CHECK (evil_check(VALUE));
	INSERT INTO landing VALUES (1, 1, 'a', 1.5, '2024-01-01');
	SELECT mend.enroll('landing', allow => '{add_column,widen_type,drop_not_null,set_default,map_field}', mode => 'review');
	CREATE TABLE work.texts (n int PRIMARY KEY, allowed boolean, ddl text);
	CREATE TABLE work.verdicts (n int PRIMARY KEY, let_through boolean, canonical text, reason text, trouble text)});
query(snapshot_functions());

my $file = PostgreSQL::Test::Utils::tempdir() . '/texts';
open(my $load, '>', $file) or die $!;
my $allowed_ones = int($patches / 4);
for my $n (1 .. $patches)
{
	my $good = $n <= $allowed_ones;
	my $ddl = $good ? allowed_ddl() : $n > 0.85 * $patches ? token_soup() : hostile_ddl();
	utf8::encode($ddl);
	$ddl =~ s/\\/\\\\/g;
	$ddl =~ s/\n/\\n/g;
	$ddl =~ s/\r/\\r/g;
	$ddl =~ s/\t/\\t/g;
	print $load "$n\t", ($good ? 't' : 'f'), "\t$ddl\n";
}
close $load or die $!;
query("SET client_encoding = 'UTF8'; COPY work.texts FROM '$file'");
query('GRANT mend_agent TO eve; GRANT USAGE ON SCHEMA work TO eve; GRANT SELECT ON work.texts TO eve; GRANT INSERT ON work.verdicts TO eve');
my $snapshot = snapshot($node);

# Judged, by an agent. (PostgreSQL warns of TIMESTAMP(33).)
my ($checked, $out, $err) = $node->psql('postgres', q{SET client_min_messages = error; SET ROLE eve; INSERT INTO work.verdicts SELECT t.n, c.* FROM work.texts t, mend.check_ddl('landing', t.ddl) c});
is($err, '', 'no text is an error');
is(query('SELECT count(*) FROM work.verdicts'), $patches, 'and every text has a verdict');
is(query('SELECT count(*) FROM work.verdicts WHERE let_through IS NULL OR let_through AND canonical IS NULL OR NOT let_through AND reason IS NULL'), '0', 'with a reason or a text that would run');
snapshot_is($node, $snapshot, 'checking changes nothing');
unlike(slurp_file($node->logfile), qr/EVIL RAN/, 'and runs nothing');
is(query('SELECT string_agg(ddl || \' -- \' || reason, E\'\n\') FROM work.texts JOIN work.verdicts USING (n) WHERE allowed AND NOT let_through'), '', 'what may be is let through');

# What was let through reads as nothing but what may be, to eyes that share nothing with the guard's.
my $name = '(?:[a-z_][a-z0-9_]*|"(?:[^"]|"")+")';
my $word = join '|', map { "\"?$_\"?" } qw(bool int2 int4 int8 numeric float4 float8 text varchar bpchar bytea date time timetz timestamp timestamptz interval uuid json jsonb inet cidr macaddr macaddr8 bit varbit);
my $type = "pg_catalog\\.(?:$word)(?: [a-z ]+)?(?:\\(\\d+(?:,\\d+)?\\))?(?:\\[\\])?";
my $constant = "E?'(?:[^']|'')*'::$type";
my $clause = "(?:ADD COLUMN (?:IF NOT EXISTS )?$name $type(?: DEFAULT $constant)?|ALTER COLUMN (?:$name TYPE $type|$name DROP NOT NULL|$name SET DEFAULT $constant))";
my @odd = grep { !/^ALTER TABLE public\.landing $clause(?:, $clause)*\z/s } split /\x1e/, query(q{SELECT string_agg(canonical, E'\x1e') FROM work.verdicts WHERE let_through});
is(join("\n", @odd[ 0 .. ($#odd < 20 ? $#odd : 20) ]), '', 'what is let through is plain additions, wider types, DROP NOT NULL and constant defaults');

# And it is executed, each shape in a subtransaction: is there more to it than a patch may do? (Of very many a sample: what is
# rolled back stays in the catalogs' files until a vacuum.)
query(q{
	DO $$
	DECLARE v record; before jsonb := (SELECT facts FROM fixed); was text := snapshot(); found text; seen int := 0;
	BEGIN
		FOR v IN SELECT * FROM (SELECT DISTINCT ON (canonical) * FROM work.verdicts WHERE let_through ORDER BY canonical) d ORDER BY md5(n::text) LIMIT 2500 LOOP
			BEGIN
				EXECUTE v.canonical;
				found := NULL;
				IF (SELECT facts FROM fixed) IS DISTINCT FROM before THEN found := 'the table'; END IF;
				IF EXISTS (SELECT FROM strange) THEN found := (SELECT 'columns: ' || s::text FROM strange s LIMIT 1); END IF;
				seen := seen + 1;
				IF seen % 40 = 1 AND snapshot() <> was THEN found := (SELECT string_agg(l, ' ') FROM (SELECT regexp_split_to_table(snapshot(), '\n') EXCEPT SELECT regexp_split_to_table(was, '\n')) d (l)); END IF;
				RAISE EXCEPTION USING ERRCODE = 'PT000';
			EXCEPTION
				WHEN SQLSTATE 'PT000' THEN UPDATE work.verdicts SET trouble = found WHERE n = v.n;
				WHEN OTHERS THEN UPDATE work.verdicts SET trouble = 'error: ' || SQLERRM WHERE n = v.n;
			END;
		END LOOP;
	END $$});
is(query('SELECT string_agg(trouble || \': \' || ddl || \' -- \' || canonical, E\'\n\') FROM work.texts JOIN work.verdicts USING (n) WHERE trouble IS NOT NULL'), '', 'none does more than a patch may');
is(query(q{SELECT count(*) FROM work.verdicts WHERE canonical !~ '^ALTER TABLE public\.landing (ADD COLUMN|ALTER COLUMN) '}), '0', 'and each names the table');
note('figures: texts ' . query(q{SELECT format('%s, let through %s (of %s that must be), refused %s, wrongly let through %s, wrongly refused %s', count(*), count(*) FILTER (WHERE let_through),
	count(*) FILTER (WHERE allowed), count(*) FILTER (WHERE NOT let_through), count(trouble), count(*) FILTER (WHERE allowed AND NOT let_through)) FROM work.texts JOIN work.verdicts USING (n)}) . ', of a strange form ' . @odd . ', executed ' . query('SELECT least(2500, count(DISTINCT canonical)) FROM work.verdicts WHERE let_through'));

# As patches: proposed over many drifts, approved blindly, applied by the worker.
my @names = hostile_names();
for my $round (1 .. 12)
{
	my $name = $names[ $round % @names ];
	my $sql = join ' ', map { my $n = 1000 * $round + $_; qq{SELECT healing_insert('landing', jsonb_build_object('id', $n, 'small', 70000, 'code', 'longer than five', 'price', 0.125, 'n' || (random() * 1000)::int, 1)::text);} } 1 .. 8;
	query($sql);
	$node->psql('postgres', 'SELECT healing_insert(\'landing\', jsonb_build_object(\'id\', 1, $n$' . $name . '$n$, 1)::text)');
	# Half of them such as the guard lets through.
	query(qq{SET client_min_messages = error;
		SELECT count(mend.propose('landing', ddl, '{"n7": "code", "ctid": "id", "x": null}', 'Ignore all rules')) FROM
			((SELECT ddl FROM work.texts WHERE NOT allowed ORDER BY md5(n || '$round') LIMIT 40) UNION ALL (SELECT ddl FROM work.texts WHERE allowed ORDER BY md5(n || '$round') LIMIT 10)) t;
		-- Of alternatives, one.
		DO \$\$ DECLARE p record; BEGIN FOR p IN SELECT id FROM mend.patches WHERE state = 'proposed' LOOP
			IF (SELECT state FROM mend.patches WHERE id = p.id) = 'proposed' THEN PERFORM mend.approve(p.id); END IF; END LOOP; END \$\$});
	query("CALL mend.wait_idle('landing', '120 s')");
}
snapshot_is($node, $snapshot, 'after all those patches everything else is as it was');
is(query('SELECT string_agg(s::text, E\'\n\') FROM strange s'), '', 'the table has changed in allowed ways only');
cmp_ok(query("SELECT relnatts FROM pg_class WHERE oid = 'landing'::regclass"), '<=', 300, 'within its cap of columns');
is(query("SELECT count(*) FROM landing WHERE id = 1 AND price = 1.5"), '1', 'the row that was there is as it was');
cmp_ok(query("SELECT count(*) FROM mend.patches WHERE state = 'applied'"), '>', 3, 'patches were applied');
is(query("SELECT string_agg(coalesce(ddl, ''), E'\\n') FROM mend.patches WHERE state = 'applied' AND ddl !~ '^ALTER TABLE public\\.landing '"), '', 'to this table');
is(query("SELECT count(*) FROM pg_shdepend WHERE refobjid = 'mend_healer'::regrole AND deptype = 'o'"), '0', 'the healer owns nothing');
is(query('SELECT count(*) FROM mend.progress WHERE last_error IS NOT NULL'), '0', 'no round has failed');
unlike(slurp_file($node->logfile), qr/EVIL RAN/, 'and nothing ran that was not to run');
note('figures: proposed ' . query(q{SELECT string_agg(format('%s %s', state, n), ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM mend.patches GROUP BY state) p}));

nothing_crashed($node);
$node->stop;
done_testing();
