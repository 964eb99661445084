# What PostgreSQL 18 has brought: generated columns that are computed when they are read, keys without overlaps, NOT NULL
# as a constraint with a name and a state, constraints that are not enforced.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('postgres_18');
if ($node->safe_psql('postgres', 'SHOW server_version_num') < 180000)
{
	$node->stop;
	plan skip_all => 'PostgreSQL before 18 has none of it';
}
my $allow = '{add_column,widen_type,drop_not_null,set_default,map_field}';

sub sql { return $node->safe_psql('postgres', $_[0]) }

# What did not fit of a table, taken away: kind and state of each row.
sub refused
{
	return sql(qq{WITH q AS (DELETE FROM mend.queue WHERE target = '$_[0]'::regclass RETURNING id, kind, sqlstate),
		d AS (DELETE FROM mend.dead_letters WHERE target = '$_[0]'::regclass RETURNING id, kind, sqlstate)
		SELECT string_agg(kind || ' ' || sqlstate, '; ' ORDER BY kind::text, sqlstate) FROM (TABLE q UNION ALL TABLE d) r});
}

# A virtual generated column is refused, or left out, where a stored one is.
for my $kind ('VIRTUAL', 'STORED')
{
	my $t = lc $kind;
	sql("CREATE TABLE $t (id int, twice int GENERATED ALWAYS AS (id * 2) $kind, must int NOT NULL GENERATED ALWAYS AS (nullif(id, 13)) $kind, CHECK (twice < 1000));
	     SELECT mend.enroll('$t', mode => 'paused', allow => '$allow')");
	is(sql(qq{SELECT * FROM healing_load('$t', '[{"id": 1}, {"id": 2, "twice": 4}, {"id": 3, "twice": 7}, {"id": 4, "twice": "x"}]')}), '2|0|2', "$kind: a load");
	is(sql("SELECT string_agg(id || ':' || twice, ' ' ORDER BY id) FROM $t"), '1:2 2:4', 'what is computed is left out');
	is(refused($t), 'generated 428C9; generated 428C9', 'and another value is a misfit');
	is(sql(qq{SELECT healing_insert('$t', '{"id": 13}'), healing_insert('$t', '{"id": 600}')}), 'queued|dead_lettered', 'NOT NULL and CHECK see it');
	is(refused($t), 'constraint 23514; missing_required 23502', 'and say so');
	is(sql("SELECT reason FROM mend.check_ddl('$t', 'ALTER TABLE $t ALTER id TYPE bigint')"),
		'the type of column "id" cannot change: generated column must is computed from it', 'what it is computed from keeps its type');
	is(sql("SELECT reason FROM mend.check_ddl('$t', 'ALTER TABLE $t ALTER twice SET DEFAULT 1')"),
		'column "twice" is an identity or generated column: it takes no DEFAULT', 'and it takes no default');
}

# Beside one, columns are healed.
sql("CREATE TABLE healed (id int, twice int GENERATED ALWAYS AS (id * 2)); SELECT mend.enroll('healed')");
is(sql(qq{SELECT * FROM healing_load('healed', '[{"id": 1, "more": "a"}, {"id": 2, "twice": 4, "more": "b"}]')}), '0|2|0', 'rows with a new field');
sql("CALL mend.wait_idle('healed')");
is(sql('SELECT string_agg(concat_ws(\':\', id, twice, more), \' \' ORDER BY id) FROM healed'), '1:2:a 2:4:b', 'are healed beside a virtual column');

# A key without overlaps.
sql("CREATE TABLE stays (room int4range, during daterange, PRIMARY KEY (room, during WITHOUT OVERLAPS)); SELECT mend.enroll('stays', mode => 'paused', allow => '$allow')");
is(sql(q{SELECT * FROM healing_load('stays', '[{"room": "[1,2)", "during": "[2026-01-01,2026-01-05)"}, {"room": "[1,2)", "during": "[2026-01-05,2026-01-09)"},
	{"room": "[1,2)", "during": "[2026-01-04,2026-01-06)"}, {"room": "[2,3)", "during": "empty"}]')}), '2|0|2', 'WITHOUT OVERLAPS: a load');
is(refused('stays'), 'constraint 23514; constraint 23P01', 'what overlaps, and what is empty');
like(sql("SELECT reason FROM mend.check_ddl('stays', 'ALTER TABLE stays ALTER during DROP NOT NULL')"), qr/must stay NOT NULL for the primary key/, 'its columns stay NOT NULL');

# NOT NULL is a constraint with a name; it holds for new rows before it is valid, and can be dropped.
sql("CREATE TABLE required (id int, code text, CONSTRAINT has_code NOT NULL code NO INHERIT);
     INSERT INTO required (id, code) VALUES (NULL, 'old');
     ALTER TABLE required ADD CONSTRAINT has_id NOT NULL id NOT VALID;
     SELECT mend.enroll('required', mode => 'review', allow => '$allow')");
is(sql(q{SELECT * FROM healing_load('required', '[{"id": 1, "code": "a"}, {"id": 2, "code": null}, {"code": "b"}]')}), '1|2|0', 'NOT NULL, one of them not valid: a load');
sql("CALL mend.wait_idle('required')");
is(sql(q{SELECT mend.approve(mend.propose('required', 'ALTER TABLE required ALTER code DROP NOT NULL, ALTER id DROP NOT NULL, ALTER id TYPE bigint')) IS NOT NULL}), 't', 'both are dropped, and a type is widened');
sql("SELECT mend.retry('required'); CALL mend.wait_idle('required')");
is(sql(q{SELECT string_agg(coalesce(id::text, '-') || ':' || coalesce(code, '-'), ' ' ORDER BY id, code) FROM required}), '1:a 2:- -:b -:old', 'the rows are stored');
is(sql("SELECT count(*) FROM pg_constraint WHERE conrelid = 'required'::regclass"), '0', 'no constraint is left');

# Widening keeps the names of what it rebuilds.
sql("CREATE TABLE kept (id int CONSTRAINT key_of_kept PRIMARY KEY, n smallint CONSTRAINT has_n NOT NULL, CONSTRAINT not_held CHECK (id > 0) NOT ENFORCED);
     SELECT mend.enroll('kept')");
is(sql(q{SELECT * FROM healing_load('kept', '[{"id": 1, "n": 70000}, {"id": -5, "n": 1}]')}), '1|1|0', 'a constraint that is not enforced refuses nothing');
my $names = "SELECT string_agg(concat(conname, ':', contype, ':', conenforced), ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = 'kept'::regclass";
my $before = sql($names);
sql("CALL mend.wait_idle('kept')");
is(sql("SELECT format_type(atttypid, NULL) || ' ' || attnotnull FROM pg_attribute WHERE attrelid = 'kept'::regclass AND attname = 'n'"), 'bigint true', 'a column with a named NOT NULL is widened');
is(sql($names), $before, 'and its constraints are as before');

# What the guard makes of the new syntax.
sql("CREATE TABLE orders (id int NOT NULL, qty int, made int GENERATED ALWAYS AS (1)); SELECT mend.enroll('orders', mode => 'paused', allow => '$allow')");
for my $action (
	'ADD a int GENERATED ALWAYS AS (id)', 'ADD a int GENERATED ALWAYS AS (id) VIRTUAL', 'ADD a int NOT NULL NO INHERIT', 'ADD a int CONSTRAINT x NOT NULL',
	'ADD a int CHECK (a > 0) NOT ENFORCED', 'ADD a int DEFAULT 1 NOT ENFORCED', 'ADD a int DEFAULT 1 ENFORCED', 'ADD a int REFERENCES orders (id) NOT ENFORCED', 'ADD a int UNIQUE NULLS NOT DISTINCT',
	'ADD CONSTRAINT x NOT NULL id', 'ADD CONSTRAINT x NOT NULL qty NOT VALID', 'ADD NOT NULL qty', 'ADD UNIQUE (id, qty WITHOUT OVERLAPS)',
	'ALTER made SET EXPRESSION AS (2)', 'ALTER made DROP EXPRESSION', 'ALTER CONSTRAINT x NOT ENFORCED', 'ALTER CONSTRAINT x INHERIT',
	'ALTER id SET NOT NULL', 'ALTER id SET STATISTICS DEFAULT', 'SET ACCESS METHOD DEFAULT', 'ALTER made TYPE bigint', 'ALTER made DROP NOT NULL')
{
	is(sql("SELECT allowed FROM mend.check_ddl('orders', \$\$ALTER TABLE orders $action\$\$)"), 'f', "refused: $action");
}
is(sql("SELECT canonical FROM mend.check_ddl('orders', 'ALTER TABLE orders ADD a int DEFAULT 1, ALTER id DROP NOT NULL')"),
	'ALTER TABLE public.orders ADD COLUMN a pg_catalog.int4 DEFAULT \'1\'::pg_catalog.int4, ALTER COLUMN id DROP NOT NULL', 'allowed: what was allowed before');

nothing_crashed($node);
$node->stop;
done_testing();
