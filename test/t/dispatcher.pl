# test/t/dispatcher.pl: the reference dispatcher against a real web server: what it posts, what it makes of answers, and
# that it may be killed between the post and the ack().
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $folder = "$FindBin::RealBin/../../examples/dispatcher";
$ENV{NODE_PATH} = join ':', grep { defined } '/usr/share/nodejs', $ENV{NODE_PATH};
plan skip_all => 'node is not there (package nodejs)' if system('node -e 0 2>/dev/null') != 0;
plan skip_all => 'module pg of node is not there (package node-pg, or npm ci in examples/dispatcher)' if system(q(node -e "require('pg')" 2>/dev/null)) != 0;
plan skip_all => 'node is older than 18' if system(q(node -e "process.exit(typeof fetch === 'function' ? 0 : 1)")) != 0;

my $node = start_node('dispatcher');
install($node, 'postgres');
my $tmp = PostgreSQL::Test::Utils::tempdir();
my ($port_file, $log) = ("$tmp/port", "$tmp/log");

sub query { return $node->safe_psql('postgres', $_[0]); }
sub told
{
	open(my $file, '<', $log) or return ();
	return map { chomp; [ split /\|/ ] } <$file>;
}

sub until_true
{
	my ($what, $test) = @_;
	foreach (1 .. 600)
	{
		return pass($what) if $test->();
		select undef, undef, undef, 0.1;
	}
	return fail($what);
}

# three messages of each lead
query(q(select handoff.subscribe('webhook'), handoff.set_destination('webhook', backoff => '1 second', send_stale => true);
	insert into handoff.outbox (lead_key, seq, aggregateid, type, payload, created_at)
	select l, s, l, 'handoff.created', jsonb_build_object('lead_key', l, 'n', s), '2026-03-02 09:00+00'
	from unnest('{calm,busy,broken,gone,dead}'::text[]) l, generate_series(1, 3) s;
	insert into handoff.delivery (lead_key, seq, n, destination) select lead_key, seq, n, 'webhook' from handoff.outbox;));

my $server = IPC::Run::start([ 'node', "$FindBin::RealBin/webhook.js", $port_file, $log ]);
until_true('the receiver listens', sub { -s $port_file });
my $port = do { open(my $file, '<', $port_file) or die; <$file> };

my %env = (PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGUSER => getpwuid($<) . '', LH_LEASE => 4,
	LH_POLL => 100, LH_URL => "http://127.0.0.1:$port/");
sub dispatcher
{
	my (%more) = @_;
	local @ENV{ keys %env, keys %more } = (values %env, values %more);
	return IPC::Run::start([ 'node', "$folder/dispatcher.js" ], '2>', "$tmp/stderr");
}

my $first = dispatcher(LH_WORKER => 'first');
until_true('a message has reached a receiver that does not answer', sub { grep { $_->[0] eq 'dead' } told() });
until_true('it has heard of all others', sub { query(q(select count(*) from handoff.delivery where state = 'leased')) eq '1' });
$first->signal('KILL');
eval { $first->finish };
my ($killed) = grep { $_->[0] eq 'dead' } told();
is(query(qq(select state || ' ' || leased_by from handoff.delivery d join handoff.outbox o using (lead_key, seq, n) where o.id = '$killed->[2]')),
	'leased first', 'the one that was killed holds it still');

my $second = dispatcher(LH_WORKER => 'second');
until_true('another one works off the rest', sub { query(q(select count(*) from handoff.delivery where state in ('pending', 'leased'))) eq '0' });
$second->signal('TERM');
ok(eval { $second->finish }, 'it ends when it is told to');

my %times;
$times{"$_->[0] $_->[1]"}++ foreach told();
is(query(q(select string_agg(format('%s %s %s', lead_key, seq, state), ', ' order by lead_key, seq) from handoff.delivery where state <> 'done')),
	'gone 1 dead, gone 2 dead, gone 3 dead', 'all were delivered but what the receiver does not want');
is(query(q(select distinct last_error from handoff.dead_letter)), 'HTTP 410', 'which is among the dead letters');
is_deeply([ map { $_->[2] } grep { $_->[0] eq 'dead' && $_->[1] eq $killed->[1] } told() ], [ $killed->[2], $killed->[2] ],
	'what was under way when it was killed came twice, under the same id');
is_deeply({ map { $_ => $times{$_} } grep { $times{$_} > 1 } keys %times },
	{ 'busy 000000000001.1' => 2, 'broken 000000000001.1' => 2, 'dead 000000000001.1' => 2 }, 'nothing else came twice but what was refused');
is(scalar(keys %times), 15, 'nothing was lost');
ok(!(grep { $_->[2] ne $_->[3] || $_->[4] ne 'application/cloudevents+json' || $_->[5] ne 'io.lead-handoff.handoff.created.v1' } told()),
	'each is a CloudEvent with its id as Idempotency-Key');
my %last;
my @back = grep { my $back = defined $last{ $_->[0] } && $last{ $_->[0] } gt $_->[1]; $last{ $_->[0] } = $_->[1]; $back } told();
is_deeply(\@back, [], 'in order for each lead');
my @busy = map { $_->[6] } grep { $_->[0] eq 'busy' && $_->[1] =~ /1\.1$/ } told();
cmp_ok($busy[1] - $busy[0], '>=', 950, 'Retry-After was kept');

$server->kill_kill;
$node->stop('immediate');
done_testing();
