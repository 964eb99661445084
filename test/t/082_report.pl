# mend.report_html() in a browser: desktop and phone, light and dark, a thousand events and hostile names: nothing runs,
# nothing is asked for, nothing sticks out.
use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Encode qw(encode_utf8);
use MendTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($browser) = grep { -x } map { my $dir = $_; map { "$dir/$_" } qw(chromium chromium-browser google-chrome) } split /:/, $ENV{PATH};
plan skip_all => 'no Chromium here: the page is not looked at' unless $browser;

my $node = mend_node('report');
my $hostile = q{<script>top.ran=1</script><img src=//e.com/x onerror=top.ran=1>};
$node->safe_psql('postgres', qq{
	CREATE TABLE orders (id int, total int);
	CREATE TABLE "$hostile" (id int);
	CREATE TABLE quite_a_long_name_for_a_table_that_nobody_would_choose (id int);
	SELECT mend.enroll('orders'), mend.enroll('"$hostile"', 'review'), mend.enroll('quite_a_long_name_for_a_table_that_nobody_would_choose', 'review');
	SELECT healing_load('orders', (SELECT jsonb_agg(jsonb_build_object('id', g, 'f' || g % 30, g)) FROM generate_series(1, 300) g));
	SELECT healing_insert('"$hostile"', jsonb_build_object('id', 1, '$hostile', 1));
	SELECT healing_insert('quite_a_long_name_for_a_table_that_nobody_would_choose', jsonb_build_object('id', 1, repeat('w', 200), 1));
	SELECT healing_insert('orders', jsonb_build_object('id', repeat('x', 300)))});
$node->safe_psql('postgres', 'CALL mend.wait_idle()');
$node->safe_psql('postgres', qq{
	INSERT INTO mend.events (kind, target_name, detail) SELECT 'noted', CASE g % 3 WHEN 0 THEN '$hostile' ELSE 'public.orders' END,
		jsonb_build_object('reason', CASE g % 5 WHEN 0 THEN '</td></table>$hostile' WHEN 1 THEN repeat('long', 100) ELSE 'it happened' END)
	FROM generate_series(1, 1000) g});
my $page = $node->safe_psql('postgres', "SELECT mend.report_html('-infinity')");
my $dir = PostgreSQL::Test::Utils::tempdir;

# The page stands in frames of two widths; it cannot run scripts, the one around it can.
(my $quoted = $page) =~ s/&/&amp;/g;
$quoted =~ s/"/&quot;/g;
my $harness = <<"HTML";
<!DOCTYPE html><meta charset="utf-8"><body><iframe id="desktop" width="1280" height="900" srcdoc="$quoted"></iframe>
<iframe id="phone" width="375" height="800" srcdoc="$quoted"></iframe><pre id="result"></pre><script>
var ran = 0;
addEventListener('load', function () {
  var lines = ['desktop', 'phone'].map(function (id) {
    var frame = document.getElementById(id), doc = frame.contentDocument, root = doc.documentElement, out = 0;
    doc.querySelectorAll('body *').forEach(function (e) { if (e.getBoundingClientRect().right > root.clientWidth + 1) out++; });
    return [id, 'wide=' + (root.scrollWidth > root.clientWidth), 'out=' + out, 'asked=' + frame.contentWindow.performance.getEntriesByType('resource').length,
      'scripts=' + doc.scripts.length, 'images=' + doc.images.length, 'rows=' + doc.querySelectorAll('tbody tr').length, 'paper=' + frame.contentWindow.getComputedStyle(doc.body).backgroundColor].join(' ');
  });
  document.getElementById('result').textContent = lines.join('\\n') + '\\nran=' + ran;
});
</script>
HTML
open(my $out, '>', "$dir/harness.html") or die $!;
print $out $harness;
close $out;
open($out, '>', "$dir/page.html") or die $!;
print $out $page;
close $out;
my @run = ($browser, qw(--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars --no-first-run), "--user-data-dir=$dir/profile");

sub look
{
	my (@options) = @_;
	my ($dom, $errors) = ('', '');
	IPC::Run::run([ @run, @options, '--dump-dom', "file://$dir/harness.html" ], '>', \$dom, '2>', \$errors, IPC::Run::timeout(120));
	my ($result) = $dom =~ m{<pre id="result">(.*?)</pre>}s or diag $errors;
	return $result // '';
}
my $light = look();
for my $width ('desktop', 'phone')
{
	my ($line) = $light =~ /^($width .*)$/m;
	like($line, qr/wide=false out=0/, "$width: nothing sticks out") or diag $light;
	like($line, qr/asked=0 scripts=0 images=0/, "$width: nothing is asked for, no script, no image");
	like($line, qr/rows=1[01]\d\d /, "$width: a thousand events are there");
}
like($light, qr/^ran=0$/m, 'no script has run');
my $dark = look('--blink-settings=preferredColorScheme=0');
my ($day) = $light =~ /paper=(\S+ \S+ \S+)/;
my ($night) = $dark =~ /paper=(\S+ \S+ \S+)/;
isnt($night, $day, 'dark is another page');
like($dark, qr/^ran=0$/m, 'and as quiet');
if (my $keep = $ENV{REPORT_SHOTS})
{
	system(@run, '--window-size=1280,2400', "--screenshot=$keep/desktop.png", "file://$dir/page.html");
	system(@run, '--window-size=500,2400', '--blink-settings=preferredColorScheme=0', "--screenshot=$keep/phone.png", "file://$dir/page.html");
}
nothing_crashed($node);
done_testing();
