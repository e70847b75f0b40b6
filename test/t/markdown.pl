# test/t/markdown.pl: what a reader of Markdown makes of contract_markdown(). Whatever people call things, the page has
# the elements of a page with harmless names, in the same order, and what they wrote is its text, letter by letter.
use strict;
use warnings;
use utf8;

use Encode;
use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;

my $reader = '/usr/bin/cmark-gfm';
plan skip_all => 'cmark-gfm is not there (package cmark-gfm)' unless -x $reader;

my $node = start_node('markdown');
my $tmp = PostgreSQL::Test::Utils::tempdir();
$node->safe_psql('postgres', q(create extension lead_handoff; select handoff.setup(); select handoff.load_template('b2b_saas');));

my @hostile = (
	'a|b', '`', '``x``', '\\', '\\|', "two\nlines", "cr\r\n| x | y |\n|---|---|", '**x** _y_ __z__', '[a](http://b "c")', '![i](j)',
	'[r]: http://x', '<script>alert(1)</script>', '<!-- x', '<http://a>', 'http://a.b www.c.d', '&lt;&amp;&#124;', '| --- | --- |', '~~~', '~~x~~', '# x',
	'- x', '1. x', '> x', '$$x$$', '<code>', '</code>', '</td></table>', '`a` `b', "\ttab", 'x\\', '\\`', '- [ ] x', '***', '====', ':---:', 'Grüße, 你好', 'a`|`b', '`<code>`');

# columns that hold what people write, words and names
my %columns = (
	'leg' => [ 'owner_from', 'owner_to' ], 'field' => ['description'], 'validation' => ['message'], 'disposition' => ['reason'],
	'recycle_path' => ['nurture_track'], 'crm_status' => ['value'], 'gate' => ['code'], 'derived' => ['value'], 'route' => ['name'], 'band' => ['name'],
	'score_rule' => ['name'], 'activity_rule' => ['name'], 'sla' => ['name'], 'work_standard' => ['name'], 'channel' => ['name']);

# of these lines are in order of names: a number before the name keeps them in it
my %sorted = map { $_ => 1 } qw(score_rule activity_rule work_standard channel recycle_path);

sub quoted
{
	my ($text) = @_;
	return "E'" . ($text =~ s/\\/\\\\/gr =~ s/'/\\'/gr =~ s/\n/\\n/gr =~ s/\r/\\r/gr =~ s/\t/\\t/gr) . "'";
}

# A draft in which everything has a name of the list, in turn, from number $from on
sub renamed
{
	my ($from, @names) = @_;
	my $n = @names;
	my $list = 'array[' . join(', ', map { quoted($_) } @names) . ']';
	my $version = $node->safe_psql('postgres', 'select handoff.draft(1)');
	my @sql = ("create temp table name as select n::int - 1 as n, name from unnest($list) with ordinality s (name, n)");

	for my $table (sort keys %columns)
	{
		for my $column (@{ $columns{$table} })
		{
			my $prefix = $sorted{$table} ? "to_char(k.n, 'FM000')" : "''";
			push @sql, "update handoff.$table t set $column = $prefix || c.name || ' ' || k.n from (select ctid as id, row_number() over (order by ctid)::int as n "
			  . "from handoff.$table where contract_id = $version) k join name c on c.n = (k.n + $from) % $n where t.ctid = k.id";
		}
	}
	# criteria that stand as code, and in words
	push @sql, "update handoff.gate g set criteria = format('lead_source in (%L, %L, null)', c.name, c.name || 'y')::handoff.criteria "
	  . "from name c where g.contract_id = $version and c.n = (g.ord / 10 + $from) % $n";
	push @sql, "update handoff.validation v set criteria = format('company in (%L, %L)', 'x' || translate(c.name, E'\\n\\r\\t\"', ''), 'y')::handoff.criteria "
	  . "from name c where v.contract_id = $version and v.field = 'company' and c.n = $from % $n";
	push @sql, "update handoff.contract set note = (select string_agg(name, ' ' order by n) from name), parties = array(select name from name order by n) where contract_id = $version";
	push @sql, "insert into handoff.message_template select $version, 'type ' || n, name, name from name";
	push @sql, "insert into handoff.target select $version, 'metric', name, '[2026-01-01,2026-02-01)', n, name from name";
	$node->safe_psql('postgres', join(";\n", @sql));
	return $version;
}

sub html
{
	my ($version) = @_;
	my $page = $node->safe_psql('postgres', "select handoff.contract_markdown($version)");
	open(my $out, '>', "$tmp/page.md") or die $!;
	print $out $page;
	close $out;
	return decode('UTF-8', scalar `$reader --unsafe -e table -e strikethrough -e autolink -e tasklist $tmp/page.md`);
}

# The elements of a page, one after another, up to where it lists what has changed, which is in order of names
sub elements
{
	my ($html) = @_;
	return [ (split(/What has changed/, $html))[0] =~ /<(?:"[^"]*"|[^">])*>/g ];
}

# The texts of the cells, items and headings of a page; blanks are worth one
sub texts
{
	my ($html) = @_;
	my %texts;
	for my $part (split(/<\/?(?:td|th|li|h\d|p)\b[^>]*>/, $html))
	{
		$part =~ s/<(?:"[^"]*"|[^">])*>//g;
		$part =~ s/&lt;/</g;
		$part =~ s/&gt;/>/g;
		$part =~ s/&quot;/"/g;
		$part =~ s/&amp;/&/g;
		$part =~ s/\s+/ /g;
		$texts{ $part =~ s/^ | $//gr } = 1;
	}
	return \%texts;
}

my $harmless = elements(html(renamed(0, map { "x$_" } 1 .. @hostile)));
cmp_ok(scalar @$harmless, '>', 1000, 'a page has many elements');

for my $from (0, 7, 19, 31)
{
	my $html = html(renamed($from, map { encode('UTF-8', $_) } @hostile));
	my $texts = texts($html);

	is_deeply(elements($html), $harmless, "names from number $from on: the same elements");
	is_deeply([ grep { !$texts->{$_} } map { s/\s+/ /gr =~ s/^ | $//gr } @hostile ], [], 'and every name is there as it was written');
}

$node->stop;
done_testing();
