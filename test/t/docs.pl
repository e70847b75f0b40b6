# test/t/docs.pl: what the documentation lists is what the sources have: SQLSTATEs, types of events,
# and files that are linked to.
use strict;
use warnings;
use File::Find;
use Test::More;

sub slurp
{
	my ($path) = @_;
	open(my $file, '<:encoding(UTF-8)', $path) or die "$path: $!";
	local $/;
	return scalar <$file>;
}

sub files
{
	my ($pattern, @folders) = @_;
	my @found;
	find({ no_chdir => 1, wanted => sub { push @found, $_ if /$pattern/ } }, @folders);
	return sort @found;
}

# What stands in backquotes in the first column of a document's tables.
sub listed
{
	my ($path) = @_;
	return [ sort(slurp($path) =~ /^\| `([^`]+)` \|/mg) ];
}

sub unique
{
	my %seen;
	return [ sort grep { !$seen{$_}++ } @_ ];
}

# SQLSTATEs
my @known = map { s/[',]//gr } slurp('src/lead_handoff.h') =~ /MAKE_SQLSTATE\(('L','H','\d','\d','\d')\)/g;
cmp_ok(scalar @known, '>', 10, 'the header has SQLSTATEs');
is_deeply(listed('docs/errors.md'), unique(@known), 'docs/errors.md lists those of src/lead_handoff.h');

my %known = map { $_ => 1 } @known;
my @used = map { slurp($_) =~ /errcode = '(LH\w+)'/g } files(qr/\.sql$/, 'sql/extension');
cmp_ok(scalar @used, '>', 10, 'the SQL functions raise some');
is_deeply([ grep { !$known{$_} } @{ unique(@used) } ], [], 'and no others');

# Types of events: literals where lh_decision_event() and the like take the type, and those
# that SQL inserts
my @types;
for my $path (files(qr/\.c$/, 'src'))
{
	my $code = slurp($path);
	push @types, map { /"(\w+)"/g } $code =~ /\blh_decision_event\(\s*\w+,([^;,]+),/g,
	  $code =~ /\blh_handoff_event\(\s*[^,;]+,[^,;]+,([^;,]+),/g, $code =~ /\b(?:clock_event|note_pause)\(\s*\w+, \w+,([^;,)]+)[,)]/g;
}
cmp_ok(scalar @types, '>', 10, 'the sources write events');
push @types, map { slurp($_) =~ /insert into handoff\.event \([^)]*\)\s*select [^']*'(\w+)'/g }
  files(qr/\.sql$/, 'sql/extension');
is_deeply(listed('docs/events.md'), unique(@types), 'docs/events.md lists the types that are written');

# Links
my @documents = ('README.md', files(qr/\.md$/, 'docs'));
my $index = slurp('docs/README.md');
for my $path (@documents)
{
	my ($folder) = $path =~ m{^(.*/)?};
	my @gone;
	for my $link (slurp($path) =~ /\]\(([^)#:]+)(?:#[^)]*)?\)/g)
	{
		push @gone, $link unless -e ($folder // '') . $link;
	}
	is_deeply(\@gone, [], "$path links to files that are there");
	next unless $path =~ m{^docs/(?!README)(.*)$};
	like($index, qr/\]\(\Q$1\E\)/, "docs/README.md names $1");
}

# Functions of ours that are written as a call exist
my $install = join('', map { slurp($_) } files(qr/\.sql$/, 'sql/extension'));
for my $path (@documents, files(qr/\.service$/, 'docs'))
{
	my @unknown = grep { $install !~ /create (?:function|procedure|type|aggregate) handoff\.\Q$_\E\b/ }
	  @{ unique(slurp($path) =~ /\bhandoff\.(\w+)\(/g) };
	is_deeply(\@unknown, [], "$path calls functions that exist");
}

# The first session is the one that make demo runs
for my $shown ([ 'README.md', 'demo/session.sql' ], [ 'README.md', 'demo/jobs.sql' ], [ 'docs/jobs.md', 'demo/jobs.sql' ])
{
	my ($document, $file) = @$shown;
	my ($session) = slurp($file) =~ /^--[^\n]*\n\n(.*)/s;
	ok(index(slurp($document), "```sql\n$session```\n") >= 0, "$document shows $file");
}

done_testing();
