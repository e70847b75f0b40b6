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

# what is kept of the views of KPIs is what they show
$node->safe_psql('demo', 'select handoff.keep_kpis()');
is($node->safe_psql('demo', q(
	select string_agg(format('select %1$L where exists (table handoff.%2$I except all select v.*, handoff.view_time() from handoff.%1$I v) or exists (select v.*, handoff.view_time() from handoff.%1$I v except all table handoff.%2$I)',
		view_name, 'kept_' || view_name), ' union all ')
	from handoff.kept() \gexec)), '', 'all are kept as they are');
is($node->safe_psql('demo', q(select string_agg(view_name, ' ') from handoff.kept() where kept_at is null)), 'challenge target_attainment violations', 'and have rows, but of what did not happen');

$node->safe_psql('demo', "select handoff.set_reporting_currency('EUR')");
kpis_are_true($node, 'demo', 'the demo', qw(blocked challenge challenge_run challenge_tally target_attainment unassigned violations));

# history under the definitions of then is as it was reported; under others, as counted from backtest() handoff by handoff
foreach my $kpi ('handed', 'acceptance', 'opportunity_60')
{
	is($node->safe_psql('demo', "select month, leg from handoff.restated('$kpi', 1, tick_every => '12 hours')
			where (reported, reported_num, reported_den, reported_open) is distinct from (restated, restated_num, restated_den, restated_open)
			   or unknown + not_followed > 0 or (low, high) is distinct from (restated, restated)"), '', "$kpi restated by the same version is the same");
}
$node->safe_psql('demo', q(create table looser as select handoff.draft(1) as draft; update handoff.band set min_intent = 5 where contract_id = (select draft from looser) and name = 'B'));
$node->safe_psql('demo', q(
	create table tried as select b.* from looser cross join lateral handoff.backtest(draft, all_rows => true, tick_every => '12 hours') b where b.what = 'handoff';
	create view counted as
	select to_char(coalesce(t.would_at, t.was_at) at time zone 'Europe/Berlin', 'YYYY-MM-01')::date as month, t.leg,
		t.would_at is not null and h.lead_key is not null as known, t.would_at is not null and h.lead_key is null as alone, t.would_at is null as lost,
		age(handoff.view_time(), coalesce(t.would_at, t.was_at)) as old, h.*, coalesce(t.would_at, t.was_at) <= handoff.view_time() - interval '1440 hours' as is_old
	from tried t
	left join (select lead_key as key, handed_at as at, accepted_at, outcome, opportunity_at, origin, closed_at, lead_key from handoff.handoff) h on h.key = t.lead_key and h.at = t.was_at
	where (t.would_at is not null or not t.comparable) and coalesce(h.outcome, '') <> 'withdrawn' and coalesce(h.origin, 'contract') in ('contract', 'self_booked')));
cmp_ok($node->safe_psql('demo', q(select sum((known or lost)::int) * sum(alone::int) from counted)), '>', 0, 'some are known, some the version alone would have made');
is($node->safe_psql('demo', q(
	select * from (select month, leg, restated_num, unknown, not_followed, low, high from looser cross join lateral handoff.restated('handed', draft, tick_every => '12 hours')
		where restated_num + not_followed > 0) r
	full join (select month, leg, sum((known or alone)::int) as restated_num, sum(alone::int) as unknown, sum(lost::int) as not_followed, sum((known or alone)::int) as low, count(*) as high from counted group by 1, 2) e
	using (month, leg, restated_num, unknown, not_followed, low, high)
	where r is null or e is null)), '', 'handed: as counted');
foreach my $kpi ([ 'acceptance', 'accepted_at is not null', q(accepted_at is not null or outcome in ('recycle', 'disqualified', 'returned') and closed_at is not null), 'true' ],
	[ 'opportunity_60', q(at <= handoff.view_time() - interval '1440 hours' and opportunity_at <= at + interval '1440 hours'), q(at <= handoff.view_time() - interval '1440 hours'), 'is_old' ])
{
	my ($name, $yes, $counts, $asked) = @$kpi;
	is($node->safe_psql('demo', qq(
		with e as (
			select month, leg, count(*) filter (where known and ($yes)) as num, count(*) filter (where known and ($counts)) as den,
				count(*) filter (where alone and $asked) as unknown, count(*) filter (where lost and $asked) as not_followed
			from counted group by 1, 2)
		select * from (select month, leg, restated_num, restated_den, unknown, not_followed, restated, low, high from looser cross join lateral handoff.restated('$name', draft, tick_every => '12 hours')
			where restated_den + restated_open + unknown + not_followed > 0) r
		full join (select month, leg, num as restated_num, den as restated_den, unknown, not_followed, round(num::numeric / nullif(den, 0), 4) as restated,
			round(num::numeric / nullif(den + unknown + not_followed, 0), 4) as low, round((num + unknown + not_followed)::numeric / nullif(den + unknown + not_followed, 0), 4) as high from e) e
		using (month, leg, restated_num, restated_den, unknown, not_followed)
		where (r.month is null or e.month is null) and restated_den + unknown + not_followed > 0 or (r.restated, r.low, r.high) is distinct from (e.restated, e.low, e.high))), '', "$name: as counted");
}
my (undef, undef, $no_such) = $node->psql('demo', q(select * from handoff.restated('luck')));
like($no_such, qr/there is no KPI "luck" to be restated/, 'not of every number');

$node->stop;
done_testing();
