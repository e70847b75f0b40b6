# test/t/fuzz.pl: the fuzzer's corpus, replayed without the fuzzer: every input that once reached something new,
# and every one that was a finding.
use strict;
use warnings;
use LeadHandoff;
use PostgreSQL::Test::Cluster;
use Test::More;

my $pg_config = $ENV{PG_CONFIG} // 'pg_config';
is(system("make -s -C test/fuzz with_llvm=no PG_CONFIG='$pg_config' LH_CFLAGS=-Werror >&2"), 0, 'the targets compile')
  or BAIL_OUT('no fuzz targets');

my $node = start_node('fuzz');
my ($tree) = `pwd` =~ /^(.*)$/;
$node->safe_psql('postgres', 'create extension lead_handoff');
$node->run_log([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-v', 'ON_ERROR_STOP=1', '-v', "module=$tree/test/fuzz/lh_fuzz.so", '-f', 'test/fuzz/functions.sql' ]);

# "accepted refused found" of a target's inputs, and the first that was found
sub replay
{
	my ($target) = @_;
	my $answer = $node->safe_psql('postgres', qq{
		set search_path = criteria_truth, pg_catalog;
		select count(*) filter (where outcome = 'accepted') > 0, count(*) filter (where outcome !~ '^(accepted\$|finding)') > 0,
			count(*) filter (where outcome like 'finding%'), coalesce(min(file || ' ' || outcome) filter (where outcome like 'finding%'), '')
		from (select file, fuzz.replay('$target', pg_read_binary_file('$tree/test/fuzz/corpus/$target/' || file)) as outcome
			from pg_ls_dir('$tree/test/fuzz/corpus/$target') file offset 0) s});
	my ($accepted, $refused, $found, $first) = split(/\|/, $answer, 4);
	return ("$accepted $refused $found", substr($first, 0, 500));
}

for my $target (map { s{.*/}{}r } sort glob('test/fuzz/corpus/*'))
{
	my ($counts, $first) = replay($target);
	is($counts, 't t 0', "$target: some are accepted, some refused, none is a finding") or diag($first);
}

# and a finding would be one
$node->safe_psql('postgres', q{
	create or replace function handoff.next_open(schedule handoff.schedule, at timestamptz) returns timestamptz
		language sql as $$ select at $$;
	create or replace function handoff.heat_add(handoff.heat, handoff.heat) returns handoff.heat language sql as $$ select $1 $$;
	create or replace function handoff.matches(criteria handoff.criteria, record record, at timestamptz default now()) returns boolean
		language plpgsql as $$ begin return true; end $$});
like((replay($_))[0], qr/ [1-9]\d*$/, "$_: a wrong function is found") for 'schedule', 'heat', 'criteria';

$node->stop;
done_testing();
