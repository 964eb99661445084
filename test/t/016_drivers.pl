# Drivers send text, and seldom say of which type: healing_insert and healing_load take what they send, without casts.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

# JDBC knows no Unix sockets.
my $node = mend_node('drivers', "listen_addresses = '127.0.0.1'");
$node->safe_psql('postgres', q{CREATE TABLE orders (id int, note text); SELECT mend.enroll('orders', mode => 'paused'); SELECT mend.create_inbox('orders')});

sub stored
{
	return $node->safe_psql('postgres',
		q{WITH gone AS (DELETE FROM orders RETURNING id, note) SELECT coalesce(string_agg(id || ':' || note, ' ' ORDER BY id), '') FROM gone});
}

# What a driver of Python prints; undef where it is not installed.
sub python
{
	my ($module, $body) = @_;
	return undef if system_quietly('python3', '-c', "import $module") != 0;
	my $script = "import $module, json\nconnection = $module.connect(" .
		q{"host='} . $node->host . q{' port=} . $node->port . qq{ dbname=postgres user=postgres")\n$body};
	return output_of($module, [ 'python3', '-' ], $script);
}

sub output_of
{
	my ($driver, $command, $input) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run($command, '<', \$input, '>', \$out, '2>', \$err) or diag("$driver: $err");
	$out =~ s/\s+\z//;
	return $out;
}

sub system_quietly
{
	my @command = @_;
	my ($out, $err) = ('', '');
	return eval { IPC::Run::run(\@command, '>', \$out, '2>', \$err) } ? 0 : 1;
}

# Parameters whose type nobody tells (libpq, node-postgres), and as JDBC declares its strings.
for my $types ('', '(unknown, unknown)', '(varchar, varchar)', '(text, text)')
{
	my $out = $node->safe_psql('postgres', qq{
		PREPARE one$types AS SELECT healing_insert(\$1, \$2);
		PREPARE many$types AS SELECT * FROM healing_load(\$1, \$2);
		EXECUTE one('orders', '{"id": 1, "note": "a"}');
		EXECUTE many('orders', E'{"id": 2, "note": "b"}\\n{"id": 3, "note": "c"}\\n');
		EXECUTE many('orders', '[{"id": 4, "note": "d"}]');
		SELECT string_agg(parameter_types::text, ' ' ORDER BY name) FROM pg_prepared_statements});
	my $resolved = $types =~ /varchar/ ? '{"character varying","character varying"}' : $types =~ /\(text/ ? '{text,text}' : '{regclass,text}';
	is($out, "inserted\n2|0|0|0\n1|0|0|0\n$resolved $resolved", 'parameters ' . ($types || 'without a type'));
	is(stored(), '1:a 2:b 3:c 4:d', 'are stored');
}

SKIP:
{
	skip 'libdbd-pg-perl is not installed', 4 unless eval { require DBI; require DBD::Pg; 1 };
	my $dbh = DBI->connect('dbi:Pg:dbname=postgres;host=' . $node->host . ';port=' . $node->port,
		'postgres', undef, { RaiseError => 1, PrintError => 0, pg_server_prepare => 1 });
	$dbh->{pg_switch_prepared} = 1;
	my $one = $dbh->prepare('SELECT healing_insert(?, ?)');
	my @outcomes = map { $one->execute('orders', qq({"id": $_, "note": "perl"})); $one->fetchrow_array } 1 .. 3;
	is("@outcomes", 'inserted inserted inserted', 'DBD::Pg: one row a call, prepared on the server');
	my $many = $dbh->prepare('SELECT inserted, queued, dead_lettered FROM healing_load(?, ?)');
	$many->execute('orders', qq({"id": 4, "note": "perl"}\n{"id": "four", "note": "perl"}\n{"id":));
	is(join(' ', $many->fetchrow_array), '1 1 1', 'DBD::Pg: many rows a call');
	eval { $one->execute('nothing', '{}') };
	is($dbh->state, '42P01', 'DBD::Pg: a table that is not there');
	$dbh->disconnect;
	is(stored(), '1:perl 2:perl 3:perl 4:perl', 'are stored');
}

# psycopg2 writes literals into the statement; psycopg sends parameters whose type it leaves to the server.
for my $module ('psycopg2', 'psycopg')
{
  SKIP:
	{
		my $out = python($module, <<'END');
connection.autocommit = True
cursor = connection.cursor()
said = []
for i in range(1, 8):
    cursor.execute("SELECT healing_insert(%s, %s)", ("orders", json.dumps({"id": i, "note": "python"})))
    said.append(cursor.fetchone()[0])
cursor.execute("SELECT * FROM healing_load(%s, %s)", ("orders", '[{"id": 8, "note": "\\u00e9"}, {"id": 9, "note": "x", "more": 1}]'))
print(" ".join(sorted(set(said))), *cursor.fetchone())
END
		skip "python3-$module is not installed", 2 unless defined $out;
		is($out, 'inserted 1 1 0 0', "$module: one row a call, and many");
		is(stored(), '1:python 2:python 3:python 4:python 5:python 6:python 7:python 8:' . "\xC3\xA9", 'are stored');
	}
}

# json and jsonb objects of a driver's own are taken as such.
SKIP:
{
	my $out = python('psycopg', <<'END');
from psycopg.types.json import Json, Jsonb
connection.autocommit = True
cursor = connection.cursor()
for wrap in (Json, Jsonb):
    cursor.execute("SELECT healing_insert(%s, %s)", ("orders", wrap({"id": 1, "note": wrap.__name__})))
    print(cursor.fetchone()[0], end=" ")
with cursor.copy("COPY orders_inbox FROM STDIN") as copy:
    copy.write_row([json.dumps({"id": 3, "note": "copied"})])
END
	skip 'python3-psycopg is not installed', 2 unless defined $out;
	is($out, 'inserted inserted', 'psycopg: Json and Jsonb');
	is(stored(), '1:Json 1:Jsonb 3:copied', 'are stored, and what it copies into the inbox');
}

# node-postgres tells no types either, and writes an object as JSON.
SKIP:
{
	my $home = PostgreSQL::Test::Utils::tempdir();
	local %ENV = (%ENV, HOME => $home, npm_config_cache => "$home/cache", NODE_PATH => "$home/node_modules");
	skip 'npm is not installed, or cannot fetch pg', 2
	  if system_quietly('npm', 'install', '--prefix', $home, '--ignore-scripts', '--silent', '--no-audit', '--no-fund', 'pg@8.23.1') != 0;
	my $out = output_of('node-postgres', [ 'node', '-', $node->host, $node->port ], <<'END');
const { Client } = require('pg');
(async () => {
  const client = new Client({ host: process.argv[2], port: Number(process.argv[3]), database: 'postgres', user: 'postgres' });
  await client.connect();
  const said = new Set();
  for (let id = 1; id <= 3; id++) {
    const plain = await client.query('SELECT healing_insert($1, $2) AS o', ['orders', JSON.stringify({ id, note: 'node' })]);
    said.add(plain.rows[0].o);
  }
  for (let id = 4; id <= 6; id++) {
    const named = { name: 'one', text: 'SELECT healing_insert($1, $2) AS o', values: ['orders', { id, note: 'node' }] };
    said.add((await client.query(named)).rows[0].o);
  }
  const many = await client.query({ text: 'SELECT * FROM healing_load($1, $2)', rowMode: 'array',
    values: ['orders', JSON.stringify([{ id: 7, note: '\u00e9' }, { id: 8, note: 'x', more: 1 }])] });
  console.log([...said].join(' '), ...many.rows[0]);
  await client.end();
})();
END
	is($out, 'inserted 1 1 0 0', 'node-postgres: one row a call, unprepared and prepared, and many');
	is(stored(), '1:node 2:node 3:node 4:node 5:node 6:node 7:' . "\xC3\xA9", 'are stored');
}

# JDBC declares its strings as varchar, unless told to leave their type to the server.
SKIP:
{
	my $driver = '/usr/share/java/postgresql.jar';
	skip 'libpostgresql-jdbc-java is not installed', 4 unless -e $driver;
	my $program = PostgreSQL::Test::Utils::tempdir() . '/Drive.java';
	append_to_file($program, <<'END');
import java.sql.*;
import java.util.*;
public class Drive {
  public static void main(String[] args) throws Exception {
    try (Connection c = DriverManager.getConnection(args[0])) {
      Set<String> said = new TreeSet<>();
      try (PreparedStatement one = c.prepareStatement("SELECT healing_insert(?, ?)")) {
        for (int id = 1; id <= 7; id++) {  // from the sixth on it is prepared on the server
          one.setString(1, "orders");
          one.setString(2, "{\"id\": " + id + ", \"note\": \"java\"}");
          try (ResultSet r = one.executeQuery()) { r.next(); said.add(r.getString(1)); }
        }
      }
      try (PreparedStatement many = c.prepareStatement("SELECT * FROM healing_load(?, ?)")) {
        many.setString(1, "orders");
        many.setString(2, "[{\"id\": 8, \"note\": \"java\"}, {\"id\": 9, \"more\": 1}]");
        try (ResultSet r = many.executeQuery()) {
          r.next();
          System.out.println(String.join(" ", said) + " " + r.getLong(1) + " " + r.getLong(2) + " " + r.getLong(3));
        }
      }
    }
  }
}
END
	skip 'there is no Java compiler', 4 if system_quietly('javac', '-version') != 0;
	for my $type ('varchar', 'unspecified')
	{
		my $url = 'jdbc:postgresql://127.0.0.1:' . $node->port . "/postgres?user=postgres&stringtype=$type";
		my $out = output_of('JDBC', [ 'java', '-cp', $driver, $program, $url ], '');
		is($out, 'inserted 1 1 0', "JDBC, strings as $type: one row a call, and many");
		is(stored(), join(' ', map { "$_:java" } 1 .. 8), 'are stored');
	}
}

nothing_crashed($node);
$node->stop;
done_testing();
