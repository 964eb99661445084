# A landing table is full of its owner's code: defaults, domains, CHECKs, generated columns, indexes, partition keys, policies,
# statistics, triggers, casts, operators. Whatever pg_mend does with the table, that code never runs with the rights of an
# administrator, of an agent, or of the worker; what the ALTER runs as the healer can touch nothing.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MendTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = mend_node('foreign', "mend.idle_exit = '1h'", 'mend.column_cooldown = 0', 'autovacuum = off');

# As a session of that user's own: with SET SESSION AUTHORIZATION alone, code could take it back.
sub as_user { my ($user, $sql) = @_; return $node->safe_psql('postgres', $sql, extra_params => [ '-U', $user ]) }

# strike() says in the log who runs it, and where from; then it tries to make eve a superuser. Immutable, so that it may
# stand anywhere, and runs when a query is planned.
$node->safe_psql(
	'postgres', q{
	CREATE ROLE eve LOGIN; CREATE ROLE ann LOGIN; CREATE ROLE boss LOGIN IN ROLE mend_admin; CREATE ROLE bot LOGIN IN ROLE mend_agent;
	CREATE SCHEMA lair AUTHORIZATION eve});
as_user('eve', q{
	GRANT USAGE ON SCHEMA lair TO PUBLIC;
	CREATE TABLE lair.loot (what text);
	CREATE FUNCTION lair.escalate(how text) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE attempt text;
	BEGIN
		FOREACH attempt IN ARRAY ARRAY['ALTER ROLE eve SUPERUSER', 'GRANT mend_admin TO eve', 'RESET ROLE', 'RESET SESSION AUTHORIZATION',
			'SET ROLE postgres', 'GRANT ALL ON ALL TABLES IN SCHEMA mend TO eve', 'CREATE TABLE lair.made_by_healer (a int)',
			'COPY lair.loot FROM PROGRAM ''echo x''', 'UPDATE mend.enrollments SET healer = ''eve'''] LOOP
			BEGIN
				EXECUTE attempt;
				RAISE LOG 'struck: % as % by %', how, current_user, attempt;
			EXCEPTION WHEN OTHERS THEN NULL;
			END;
		END LOOP;
	END $$;
	CREATE FUNCTION lair.strike(how text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
	DECLARE got text;
	BEGIN
		RAISE LOG 'strike: % as %', how, current_user;
		IF current_user <> 'eve' AND current_user <> 'ann' THEN
			-- Expressions as simple as these run without the executor.
			BEGIN got := lo_create(0); RAISE LOG 'struck: % as % by lo_create', how, current_user; EXCEPTION WHEN OTHERS THEN NULL; END;
			BEGIN got := set_config('role', 'postgres', false); RAISE LOG 'struck: % as % by role', how, current_user; EXCEPTION WHEN OTHERS THEN NULL; END;
			BEGIN got := set_config('session_authorization', 'postgres', false); RAISE LOG 'struck: % as % by session', how, current_user; EXCEPTION WHEN OTHERS THEN NULL; END;
			BEGIN got := set_config('mend.planners', '', false); RAISE LOG 'struck: % as % by setting', how, current_user; EXCEPTION WHEN OTHERS THEN NULL; END;
			BEGIN got := nextval('mend.queue_id_seq'); RAISE LOG 'struck: % as % by nextval', how, current_user; EXCEPTION WHEN OTHERS THEN NULL; END;
			got := set_config('search_path', 'lair, pg_catalog', false);
			got := set_config('default_transaction_read_only', 'on', false);
			BEGIN
				PERFORM lair.escalate(how);
			EXCEPTION WHEN OTHERS THEN NULL;
			END;
		END IF;
		RETURN 1;
	END $$;
	CREATE FUNCTION lair.on_row() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM lair.strike(TG_NAME), lair.escalate(TG_NAME); RETURN NEW; END $$;
	CREATE DOMAIN lair.whole AS int CHECK (lair.strike('domain constant') > 0 AND VALUE > -lair.strike('domain'));
	CREATE TYPE lair.pair AS (a lair.whole, b text)});

# Column definitions and decorations that three kinds of table share.
my $columns = q{(id int, n int CHECK (n < 2000000000 * lair.strike('check')), d lair.whole, p lair.pair, list lair.whole[],
	made int DEFAULT lair.strike('default'), summed int GENERATED ALWAYS AS (id + lair.strike('generated')) STORED, code varchar(3))};
# plain is what rows are written to directly, without the executor.
my @kinds = ('plain', 'flat', 'parted', 'ruled');
for my $kind (@kinds)
{
	my $tail = $kind eq 'parted' ? " PARTITION BY RANGE ((id + lair.strike('partition key'))); CREATE TABLE lair.parted_1 PARTITION OF lair.parted DEFAULT" : '';
	as_user('eve', qq{
		CREATE TABLE lair.$kind $columns$tail;
		CREATE INDEX ON lair.$kind ((id + lair.strike('index')));
		CREATE INDEX ON lair.$kind (id) WHERE id > lair.strike('predicate');
		CREATE STATISTICS lair.s_$kind ON (id + lair.strike('statistics')), n FROM lair.$kind;
		GRANT INSERT ON lair.$kind TO ann});
	next if $kind eq 'plain';
	as_user('eve', qq{
		ALTER TABLE lair.$kind ENABLE ROW LEVEL SECURITY;
		CREATE POLICY reading ON lair.$kind FOR SELECT USING (lair.strike('policy') > 0);
		CREATE POLICY writing ON lair.$kind FOR INSERT WITH CHECK (lair.strike('policy check') > 0);
		CREATE TRIGGER before_row BEFORE INSERT ON lair.$kind FOR EACH ROW WHEN (lair.strike('when') > 0) EXECUTE FUNCTION lair.on_row();
		CREATE TRIGGER after_statement AFTER INSERT ON lair.$kind FOR EACH STATEMENT EXECUTE FUNCTION lair.on_row();
		CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON lair.$kind DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION lair.on_row()});
}
as_user('eve', q{
		CREATE RULE also AS ON INSERT TO lair.ruled DO ALSO SELECT lair.strike('rule')});
# Only what happens from here on counts, and every session loads what it needs anew.
my $from = -s $node->logfile;
sub strikes
{
	my %seen;
	my $log = slurp_file($node->logfile, $from);
	while ($log =~ /LOG:  strike: (.+) as (\w+)/g) { $seen{$2}{$1}++ }
	my @struck = $log =~ /LOG:  (struck: .*)/g;
	return (\%seen, \@struck);
}
my $round = 0;
for my $kind (@kinds)
{
	++$round;
	$node->safe_psql('postgres', "SELECT mend.enroll('lair.$kind', 'paused', allow => '{add_column,widen_type,map_field,drop_not_null,set_default}')");
	# Operators and types of the submitter's search_path as well.
	as_user('ann', qq{
		SET search_path = lair, pg_catalog;
		SELECT public.healing_load('lair.$kind', '[{"id": 1, "n": 1, "d": 1, "p": {"a": 1, "b": "x"}, "list": [1, 2], "summed": 2},
			{"id": 2, "n": 1, "d": 2, "fresh": 1, "summed": 3}, {"id": 3, "code": "long enough", "d": 3, "fresh": 2},
			{"id": 4, "d": -7, "fresh": 3}, {"id": 5, "n": "x", "p": {"a": -1}}, {"id": 6, "n": 3, "id": 7}]')});
	my $ddl = "ALTER TABLE lair.$kind ADD COLUMN fresh bigint, ALTER COLUMN code TYPE text";
	as_user('bot', qq{
		SELECT * FROM mend.check_ddl('lair.$kind', '$ddl');
		SELECT * FROM mend.dry_run('lair.$kind', '$ddl');
		SELECT mend.propose('lair.$kind', '$ddl', '{"other": "n"}', 'because');
		DO \$\$ DECLARE v text; BEGIN
			FOR v IN SELECT format('mend.%I', relname) FROM pg_class WHERE relnamespace = 'mend'::regnamespace AND has_table_privilege(oid, 'SELECT') LOOP
				EXECUTE 'SELECT count(*) FROM (SELECT t::text FROM ' || v || ' t) rows_as_text';
			END LOOP;
		END \$\$});
	as_user('boss', qq{
		SELECT * FROM mend.dry_run('lair.$kind', '$ddl', live => true);
		SELECT mend.approve(max(id)) FROM mend.patches});
	$node->safe_psql('postgres', "SELECT mend.configure('lair.$kind', mode => 'auto')");
	$node->safe_psql('postgres', "CALL mend.wait_idle('lair.$kind')");
	is($node->safe_psql('postgres', "SELECT state FROM mend.patches WHERE target = 'lair.$kind'::regclass ORDER BY id LIMIT 1"),
		'applied', "$kind: the patch is applied")
	  or diag($node->safe_psql('postgres', "SELECT * FROM mend.patches; SELECT * FROM mend.status"));
	# (A superuser who as much as reads such a table runs its owner's code.)
	is(as_user('eve', "SELECT string_agg(id::text, ',' ORDER BY id) FROM lair.$kind"), '1,2,3', "$kind: what fits is stored");
	# A second worker's life, and a second patch, planned by rule.
	as_user('ann', qq{
		SELECT healing_load('lair.$kind', '[{"id": 10, "later": "2024-01-01"}, {"id": 11, "d": 99999999999}]')});
	$node->safe_psql('postgres', 'SELECT pg_terminate_backend(pid) FROM mend.workers() WHERE pid IS NOT NULL; SELECT mend.start()');
	$node->safe_psql('postgres', "CALL mend.wait_idle('lair.$kind')");
	as_user('boss', qq{
		SELECT mend.retry('lair.$kind');
		SELECT mend.map_field('lair.$kind', 'elsewhere', 'n'), mend.accept_loss('lair.$kind', 'code')});
	$node->safe_psql('postgres', "CALL mend.wait_idle('lair.$kind')");
	as_user('eve', qq{
		UPDATE lair.$kind SET code = 'abc'});
	as_user('boss', qq{
		SELECT mend.revert(id) FROM (SELECT id FROM mend.patches WHERE target = 'lair.$kind'::regclass AND state = 'applied' ORDER BY id DESC) p});
	is($node->safe_psql('postgres', "SELECT DISTINCT state FROM mend.patches WHERE target = 'lair.$kind'::regclass AND state <> 'refused'"),
		'reverted', "$kind: and all is taken back");
}

# Narrowing asks casts: the owner's type has one, and it is implicit.
as_user('eve', q{
		CREATE TABLE lair.cast_away (id int, n int); GRANT INSERT ON lair.cast_away TO ann});
$node->safe_psql('postgres', q{SELECT mend.enroll('lair.cast_away')});
as_user('ann', q{SELECT healing_insert('lair.cast_away', '{"id": 1, "n": 3000000000}')});
$node->safe_psql('postgres', "CALL mend.wait_idle('lair.cast_away')");
as_user('eve', q{
		CREATE TYPE lair.trap AS (a int);
	CREATE FUNCTION lair.trap_to_int4(lair.trap) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN lair.strike('cast to int4'); END $$;
	CREATE FUNCTION lair.trap_to_int8(lair.trap) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN lair.strike('cast to int8'); END $$;
	CREATE CAST (lair.trap AS int) WITH FUNCTION lair.trap_to_int4(lair.trap);
	CREATE CAST (lair.trap AS bigint) WITH FUNCTION lair.trap_to_int8(lair.trap) AS IMPLICIT;
	ALTER TABLE lair.cast_away ALTER n TYPE lair.trap USING ROW(1)::lair.trap});
my (undef, undef, $refusal) = $node->psql('postgres', "SELECT mend.revert(max(id)) FROM mend.patches WHERE target = 'lair.cast_away'::regclass",
	extra_params => [ '-U', 'boss' ]);
like($refusal, qr/column "n" is lair.trap by now, and was made pg_catalog.int8/, 'a column whose type was changed by hand is not reverted');

my ($seen, $struck) = strikes();
note(join "\n", map { my $who = $_; map { "$who: $_ ($seen->{$who}{$_})" } sort keys %{ $seen->{$who} } } sort keys %$seen);
is(join(' ', sort grep { !/^(eve|ann|mend_healer)$/ } keys %$seen), '', 'no code of the owner runs as anybody but the submitter, the owner, and the healer');
for my $how ('domain constant', 'domain', 'check', 'default', 'generated', 'index', 'predicate', 'policy check', 'when', 'before_row',
	'after_statement', 'at_commit', 'partition key', 'rule')
{
	ok($seen->{ann}{$how}, "the submitter's rows have met the owner's code: $how");
}
is_deeply([ grep { !/as (ann|eve) by/ } @$struck ], [], 'and nothing that it tried has worked, for the healer either');
is($node->safe_psql('postgres', 'SELECT rolsuper FROM pg_roles WHERE rolname = \'eve\''), 'f', 'nobody has become a superuser');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_auth_members WHERE member = 'eve'::regrole"), '0', 'nor anybody else');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_shdepend WHERE refobjid = 'mend_healer'::regrole AND deptype = 'o'"), '0', 'the healer owns nothing');
is($node->safe_psql('postgres', q{SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'lair'::regnamespace}), 'eve', 'and the tables belong to their owner');

nothing_crashed($node);
$node->stop;
done_testing();
