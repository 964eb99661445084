# What rules leave is put to Claude: healed with one request each, its cost on the books; a plan serves every table of
# the same shape.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use ClaudeTest;
use MendTest;
use Test::More;

my $stand_in = stand_in();
my $node = claude_node('claude', $stand_in);
my $books = q{SELECT planner, model, state, rows_healed, input_tokens > 1000, output_tokens > 0, cost_usd > 0 AND cost_usd < 0.001 FROM mend.patches};

# An integer column, and an amount with its unit.
orders_table($node, 'amounts', q{allow => '{add_column,widen_type,map_field,change_type}'});
heal($node, 'amounts', '{"id": 1, "customer_name": "Ann", "amount": "12.50 USD"}', '{"id": 2, "customer_name": "Bob", "amount": 7}');
is(sql($node, 'SELECT * FROM amounts ORDER BY id'), "1|Ann|12.50 USD|\n2|Bob|7|", 'an amount with its unit is stored');
is(sql($node, "$books WHERE target = 'amounts'::regclass"), 'claude|' . model_name('claude-haiku-5-5') . '|applied|1|t|t|t', 'with its tokens and cost');
is(scalar(requests($stand_in)), 1, 'after one request');

# A required field under another name.
orders_table($node, 'renamed');
heal($node, 'renamed', map { qq{{"id": $_, "customer": "C$_", "amount": $_}} } 1 .. 3);
is(sql($node, 'SELECT id, customer_name FROM renamed ORDER BY id'), "1|C1\n2|C2\n3|C3", 'a renamed field goes to its column');
is(sql($node, "SELECT planner, state, ddl, field_map FROM mend.patches WHERE target = 'renamed'::regclass"),
	'claude|applied||{"customer": "customer_name"}', 'by a mapping alone');
is(scalar(requests($stand_in)), 2, 'after one request');
my ($rename) = (cases($stand_in))[1]{rename_candidates}[0];
is_deeply([ @$rename{qw(field column fits rows_together)} ], [ 'customer', 'customer_name', JSON::PP::true, 3 ], 'that gave the evidence');

# A required field that is not known.
orders_table($node, 'missing', q{allow => '{add_column,widen_type,map_field,drop_not_null}'});
heal($node, 'missing', '{"id": 1}', '{"id": 2, "amount": 3}');
is(sql($node, 'SELECT id, customer_name IS NULL FROM missing ORDER BY id'), "1|t\n2|t", 'a field that is not known may be null');
is(sql($node, "SELECT planner, state, ddl FROM mend.patches WHERE target = 'missing'::regclass"),
	'claude|applied|ALTER TABLE public.missing ALTER COLUMN customer_name DROP NOT NULL', 'where that is allowed');
is(scalar(requests($stand_in)), 3, 'after one request');

# What rules can prove and what they cannot: one patch.
orders_table($node, 'mixed', q{allow => '{add_column,widen_type,map_field,change_type}'});
heal($node, 'mixed', '{"id": 1, "customer_name": "Ann", "amount": "1 EUR", "coupon": "x"}', '{"id": 2, "customer_name": "Bob", "colour": true}');
is(sql($node, 'SELECT id, amount, coupon, colour FROM mixed ORDER BY id'), "1|1 EUR|x|\n2|||t", 'both are healed');
is(sql($node, "SELECT count(*), min(planner), min(rationale) LIKE '% By rule: %' FROM mend.patches WHERE target = 'mixed'::regclass"),
	'1|claude|t', 'by one patch');
# The drift that is asked about is that of the first table: nothing is left to ask.
is(scalar(requests($stand_in)), 3, 'and the plan for the same drift is remembered');

# One plan for many schemas, two workers at it.
sql($node, join ' ', map { "CREATE SCHEMA tenant$_; CREATE TABLE tenant$_.events (id int, at date, kind integer); SELECT mend.enroll('tenant$_.events');" } 1 .. 40);
sql($node, 'BEGIN; ' . join(' ', map { qq{SELECT healing_insert('tenant$_.events', '{"id": $_, "kind": "k $_"}');} } 1 .. 40) . ' COMMIT');
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM mend.queue'), 'the same drift of forty tables is healed');
is(sql($node, q{SELECT count(*), count(DISTINCT ddl), count(*) FILTER (WHERE cost_usd > 0), min(state) FROM mend.patches WHERE target_name LIKE 'tenant%'}),
	'40|40|1|applied', 'by a patch each, of which one was paid for');
is(scalar(requests($stand_in)), 4, 'after one request');
is(sql($node, q{SELECT count(*) FROM mend.dead_letters}), '0', 'and no payload is lost');

# The prompt, to the byte.
sql($node, q{CREATE TABLE preview (id int, total integer); SELECT mend.enroll('preview')});
is(sql($node, q{SELECT mend.preview_prompt('preview') IS NULL}), 't', 'without drift nothing would be asked');
script_is($stand_in, 'give_up');
heal($node, 'preview', '{"id": 1, "total": "5 USD"}');
my $sent = (requests($stand_in))[-1]{body};
is(sql($node, q{SELECT mend.preview_prompt('preview')}), $sent, 'the preview is what is sent, to the byte');
is(sql($node, q{SELECT rows, planner, ddl, reason, (SELECT count(*) FROM mend.queue) FROM mend.decisions WHERE target = 'preview'::regclass}),
	'1|rules|ALTER TABLE public.preview ALTER COLUMN total TYPE pg_catalog.text|it changes column "total" from integer to text, and change_type is not allowed for this table; '
	. model_name('claude-haiku-5-5') . ' gave up: No allowed patch is right.|1', 'where the model gives up what rules suggest stands, with its reason');
is(sql($node, q{SELECT planner, model, state, reason, cost_usd > 0 FROM mend.patches WHERE target = 'preview'::regclass AND planner = 'claude'}),
	join('|', 'claude', model_name('claude-haiku-5-5'), 'refused', model_name('claude-haiku-5-5') . ' gave up: No allowed patch is right.', 't'), 'and is on the books');

# Nobody asks twice what was answered; an administrator may.
my $asked = scalar requests($stand_in);
heal($node, 'preview', '{"id": 2, "total": "6 USD"}');
is(scalar(requests($stand_in)), $asked, 'a row alone asks nothing');
is(sql($node, q{SELECT rows, (SELECT count(*) FROM mend.queue) FROM mend.decisions WHERE target = 'preview'::regclass}), '2|2', 'and waits for the same question');
sql($node, q{DELETE FROM mend.plans WHERE state = 'refused'});
heal($node, 'preview', '{"id": 3, "total": "7 USD"}');
is(scalar(requests($stand_in)), $asked + 1, 'once forgotten it is asked anew');
is(sql($node, q{SELECT string_agg(total, ',' ORDER BY id) FROM preview}), '5 USD,6 USD,7 USD', 'and healed') or diag sql($node, 'TABLE mend.queue');
is(sql($node, q{SELECT state FROM mend.patches WHERE target = 'preview'::regclass AND planner = 'rules'}), 'superseded', 'which answers the question');

# Asked before the rules: his choice of types for what rules could answer too, and the rules' where he is not to be had.
sql($node, q{ALTER DATABASE postgres SET mend.planners = 'claude,rules'; SELECT mend.start(); CREATE TABLE first_asked (id int); SELECT mend.enroll('first_asked')});
script_is($stand_in, 'ddl:ALTER TABLE %s ADD COLUMN price numeric(12,2), ADD COLUMN day date');
heal($node, 'first_asked', '{"id": 1, "price": 12.5, "day": "2026-03-01"}');
is(sql($node, q{SELECT price, day, pg_typeof(day) FROM first_asked}), '12.50|2026-03-01|date', 'Claude chooses the types of new columns where he comes first');
is(sql($node, q{SELECT planner, state FROM mend.patches WHERE target = 'first_asked'::regclass}), 'claude|applied', 'by his patch');
script_is($stand_in, ('503') x 20);
heal($node, 'first_asked', '{"id": 2, "other": 12.5, "later": "2026-03-01"}');
is(sql($node, q{SELECT other, later FROM first_asked WHERE id = 2}), '12.5|2026-03-01', 'the rules answer where he is not to be had');
is(sql($node, q{SELECT planner, state FROM mend.patches WHERE target = 'first_asked'::regclass ORDER BY id DESC LIMIT 1}), 'rules|applied', 'by theirs');
sql($node, 'ALTER DATABASE postgres RESET mend.planners; SELECT mend.start()');
script_is($stand_in);

is(sql($node, q{SELECT count(*), sum(cost_usd) = (SELECT sum(cost_usd) FROM mend.patches) FROM mend.calls}), scalar(requests($stand_in)) . '|t',
	'calls and patches tell of the same cost');
nothing_crashed($node);
done_testing();
