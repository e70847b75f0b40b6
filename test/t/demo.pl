# test/t/demo.pl: the demo's feed in small: six months of a made-up CRM, worked by made-up people.
# What the extension has counted of it equals what the feed's own tables say.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use Test::More;

my $demo = "$FindBin::RealBin/../../demo";
my $node = start_node('main');

start_demo($node, 600, '2026-07-01');
run_file($node, 'demo', "$demo/check.sql");

my $counts = $node->safe_psql('demo', 'select what, truth, extension from demo.check_counts');
foreach (split(/\n/, $counts))
{
	my ($what, $truth, $extension) = split(/\|/);
	cmp_ok($extension, '==', $truth, "$what: $truth");
}
cmp_ok(scalar(split(/\n/, $counts)), '>=', 5, 'several things were counted');
# nurture takes three cycles without an answer, which not every half year of so few leads has
is($node->safe_psql('demo', q(select string_agg(stage, ' ' order by position) from handoff.journey where entered = 0 and stage <> 'nurture')),
	'', 'every stage was entered');
is($node->safe_psql('demo', q(select string_agg(distinct action, ' ' order by action) from handoff.escalation_done where skipped is null)),
	'fallback notify reassign remind', 'what was late was escalated');
cmp_ok($node->safe_psql('demo', q(select count(*) from handoff.assignment where end_reason = 'silence')), '>', 0, 'leads went from who let them lie to others');
cmp_ok($node->safe_psql('demo', q(select count(*) from handoff.clock where pauses <> '{}')), '>', 0, 'clocks stood still');
is($node->safe_psql('demo', q(select count(*) from handoff.fact_clock where metric = 'accept' and due_at is not null
		and not handoff.is_open('mon-fri 09:00-17:00 @ Europe/Berlin'::handoff.schedule, due_at - interval '1 microsecond'))),
	'0', 'no clock of a rep is due outside his hours');
is($node->safe_psql('demo', q(select count(*) from handoff.misplanned())), '0', 'and all are due by the hours as they are');
is($node->safe_psql('demo', q(select count(*) from handoff.quarantine)), '0', 'nothing is in quarantine');
is($node->safe_psql('demo', q(select count(*) from handoff.inbox)), '0', 'nothing waits');
is($node->safe_psql('demo', q(select string_agg(distinct lead_key, ' ') from handoff.backtest_as_decided(tick_every => '12 hours'))), '',
	'decided anew, all is as it was');
is($node->safe_psql('demo', q(select count(*) from handoff.backtest_as_decided(all_rows => true, tick_every => '12 hours') where what = 'lead' and comparable)),
	$node->safe_psql('demo', 'select count(*) from handoff.lead'), 'every lead was');
is($node->safe_psql('demo', q(select what from handoff.doctor() where severity = 'error')), '', 'the doctor is content');

# what the demo shows, to its end
my ($shown, $errors);
$node->psql('demo', undef, extra_params => [ '-f', "$demo/show.sql" ], stdout => \$shown, stderr => \$errors, on_error_stop => 1);
is($errors, '', 'show.sql runs');
like($shown, qr/^# Review of 2026-05\n.*^## Acceptance\n.*^\| acceptance of mql\\_to\\_sdr \| \d/ms, 'with a review');
like($shown, qr/^ band +\| B +\| changed \| \{"min_intent": 20\} \| \{"min_intent": 30\}$/m, 'a proposal');
my ($was, $would, $left_out) = $shown =~ /^Of (\d+) handoffs to SDRs the draft would have made (\d+)\. It leaves out (\d+)\.$/m;
is($would + $left_out, $was, 'and what would have come of it');
my ($draft) = $shown =~ /select handoff\.publish\((\d+)\) would put it in force/;
is($node->safe_psql('demo', "select status from handoff.contract where contract_id = $draft"), 'draft', 'which is a draft');
is($node->safe_psql('demo', "select count(*) from handoff.backtest($draft, tick_every => '4 hours') where what = 'handoff' and leg = 'mql_to_sdr' and comparable and would_at is null"),
	$left_out, 'counted anew');
like($shown, qr/^ invariant \| severity \| what \| hint *\n[-+]+\s*\z/m, 'the doctor is content at the end');

$node->stop;
done_testing();
