# test/t/assignment.pl: cases of how others' CRMs give leads to people (Odoo's own tests, restated as facts), and tests that
# defects of theirs would fail.
#
# A case is read from peer_cases/odoo_assignment_cases.csv; what it gives and expects is taken from its words. Which apply:
#
#   1-5    a monthly maximum gives a daily quota: as limits a day and a month. Odoo rounds a day's quota, so 45 a month may
#          become 60, and below 15 nothing at all; here the month's number is met exactly, whatever it is
#   6, 8   over quota: nothing
#   7      not: a "forced run" that ignores what somebody has already; who wants that calls reassign()
#   9      leads that a member prefers, as a route to him and a better band
#   10, 11 opted out (no member, or away), archived (inactive): nothing
#   12-14  not: who is a duplicate is the CRM's word (merged_into); test/pgtap/merge.sql
#   15     the counts of the members; which leads go to which team is left to their random seed
#   16, 17 theirs are weighted random choices with a seed; here the shares are exact
#   18-21  eligibility
#   22     the merge, not the finding of duplicates
#   23     rules are filters

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use Test::More;

my $data = ($ENV{LH_DATA} // "$FindBin::RealBin/../../../shared/data") . '/peer_cases/odoo_assignment_cases.csv';
plan skip_all => "the cases are not there: $data" unless -r $data;

my $node = start_node('assignment');
$node->append_conf('postgresql.conf', "timezone = 'UTC'\nlead_handoff.inline_limit = 0\n");
$node->restart;

sub query { return $node->safe_psql('postgres', "set client_min_messages = warning; $_[0]"); }

query("create table given_case (case_id int primary key, kind text, given text, expected text, replayable text, note text);
	copy given_case from '$data' (format csv, header)");
is(query('select count(*) from given_case'), 23, 'all cases are there');
my %case;
foreach my $row (split /\n/, query('select case_id, given, expected from given_case order by 1'))
{
	my ($id, $given, $expected) = split /\|/, $row;

	$case{$id} = { given => $given, expected => $expected };
}

# the numbers in the words of a case
sub given { return $case{ $_[0] }{given} =~ /(\d+)/g; }
sub expected { return $case{ $_[0] }{expected} =~ /(-?\d+)/g; }

# Pools and their contract ------------------------------------------------------------------------------

# pool => its members, with their weights; the name is also that of the leads' field
my %pool = (
	(map { ("quota$_" => { "quota$_" => 1 }) } 1 .. 5),
	(map { ("small$_" => { "small$_" => 1 }) } 1, 7, 14),
	over => { over => 1 }, full => { full => 1 },
	prefer => { a => 1, b => 1, c => 1 }, prefers => { a => 1 },
	out => { left => 1, archived => 1, away => 1, stays => 1 },
	team1 => { m1 => 1, m2 => 1, m3 => 1 }, team2 => { m4 => 1, m5 => 1 },
	teams => { t75 => 75, t90 => 90, t135 => 135 },
	two => { old => 1, young => 1 }, three => { x => 1, y => 1, z => 1 },
	eligible => { eve => 1 }, owned => { ola => 1, otto => 1 },
	p20 => { p20 => 1 }, p10 => { p10 => 1 }, any => { any => 1 },
	manual => { man1 => 1, man2 => 1 }, least => { busy => 1, free => 1 }, fallback => { zoe => 1 });
my $ord = 100;
my $routes = join ",\n", map { $ord += 10;
	qq({"name": "$_", "leg": "mql_to_sdr", "ord": $ord, "criteria": "pool = '$_'", "target_kind": "pool", "target": "$_"}) } sort keys %pool;

query('create extension lead_handoff; select handoff.setup()');
foreach my $name (sort keys %pool)
{
	query("select handoff.add_pool('$name'" . ($name eq 'least' ? ", 'least_loaded'" : '') . ')');
	foreach my $rep (sort keys %{ $pool{$name} })
	{
		my $known = query("select count(*) from handoff.rep where rep = '$rep'");

		query($known ? "select handoff.set_member('$name', '$rep')"
			: "select handoff.add_rep('$rep', '$rep', '$name', crm_id => '005$rep', weight => $pool{$name}{$rep})");
	}
}
query(qq(select handoff.import(\$json\${"format": 1, "contract": {"reporting_zone": "UTC"},
	"field": [{"of": "lead", "name": "pool", "type": "text"}, {"of": "lead", "name": "prefers", "type": "text"},
		{"of": "lead", "name": "probability", "type": "numeric"}, {"of": "lead", "name": "priority", "type": "bigint"}],
	"score_group": [{"name": "g", "kind": "fit"}],
	"score_rule": [{"name": "preferred", "score_group": "g", "criteria": "prefers is not null", "points": 10}],
	"band": [{"ord": 1, "name": "A", "min_fit": 10}, {"ord": 2, "name": "B"}],
	"stage": [{"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
		{"name": "mql", "position": 20, "owner": "sales", "max_age": "1 year", "max_age_to": "lost"},
		{"name": "rest", "position": 30, "owner": "marketing"},
		{"name": "won", "position": 40, "is_terminal": true}, {"name": "lost", "position": 50, "is_terminal": true}],
	"leg": [{"name": "mql_to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr"}],
	"transition": [{"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "mql_to_sdr"},
		{"ord": 20, "from_stage": "mql", "event": "recycled", "to_stage": "rest"}, {"ord": 30, "from_stage": "rest", "event": "due", "to_stage": "lead"}],
	"recycle_path": [{"name": "later", "delay": "1 year", "to_stage": "lead"}],
	"disposition": [{"code": "later", "outcome": "recycle", "reason": "Later", "recycle_path": "later"}],
	"route": [{"name": "owner", "leg": "mql_to_sdr", "ord": 10, "criteria": "pool = 'owned' and crm_owner is not null", "target_kind": "crm_owner"},
		{"name": "by_hand", "leg": "mql_to_sdr", "ord": 20, "criteria": "pool = 'hand'", "target_kind": "rep", "target": "man1"},
		{"name": "preferred", "leg": "mql_to_sdr", "ord": 30, "criteria": "prefers = 'a'", "target_kind": "pool", "target": "prefers", "if_unavailable": "next"},
		{"name": "rule20", "leg": "mql_to_sdr", "ord": 40, "criteria": "pool = 'rules' and probability >= 20 and priority between 1 and 3", "target_kind": "pool", "target": "p20"},
		{"name": "rule10", "leg": "mql_to_sdr", "ord": 50, "criteria": "pool = 'rules' and probability >= 10", "target_kind": "pool", "target": "p10"},
		{"name": "rule", "leg": "mql_to_sdr", "ord": 60, "criteria": "pool = 'rules'", "target_kind": "pool", "target": "any"},
		$routes,
		{"name": "last", "leg": "mql_to_sdr", "ord": 9999, "target_kind": "pool", "target": "fallback"}]}\$json\$);
	select handoff.publish();
	create table lead (id text primary key, pool text, prefers text, probability numeric, priority int, crm_owner text, merged_into text, at timestamptz);
	select handoff.attach('public.lead', 'lead', mapping => '{"version": "at", "merged_into": "merged_into"}', since => '-infinity')));

# leads of a pool, a second apart, and a tick after them
my $leads = 0;
sub come
{
	my ($name, $n, $at) = @_;
	my $first = $leads + 1;

	$leads += $n;
	query("insert into lead (id, pool, at) select '$name' || i, '$name', timestamptz '$at' + (i - $first) * interval '1 second' from generate_series($first, $leads) i;
		select handoff.tick(timestamptz '$at' + interval '$n seconds', 10000)");
	return "$name$leads";
}

# who was picked how often from a pool
sub shares { return query("select string_agg(rep || ' ' || n, ', ' order by rep) from (select rep, count(*) as n from handoff.assignment where pool = '$_[0]' group by 1) s"); }

# Quotas ------------------------------------------------------------------------------------------------

for my $id (1 .. 5)
{
	my ($month) = given($id);
	my ($day) = expected($id);

	query("select handoff.set_limits('quota$id', per_day => $day, per_month => $month)");
	come("quota$id", 10, "2026-04-$_ 09:00") for map { sprintf '%02d', $_ } 1 .. 30;
	is(query("select max(n) from (select count(*) as n from handoff.assignment where rep = 'quota$id' group by at::date) d"), $day, "case $id: $case{$id}{given}: $day a day");
	is(query("select count(*) from handoff.assignment where rep = 'quota$id'"), $month, '.. and what was said a month');
}
for my $month (1, 7, 14)
{
	query("select handoff.set_limits('small$month', per_month => $month)");
	come("small$month", 2, "2026-04-$_ 09:00") for map { sprintf '%02d', $_ } 1 .. 10;
	is(shares("small$month"), "small$month $month", "$month a month is $month, not none a day");
}

{
	my ($month, $already) = given(6);
	my $last;

	come('over', $already, '2026-04-01 09:00');
	query("select handoff.set_limits('over', per_day => 2, per_month => $month)");
	$last = come('over', 1, '2026-04-01 12:00');
	is(query("select picks_left from handoff.pool_capacity('over', '2026-04-01 12:01')"), (expected(6))[0], "case 6: $case{6}{given}: so many left");
	is(query("select unassigned_reason from handoff.handoff where lead_key = '$last'"), 'period_limit', '.. and nothing is assigned');

	($month, $already) = given(8);
	come('full', $already, '2026-04-01 09:00');
	query("select handoff.set_limits('full', per_day => 1, per_month => $month)");
	$last = come('full', 1, '2026-04-01 12:00');
	is(query("select rep is null, unassigned_reason from handoff.handoff where lead_key = '$last'"), 't|period_limit', "case 8: $case{8}{given}: $case{8}{expected}");
}

# Preference --------------------------------------------------------------------------------------------

{
	my ($n, $preferred, $month) = given(9);
	my $day = $month / 30;

	query("select handoff.set_limits(r, per_day => $day) from unnest('{a,b,c}'::text[]) r;
		insert into lead (id, pool, prefers, at) select 'pref' || i, 'prefer', case when i > $n - $preferred then 'a' end, timestamptz '2026-04-02 09:00' + i * interval '1 second'
		from generate_series(1, $n) i;
		select handoff.tick('2026-04-02 10:00')");
	my $got = query("select string_agg(upper(rep) || ' ' || n || case when all_his then ' (all preferred)' else '' end, ', ' order by rep)
		from (select rep, count(*) as n, bool_and(pool = 'prefers') as all_his from handoff.assignment where lead_key like 'pref%' group by 1) s");
	is($got, $case{9}{expected}, "case 9: $case{9}{given}");
}

# Who takes none ----------------------------------------------------------------------------------------

{
	my ($month) = given(10);

	query("select handoff.set_limits(r, per_month => $month) from unnest('{left,archived,away,stays}'::text[]) r;
		select handoff.set_member('out', 'left', null, '2026-04-01'), handoff.deactivate_rep('archived'), handoff.add_away('away', '2026-01-01', '2027-01-01')");
	come('out', 20, '2026-04-03 09:00');
	is(shares('out'), 'stays 20', "cases 10 and 11: $case{10}{given}; $case{11}{given}: 0");
	is(query("select count(*) from handoff.assignment where rep in ('left', 'archived', 'away')"), (expected(11))[0], '.. in no other way either');
}

# Shares ------------------------------------------------------------------------------------------------

# their daily quotas of a month's 45, 15, 15 and 30, 60
{
	my %day = (m1 => 2, m2 => 1, m3 => 1, m4 => 1, m5 => 2);

	query("select handoff.set_limits('$_', per_day => $day{$_})") for sort keys %day;
	come('team1', 104, '2026-04-04 09:00');
	come('team2', 46, '2026-04-04 10:00');
	is('members ' . join(' and ', map { join ',', shares($_) =~ /\w+ (\d+)/g } 'team1', 'team2'), ($case{15}{expected} =~ /(members .*)/)[0], "case 15: $case{15}{given}");
	is(query("select count(*) from handoff.handoff where unassigned_reason = 'period_limit' and lead_key ~ '^team'"), 150 - 7, '.. the others wait');
}
{
	my ($n, undef, @month) = given(16);

	is(join(' ', map { $pool{teams}{"t$_"} } @month), join(' ', @month), 'case 16: teams of that weight');
	come('teams', $n, '2026-04-05 09:00');
	is(shares('teams'), 't135 270, t75 150, t90 180', "case 16: $case{16}{given}: exact shares, sum $n");
}
{
	my ($days) = given(17);

	come('two', 1, sprintf('2026-04-%02d 09:00', $_)) for 1 .. $days;
	is(shares('two'), 'old 15, young 15', "case 17: $case{17}{given}: 15 and 15");
	is(query("select count(*) from (select rep = lag(rep) over (order by at) as same from handoff.assignment where pool = 'two') t where same"), 0,
		'.. by turns: no tie goes to who has been there longest');
}
come('three', 299, '2026-04-06 09:00');
is(shares('three'), 'x 100, y 100, z 99', 'a bulk insert is shared, past 20 and past 100 leads too');
is(query(q(select count(*) from (select a.rep = lag(a.rep) over (order by l.at) as same from handoff.assignment a join lead l on l.id = a.lead_key where a.pool = 'three') t where same)), 0,
	'.. and its next lead is always the next one\'s');
$node->safe_psql('postgres', q(set lead_handoff.inline_limit = 1000; insert into lead (id, pool, at) select 'bulk' || i, 'three', '2026-04-06 12:00' from generate_series(1, 301) i));
is(shares('three'), 'x 200, y 200, z 200', '.. also at its commit');
$node->safe_psql('postgres', join ' ', 'set lead_handoff.inline_limit = 1000;', map { "insert into lead (id, pool, at) values ('single$_', 'three', '2026-04-06 13:00');" } 1 .. 30);
is(shares('three'), 'x 210, y 210, z 210', 'and so are leads that come one by one');

# Leads that a member gets past the pool move no turn; who has closed much is not busy.
foreach my $i (1 .. 10)
{
	come('manual', 1, sprintf('2026-04-%02d 09:00', $i));
	come('hand', 2, sprintf('2026-04-%02d 10:00', $i));
}
is(shares('manual'), 'man1 5, man2 5', 'what is given by hand or by name shifts no turn');
is(query("select count(*) from handoff.assignment where rep = 'man1' and pool is null"), 20, '.. although he had it');
query(q(select handoff.set_member('least', 'free', null)));
come('least', 12, '2026-04-07 09:00');
query(q(select handoff.recycle(lead_key, 'later', p_now => '2026-04-07 10:00') from handoff.handoff where pool = 'least';
	select handoff.set_member('least', 'free', p_now => '2026-04-07 10:00')));
come('least', 4, '2026-04-07 11:00');
is(query("select string_agg(rep || ' ' || n, ', ' order by rep) from (select rep, count(*) as n from handoff.assignment where pool = 'least' and ended_at is null group by 1) s"),
	'busy 2, free 2', 'least loaded: what is closed is no load');

# Which leads -------------------------------------------------------------------------------------------

query("select handoff.set_capacity('eve', 0)");
come('eligible', 3, '2026-04-08 09:00');
my @waits = split /\n/, query("select lead_key from handoff.handoff where pool = 'eligible' order by 1");
query("select handoff.set_stage('$waits[0]', 'won', 'signed', p_now => '2026-04-08 10:00'), handoff.set_stage('$waits[1]', 'lost', 'gone', p_now => '2026-04-08 10:00');
	select handoff.set_capacity('eve', null); select handoff.tick('2026-04-08 11:00')");
is(query("select string_agg(lead_key, ' ') from handoff.assignment where pool = 'eligible'"), $waits[2], "cases 18 and 19: $case{18}{given}, $case{19}{given}: not assigned");
query("insert into lead (id, pool, crm_owner, at) values ('has1', 'owned', '005otto', '2026-04-09'), ('has2', 'owned', '005otto', '2026-04-09'), ('has3', 'owned', '005ola', '2026-04-09');
	select handoff.tick('2026-04-09'), handoff.tick('2026-04-10')");
is(query("select string_agg(lead_key || ' ' || rep, ', ' order by lead_key) from handoff.assignment where lead_key ~ '^has'"), 'has1 otto, has2 otto, has3 ola', "case 20: $case{20}{given}: keeps it");
query("insert into lead (id, at) values ('bare', '2026-04-09'), ('none', null), ('old', '2026-01-01'); update lead set probability = 0 where id = 'none';
	select handoff.tick('2026-04-10')");
is(query("select string_agg(lead_key || ' ' || rep, ', ' order by lead_key) from handoff.handoff where lead_key in ('bare', 'none', 'old')"), 'bare zoe, none zoe, old zoe',
	"case 21: $case{21}{given}: $case{21}{expected}; nor is one of months ago too old");

query("insert into lead (id, pool, at) values ('dup', 'owned', '2026-04-11'); select handoff.tick('2026-04-11');
	create table before as select rep, pool from handoff.handoff where lead_key = 'has1';
	update lead set merged_into = 'has1', at = '2026-04-12' where id = 'dup'; select handoff.tick('2026-04-12')");
is(query("select rep, pool, (select rep from handoff.handoff d where d.lead_key = 'dup' and d.closed_at is null), (select (b.rep, b.pool) is not distinct from (h.rep, h.pool) from before b)
	from handoff.handoff h where lead_key = 'has1' and closed_at is null"), 'otto|||t', "case 22: $case{22}{given}: keeps its owner");

my @least = given(23);
is("@least[0, 1]", '10 20', "case 23: $case{23}{given}");
query(q(insert into lead (id, pool, probability, priority, at) select 'rule' || i || '-' || coalesce(p, 9), 'rules', nullif(i, 13) * 2, p, '2026-04-13' from generate_series(0, 15) i, unnest(array[0, 1, 3, 4, null]) p;
	select handoff.tick('2026-04-13')));
is(query(q(select count(*), count(*) filter (where h.rep = case when l.probability >= 20 and l.priority in (1, 2, 3) then 'p20' when l.probability >= 10 then 'p10' else 'any' end)
	from handoff.handoff h join lead l on l.id = h.lead_key where l.pool = 'rules')), '80|80', '.. the lead goes only where the rule holds');

# What holds of all of them -----------------------------------------------------------------------------

is(query("select lead_key from handoff.handoff where closed_at is null and rep is null and unassigned_reason is null limit 5"), '', 'every lead has an owner or a reason');
is(query("select a.* from handoff.assignment a join handoff.rep r using (rep) where not r.active limit 5"), '', 'nobody inactive has ever had one');
is(query('select * from handoff.verify()'), '', 'verify');
doctor_is_content($node, 'postgres', 'doctor');

$node->stop;
done_testing();
