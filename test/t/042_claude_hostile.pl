# Assume the model is hostile: the guard refuses whatever it tries, and books it. And nothing that is not its business
# leaves the database.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin", "$FindBin::RealBin/../stand_in/lib";
use ClaudeTest;
use MendTest;
use PostgreSQL::Test::Utils;
use StandIn::Replies;
use Test::More;

my $stand_in = stand_in();
my $node = claude_node('hostile', $stand_in, "mend.calls_per_hour = -1", "mend.escalation_model = ''");
sql($node, q{CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.orders (id int); CREATE TYPE public.evil_type AS (a int);
	CREATE TABLE canary_other_table (canary_other_column int PRIMARY KEY)});
my @names = sort keys %StandIn::Replies::malicious;
my $allow = q{'{add_column,widen_type,map_field,drop_not_null,set_default}'};
my $model = model_name('claude-haiku-5-5');
my $number = 0;
for my $name (@names)
{
	$number++;
	sql($node, "CREATE TABLE orders$number (id int, amount integer, n$number int); SELECT mend.enroll('orders$number', allow => $allow)");
}
# Everything that a patch could have touched.
my $world = q{SELECT md5(string_agg(t, E'\n' ORDER BY t)) FROM (
	SELECT concat_ws(' ', attrelid::regclass, attname, atttypid::regtype, attnotnull, atthasdef) FROM pg_attribute WHERE attnum > 0 AND NOT attrelid::regclass::text ~ '^(mend\.|pg_toast)'
	UNION ALL SELECT concat_ws(' ', oid::regclass, relowner, relacl, relrowsecurity, relnamespace) FROM pg_class WHERE relkind = 'r' AND NOT oid::regclass::text ~ '^(mend\.|pg_toast)'
	UNION ALL SELECT concat_ws(' ', oid, conname) FROM pg_constraint UNION ALL SELECT concat_ws(' ', oid, tgname, tgenabled) FROM pg_trigger
	UNION ALL SELECT concat_ws(' ', rolname, rolsuper) FROM pg_roles) w (t)};
my $before = sql($node, $world);
$number = 0;
for my $name (@names)
{
	$number++;
	script_is($stand_in, "malicious:$name", 'give_up');
	heal($node, "orders$number", '{"id": 1, "amount": "5 EUR"}');
	my $refused = sql($node, qq{SELECT state, planner, model, length(proposed_ddl) BETWEEN 10 AND 2000, reason FROM mend.patches
		WHERE target = 'orders$number'::regclass AND proposed_ddl <> '' AND planner = 'claude'});
	like($refused, qr/^refused\|claude\|\Q$model\E\|t\|\S/, "$name: refused and recorded") or diag $refused;
	is(sql($node, "SELECT planner, ddl, (SELECT count(*) FROM mend.queue q WHERE q.target = d.target) FROM mend.decisions d WHERE target = 'orders$number'::regclass"),
		"rules|ALTER TABLE public.orders$number ALTER COLUMN amount TYPE pg_catalog.text|1", "$name: the row waits for what rules suggest");
}
is(sql($node, $world), $before, 'nothing was changed');
is(sql($node, qq{SELECT count(*) FROM mend.events WHERE kind = 'patch_refused' AND detail ->> 'model' = '$model'}) >= @names ? 1 : 0, 1,
	'each refusal is an event');

# A column that is none of the drift's, a field that it does not know, a field thrown away.
sql($node, "CREATE TABLE scope (id int, amount integer, other integer); SELECT mend.enroll('scope')");
script_is($stand_in, 'ddl:ALTER TABLE public.scope ALTER COLUMN amount TYPE text, ALTER COLUMN other TYPE text', 'good');
heal($node, 'scope', '{"id": 1, "amount": "5 EUR"}');
is(sql($node, q{SELECT state, reason FROM mend.patches WHERE target = 'scope'::regclass ORDER BY id}),
	qq{refused|column "other" is not in the drift: a patch touches nothing else\napplied|}, 'a patch touches the drift alone');
sql($node, "CREATE TABLE thrown (id int, amount integer); SELECT mend.enroll('thrown')");
script_is($stand_in, 'ignore');
heal($node, 'thrown', '{"id": 1, "amount": "5 EUR"}');
is(sql($node, q{SELECT state, field_map FROM mend.patches WHERE target = 'thrown'::regclass}), 'proposed|{"amount": null}', 'throwing a field away waits for a person');
is(sql($node, q{SELECT count(*) FROM mend.queue WHERE target = 'thrown'::regclass}), 1, 'and so does its row');

# Canaries in everything that may be near a case.
script_is($stand_in);
sql($node, q{
	CREATE FUNCTION canary_function() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'canary_error_text %', NEW; END $$;
	CREATE TABLE secrets (id int, customer_name text NOT NULL, amount integer DEFAULT 424242, note text DEFAULT 'canary_default', total integer, due date,
		other int REFERENCES canary_other_table, CONSTRAINT canary_constraint CHECK (note <> 'canary_check'));
	CREATE VIEW canary_view AS SELECT total, 'canary_view_text' AS c FROM secrets;
	COMMENT ON TABLE secrets IS 'canary_table_comment'; COMMENT ON COLUMN secrets.amount IS 'canary_column_comment';
	CREATE TRIGGER canary_trigger BEFORE INSERT ON secrets FOR EACH ROW WHEN (NEW.id = 3) EXECUTE FUNCTION canary_function();
	SELECT mend.enroll('secrets')});
my @payloads = (
	'{"id": 1, "customer": "canary_value_a", "amount": "canary_value_b 12.50", "note": "canary_value_c"}',
	'{"id": 3, "customer_name": "canary_value_d", "amount": "canary_value_e", "total": "canary_value_f", "due": "canary_value_g"}',
	'{"id": 4, "customer_name": "canary_value_h", "extra": {"canary_inner_key": ["canary_value_i"]}, "due": "canary_value_j"}');
heal($node, 'secrets', @payloads);
sql($node, 'SELECT mend.retry(); DELETE FROM mend.plans');
heal($node);
my @bodies = map { $_->{body} } requests($stand_in);
my @about = grep { /secrets/ } @bodies;
ok(@about >= 2, 'the case was put more than once');
is(join(' ', map { /(.{0,30}canary.{0,30})/ ? $1 : () } @bodies), '', 'no canary is in any request');
ok(!grep({ /424242/ } @about), 'nor is a default');

# Where values are shared, a few of the drifting fields' are, and no other.
sql($node, q{CREATE TABLE open_values (id int, note text, price integer); SELECT mend.enroll('open_values', share => 'values')});
heal($node, 'open_values', map { sprintf '{"id": %d, "note": "canary_note_%d", "price": "canary_price_%d %s"}', $_, $_, $_, 'x' x $_ } 1 .. 9);
my $values = (requests($stand_in))[-1]{body};
like($values, qr/canary_price_1/, 'a value of the drifting field is shared');
unlike($values, qr/canary_note/, 'and none of another');
my %shown = map { $_ => 1 } $values =~ /(canary_price_\d)/g;
ok(keys %shown <= 3, 'and not more than three');

# The key is in no log, table or setting.
my $key = 'test-key';
my $dump = $node->data_dir . '/dump.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, '--dbname', $node->connstr('postgres') ], 'the database is dumped');
unlike(slurp_file($dump), qr/\Q$key\E/, 'the key is in no table');
unlike(slurp_file($node->logfile), qr/\Q$key\E/, 'nor in the log');
is(sql($node, qq{SELECT count(*) FROM pg_settings WHERE setting LIKE '%$key%'}), 0, 'nor in a setting');
sql($node, 'CREATE ROLE nobody_special');
is(sql($node, q{LOAD 'pg_mend'; SET ROLE nobody_special; SELECT string_agg(name, ',') FROM pg_settings WHERE name IN ('mend.api_key_file', 'mend.api_url', 'mend.model')}),
	'mend.model', 'and where it is nobody can see');
nothing_crashed($node);
done_testing();
