# test/t/docs.pl: what the documentation lists is what the sources have: SQLSTATEs, types of events,
# and files that are linked to.
use strict;
use warnings;
use Encode;
use File::Find;
use JSON::PP;
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

# What docs/templates.md says of the templates is what is in them
my $templates = slurp('docs/templates.md');
my %about;
my ($overview, @chapters) = split(/^## (?=\w+_\w+$)/m, $templates =~ s/^## What to look at.*//smr);
$about{ /^(\w+)/ ? $1 : '' } = $_ for @chapters;
is_deeply([ sort keys %about ], [ map { m{([^/]+)\.json$} } files(qr{templates/[^/]+\.json$}, 'sql/templates') ], 'docs/templates.md has a chapter for each template');

# A target of business time as the document writes it
sub span
{
	my ($text) = @_;
	return $text =~ s/^(\d+) days?$/"$1 business day" . ($1 == 1 ? '' : 's')/er;
}

my $column = 1;
for my $name (sort keys %about)
{
	my $template = decode_json(encode('UTF-8', slurp("sql/templates/$name.json")));
	my $definition = $template->{definition};
	my $chapter = $about{$name};
	my %row = map { my @cells = split(/ \| /, s/ \|$//r); $cells[0] => $cells[$column] } $overview =~ /^\| ([^|\n]+ \| .*)$/mg;
	$column++;

	is_deeply([ $row{handoffs} =~ /`(\w+)`/g ], [ map { $_->{name} } sort { $a->{ord} <=> $b->{ord} } @{ $definition->{leg} } ], "$name: handoffs");
	for my $list ([ 'Dispositions', 'disposition', 'code' ], [ 'Signals', 'activity_rule', 'name' ], [ 'Recycle paths', 'recycle_path', 'name' ])
	{
		my ($title, $table, $key) = @$list;
		my ($told) = $chapter =~ /\*\*$title\*\*: ((?:`\w+`[,\s]*)+)/;
		is_deeply([ sort $told =~ /`(\w+)`/g ],
			[ sort map { $_->{$key} } grep { ($_->{meaning} // 'signal') eq 'signal' } @{ $definition->{$table} } ], "$name: $title");
	}
	my ($pools) = $chapter =~ /^\| pool \| who \|\n\|[-|]+\n((?:\|.*\n)+)/m;
	is_deeply([ sort $pools =~ /^\| `(\w+)`/mg ], [ sort map { $_->{pool} } @{ $template->{pool} } ], "$name: pools");
	is_deeply([ sort map { $_->{target} } grep { $_->{target_kind} eq 'account_team' } @{ $definition->{route} } ],
		[ sort(($chapter =~ /^\| role \| gets \|\n\|[-|]+\n((?:\|.*\n)+)/m ? $1 : '') =~ /^\| `(\w+)`/mg) ], "$name: roles of account teams");

	# stages of the way that leads to a customer, in order
	my %stage = map { $_->{name} => $_->{position} } @{ $definition->{stage} };
	my @way = $row{journey} =~ /(\w+)/g;
	is_deeply([ grep { !defined $stage{$_} } @way ], [], "$name: stages exist");
	is_deeply([ sort { $stage{$a} <=> $stage{$b} } @way ], \@way, "$name: in this order");

	# figures
	my %sla = map { $_->{name} => span($_->{target}) } @{ $definition->{sla} };
	is($row{'accept, first touch'}, "$sla{sdr_accept}, $sla{sdr_first_touch} (hot: $sla{sdr_first_touch_hot})", "$name: accept, first touch");
	is($row{decision}, join(', ', $sla{sdr_decision}, map { $sla{ lc($_) . '_decision' } ? "$_ " . ($sla{ lc($_) . '_decision' } =~ /(\d+)/)[0] : () } qw(AE partner)), "$name: decision");
	my @cadence = grep { $_->{leg} eq $definition->{leg}[0]{name} } @{ $definition->{cadence_step} };
	my %channels = map { $_->{channel} => 1 } @cadence;
	is($row{'cadence of the SDR'}, sprintf('%d steps in %d business days, %d channels', scalar @cadence, 1 + $cadence[-1]{business_day}, scalar keys %channels), "$name: cadence");
	my ($strict, $mild) = map { $_->{min_touches} } grep { $_->{name} eq 'no_response' } sort { $a->{ord} <=> $b->{ord} } @{ $definition->{work_standard} };
	like($row{'no answer after'}, qr/^$mild touches, .* $strict$/, "$name: touches");
	my ($lost) = map { my $d = $_; grep { $_->{name} eq $d->{recycle_path} } @{ $definition->{recycle_path} } } grep { $_->{outcome} eq 'lost' } @{ $definition->{disposition} };
	is($row{'lost deals'}, "back after $lost->{delay}, or with a signal; $lost->{exhausted_to} after $lost->{max_cycles} cycles", "$name: lost deals");
	is_deeply([ $row{parties} =~ /`(\w+)`/g ], $definition->{contract}{parties} // [], "$name: parties");
	is($row{intent}, $definition->{contract}{half_life} ? "halves in $definition->{contract}{half_life}" : 'keeps its worth', "$name: intent");
	my %metrics = map { $_->{metric} => 1 } @{ $definition->{sla} };
	is(scalar keys %metrics, 6, "$name: all metrics");
	my %outcomes = map { $_->{outcome} => 1 } @{ $definition->{disposition} };
	is(scalar keys %outcomes, 7, "$name: all outcomes");

	# every field that the chapter names is declared or built in
	my %field = map { $_->{name} => 1 } @{ $definition->{field} };
	my ($assumes) = $chapter =~ /\*\*What it assumes\.\*\*(.*?)\n\n/s;
	$field{$_} = 1 for slurp('src/rules/fields.c') =~ /^\t\{"\w+", "(\w+)"/mg;
	is_deeply([ grep { !$field{$_} && !/^\d$|^account$/ } $assumes =~ /`(\w+)`/g ], [], "$name: fields");
}

# The first session is the one that make demo runs
for my $shown ([ 'README.md', 'demo/session.sql' ], [ 'README.md', 'demo/jobs.sql' ], [ 'docs/jobs.md', 'demo/jobs.sql' ])
{
	my ($document, $file) = @$shown;
	my ($session) = slurp($file) =~ /^--[^\n]*\n\n(.*)/s;
	ok(index(slurp($document), "```sql\n$session```\n") >= 0, "$document shows $file");
}

done_testing();
