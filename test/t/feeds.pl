# test/t/feeds.pl: the same feed once and in order, and three times shuffled.
#
# A feed is every version of every row of a made-up CRM: leads, accounts, activities, opportunities and who takes part in them, with
# changes, deletions, revivals, leads of one e-mail address, activities that change their lead. It is delivered into
# one database in order, and into others three times, each time in another order, in transactions of random size, decided at commit or by
# tick(); by tools that keep the newest version of a row, and by tools that let older ones overwrite it until the newest comes
# again. What is known at the end must be the same, to the bit. And whoever has had the feed once learns nothing from having it
# again: no event, no message, no other clock.
#
# What may differ, and is not compared:
# - when things were seen and done (first_seen_at, decided_at, stage_since, handed_at, trigger_at ..), the numbers of events, and what stood
#   when a lead was handed over (score, fit, intent, band of handoff): they tell of the arrival itself;
# - lead.score, which is as of decided_at; the heat that it comes of is compared, by its bits;
# - leads that are deleted, beyond that they are: who first sees a lead deleted has never known it, nor handed it over;
# - route and pool of a lead that came back after it was deleted: it went on with who had it;
# - which of several leads of one person was handed over: the one that came first. That it is one is compared.
# So that who is handed over does not hang on what a lead was for a while, employees only ever grow.
#
# LH_SEED=.. makes another feed.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use JSON::PP;
use LeadHandoff;
use List::Util 'shuffle';
use Test::More;

my $seed = $ENV{LH_SEED} // 20261130;
my $json = JSON::PP->new->canonical;
my $databases = 0;
my $node = start_node('main');

srand($seed);
diag("LH_SEED=$seed");

# The feed ------------------------------------------------------------------------------------------------

my @feed;			# [ table, row ], in order

sub any { return $_[ int(rand(@_)) ] }
sub moment { my ($day) = @_; return sprintf('2026-%02d-%02d %02d:00:00+00', 1 + $day / 28, 1 + $day % 28, rand(24)) }

# The states of one row, one after the other; its fields: a sub. Some are deleted at the end, some in between.
sub states
{
	my ($table, $id, $most, $fields) = @_;
	my $n = 1 + int(rand($most));
	my $fate = rand();

	return map {
		my $gone = $_ == $n ? $fate < 0.08 : $n > 2 && $_ == $n - 1 && $fate > 0.7;
		[ $table, { id => $id, gone => $gone ? JSON::PP::true : JSON::PP::false, $fields->($_) } ]
	} 1 .. $n;
}

sub lead_states
{
	my ($id) = @_;
	my $email = rand() < 0.2 ? 'shared' . int(rand(15)) . '@example.com' : any("$id\@example.com", uc($id) . '@example.com', undef);
	my @employees = sort { $a <=> $b } map { any(0, 5, 99, 100, 500) } 1 .. 4;

	return states('lead', $id, 4, sub {
		return (email => $email, employees => $employees[ $_[0] - 1 ], country => any('DE', 'AT', '', undef), account => any(undef, map { "a$_" } 1 .. 20));
	});
}

# Versions are numbered in the order of the feed, in which the states of a row keep theirs.
sub make_feed
{
	my @rows = map { [ lead_states("l$_") ] } 1 .. 250;

	push @rows, map { [ states('account', "a$_", 3, sub { return (name => any('Acme', 'Bolt', undef), tier => any('A', 'B', undef)) }) ] } 1 .. 15;
	push @rows, map { my @at = map { moment(rand(170)) } 1 .. 2;
		[ states('task', "t$_", 3, sub { return (who => 'l' . int(rand() < 0.9 ? 1 + $_[0] / 3 + rand(3) : rand(260)), at => any(@at, '2026-02-02 00:00:00+00'), kind => any('call', 'web', 'web', 'mail')) }) ] } 1 .. 50;
	push @rows, map { my $who = int(rand(260)); [ states('task', "u$_", 3, sub { return (who => 'l' . (rand() < 0.9 ? $who : int(rand(260))), at => moment(rand(170)), kind => any('call', 'web', 'web', 'mail')) }) ] } 1 .. 600;
	push @rows, map { my $created = moment(rand(170));
		[ states('deal', "d$_", 3, sub { return (account => any(undef, 'a1', 'a2'), created_at => $created, amount => any(undef, 10, '99.50'), won => $_[0] == 3 ? JSON::PP::true : JSON::PP::false) }) ] } 1 .. 40;
	push @rows, map { my $n = $_; [ states('role', "r$n", 2, sub { return (who => 'l' . int(rand(260)), deal => 'd' . int(rand(45))) }) ] } 1 .. 80;

	my @turns = shuffle(map { my $row = $_; map { $row } @$row } @rows);
	my $version = 0;

	foreach my $row (@turns)
	{
		my $state = shift @$row;

		$state->[1]{version} = sprintf('2026-07-01 00:00:00.%06d+00', ++$version);
		push @feed, $state;
	}
	return;
}

# Who delivers --------------------------------------------------------------------------------------------

my %columns = (
	lead => [qw(email employees country account version gone)],
	account => [qw(name tier version gone)],
	task => [qw(who at kind version gone)],
	deal => [qw(account created_at amount won version gone)],
	role => [qw(who deal version gone)]);

# A version that is older than the known one is told by its source of leads, accounts and opportunities; of the others the tool must
# keep the newest.
my %versioned = map { $_ => 1 } qw(lead account deal);

sub upsert
{
	my ($table, $overwrite, @states) = @_;
	my %row;

	foreach my $state (@states)
	{
		my $known = $row{ $state->{id} };

		$row{ $state->{id} } = $state if $overwrite || !$known || $known->{version} lt $state->{version};
	}
	my $rows = $json->encode([ map { $row{$_} } shuffle(sort keys %row) ]) =~ s/'/''/gr;
	my $set = join(', ', map { "$_ = excluded.$_" } @{ $columns{$table} });

	return "insert into crm.$table as t select * from jsonb_populate_recordset(null::crm.$table, '$rows') on conflict (id) do update set $set"
		. ($overwrite ? '' : ' where excluded.version > t.version') . ";\n";
}

# Transactions of random size; each brings its tables in random order.
sub transactions
{
	my ($how, @states) = @_;
	my $sql = '';

	while (@states)
	{
		my %batch;

		push @{ $batch{ $_->[0] } }, $_->[1] foreach splice(@states, 0, 1 + int(rand(any(5, 50, 400))));
		$sql .= "set role tool; begin;\n";
		$sql .= upsert($_, $how->{overwrite} && $versioned{$_}, @{ $batch{$_} }) foreach shuffle(sort keys %batch);
		$sql .= "commit; reset role;\n";
		$sql .= "select from handoff.tick();\n" if rand() < 0.2;
	}
	return $sql;
}

# The newest state of each row.
sub newest { my %last = map { ("$_->[0] $_->[1]{id}" => $_) } @feed; return map { $last{$_} } sort keys %last }

# What is first seen deleted is not known, and becomes so when an older state overwrites that, until the deletion comes again. So who lets
# older states overwrite newer ones begins with the first of each row, none of which is deleted before another is there.
sub delivery
{
	my ($how, $n) = @_;
	my %first = map { ("$_->[0] $_->[1]{id}" => $_) } reverse @feed;
	my $sql = $how->{overwrite} && $n == 1 ? transactions($how, map { $first{$_} } sort keys %first) . "call settle();\n" : '';

	$sql .= transactions($how, $how->{shuffle} ? shuffle(@feed) : @feed);
	$sql .= transactions($how, shuffle(newest())) if $how->{overwrite};
	return $sql . "call settle(); \\echo <delivery>\nselect counted();\n";
}

# What is known -------------------------------------------------------------------------------------------

my %living = (lead => 'l.deleted_at is null', alone => q(l.deleted_at is null and coalesce(l.person_key, '') not like 'shared%'));
my %known = (
	'leads' => qq(select l.lead_key, l.source, l.raw_key, l.person_key, l.account_key, l.contract_id, l.fields, l.fit, l.half_life, encode(handoff.heat_send(l.intent), 'hex'),
		(select string_agg(encode(handoff.heat_send(h), 'hex'), ' ' order by n) from unnest(l.group_heat) with ordinality g (h, n)), l.band, l.signals, l.cycle, l.intent_since,
		l.version, l.account_method, l.account_match from handoff.lead l where $living{lead}),
	'stages of leads that are nobody else' => "select l.lead_key, l.stage, l.gate_code, l.blocked_fields, l.handoffs from handoff.lead l where $living{alone}",
	'activities' => 'select a.lead_key, a.source, a.activity_key, a.at, a.fields from handoff.activity a',
	'meaning and points of activities' => "select a.activity_key, a.meanings, a.points, a.contract_id from handoff.activity a join handoff.lead l on l.lead_key = a.lead_key where $living{lead}",
	'accounts' => q(select a.account_key, a.fields from handoff.account a where a.deleted_at is null),
	'opportunities' => 'select o.opportunity_key, o.account_key, o.created_at, o.amount, o.is_won, o.is_closed, o.version from handoff.opportunity o where o.deleted_at is null',
	'links' => 'select lead_key, opportunity_key, source, link_key, link_kind from handoff.opportunity_link',
	'handoffs' => "select h.lead_key, h.handoff_no, h.cycle, h.leg, h.contract_id, h.origin, h.stage_from, h.incomplete, h.rep, h.outcome, h.code,
		h.closed_at is null from handoff.handoff h join handoff.lead l on l.lead_key = h.lead_key where $living{alone}",
	'persons that sales has' => "select l.person_key, count(*) from handoff.handoff h join handoff.lead l on l.lead_key = h.lead_key where h.closed_at is null and l.person_key is not null group by 1",
	'assignments' => "select a.lead_key, a.handoff_no, a.rep from handoff.assignment a join handoff.lead l on l.lead_key = a.lead_key where $living{alone} and a.ended_at is null",
	'clocks' => "select c.lead_key, c.handoff_no, c.kind, c.name, c.verdict from handoff.clock c join handoff.lead l on l.lead_key = c.lead_key where $living{alone} and c.stopped_at is null");

my $house = q(
	set check_function_bodies = off;
	create schema crm authorization tool;
	create procedure settle() language plpgsql as $$ begin
		for turn in 1 .. 20 loop
			perform handoff.tick();
			commit;
			exit when not exists (select from handoff.inbox) and not exists (select from handoff.scan where finished_at is null);
		end loop;
	end $$;
	create function counted() returns text language sql as $$
		select format('%s waiting, %s in quarantine, %s events, %s messages, clocks %s', (select count(*) from handoff.inbox), (select count(*) from handoff.quarantine),
			(select count(*) from handoff.event), (select count(*) from handoff.outbox), (select md5(string_agg(c::text, ';' order by c::text)) from handoff.clock c))
	$$;
	-- what plain SQL of the tables says otherwise, and what is broken
	create function wrong() returns setof text language sql as $$
		select 'doctor: ' || what from handoff.doctor() where severity = 'error'
		union all select 'verify: ' || v::text from handoff.verify() v
		union all select format('reconcile of %s: %s queued, %s gone', s.name, r.queued, r.gone)
		from handoff.source s, handoff.reconcile(s.name) r where r.queued > 0 or r.gone > 0 or not r.finished
		union all select format('lead %s %s', t, l) from (select c.id, c.employees, c.email, case when c.employees >= 100 then 10 else 0 end + case when a.tier = 'A' then 5 else 0 end::bigint as fit
			from crm.lead c left join crm.account a on a.id = c.account and not a.gone where not c.gone) t
		full join (select l.lead_key, (l.fields ->> 'employees')::bigint as employees, l.fields ->> 'email' as email, l.fit from handoff.lead l where deleted_at is null) l on l.lead_key = t.id
		where t is distinct from l
		union all select format('activity %s %s', t, a) from (select id, who, at, kind from crm.task where not gone) t
		full join (select activity_key, lead_key, at, fields ->> 'kind' from handoff.activity) a on a.activity_key = t.id where t is distinct from a
		union all select format('signal of %s', l.lead_key) from handoff.lead l where deleted_at is null
		and (l.signals = '{keen}') is distinct from ((select count(*) from crm.task where who = l.lead_key and kind = 'web' and not gone) >= 2)
		union all select format('link %s %s', t, k) from (select who, deal, id from crm.role where not gone) t
		full join (select lead_key, opportunity_key, link_key from handoff.opportunity_link) k on k.link_key = t.id where t is distinct from k
		union all select format('person %s is not with sales, once', person_key) from handoff.lead l left join handoff.handoff h on h.lead_key = l.lead_key and h.closed_at is null
		where l.deleted_at is null and l.person_key is not null
		group by l.person_key having count(h.lead_key) <> bool_or((l.fields ->> 'employees')::bigint >= 100)::int
	$$;
	set role tool;
	create table crm.account (id text primary key, name text, tier text, version timestamptz, gone boolean);
	create table crm.lead (id text primary key, email text, employees bigint, country text, account text, version timestamptz, gone boolean);
	create table crm.task (id text primary key, who text, at timestamptz, kind text, version timestamptz, gone boolean);
	create table crm.deal (id text primary key, account text, created_at timestamptz, amount numeric, won boolean, version timestamptz, gone boolean);
	create table crm.role (id text primary key, who text, deal text, version timestamptz, gone boolean);
	reset role;
	insert into handoff.rep (rep, name) values ('ana', 'Ana');
	insert into handoff.pool (pool) values ('sdr');
	insert into handoff.pool_member (pool, rep) values ('sdr', 'ana');
	select handoff.import('{"format": 1, "contract": {"reporting_zone": "UTC", "half_life": "90 days"},
	"field": [{"of": "lead", "name": "employees", "type": "bigint"}, {"of": "lead", "name": "country", "type": "text"}],
	"stage": [
		{"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
		{"name": "mql", "position": 20, "owner": "sales", "entry": "employees >= 100", "max_age": "900 days", "max_age_to": "lead"}],
	"leg": [{"name": "mql_to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr"}],
	"transition": [{"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "mql_to_sdr"}],
	"score_group": [{"name": "size", "kind": "fit"}, {"name": "calls", "kind": "intent", "max_points": 12}, {"name": "web", "kind": "intent", "min_points": 0}],
	"score_rule": [{"name": "big", "score_group": "size", "points": 10, "criteria": "employees >= 100"}, {"name": "tier", "score_group": "size", "points": 5, "criteria": "account.tier = ''A''"},
		{"name": "call", "score_group": "calls", "points": 5, "criteria": "kind = ''call''"},
		{"name": "page", "score_group": "web", "points": 3, "criteria": "kind = ''web''"}, {"name": "mail", "score_group": "web", "points": -2, "criteria": "kind = ''mail''"}],
	"band": [{"name": "A", "ord": 1, "min_fit": 10, "min_intent": 3}, {"name": "B", "ord": 2, "min_score": 2}, {"name": "C", "ord": 3, "min_fit": 0}],
	"activity_rule": [{"name": "keen", "meaning": "signal", "criteria": "kind = ''web''", "within": "3650 days", "min_count": 2}],
	"collision": [{"scope": "person", "within": "30 days", "action": "join"}],
	"route": [{"name": "team", "leg": "mql_to_sdr", "ord": 10, "target_kind": "pool", "target": "sdr"}]}');
	select handoff.publish();
	select handoff.subscribe('outside');
	set client_min_messages = error;
	select handoff.attach('crm.account', 'account', since => '-infinity', mapping => '{"tier": "tier", "version": "version", "deleted": "gone"}');
	select handoff.attach('crm.lead', 'lead', since => '-infinity',
		mapping => '{"email": "email", "employees": "employees", "country": "country", "account_key": "account", "version": "version", "deleted": "gone"}');
	select handoff.attach('crm.task', 'activity', since => '-infinity', mapping => '{"lead_key": "who", "at": "at", "kind": "kind", "version": "version", "deleted": "gone"}');
	select handoff.attach('crm.deal', 'opportunity', since => '-infinity',
		mapping => '{"account_key": "account", "created_at": "created_at", "amount": "amount", "is_won": "won", "is_closed": "won", "version": "version", "deleted": "gone"}');
	select handoff.attach('crm.role', 'link', since => '-infinity', mapping => '{"lead_key": "who", "opportunity_key": "deal", "version": "version", "deleted": "gone"}'););

# Deliver so often, and give what is known then.
sub deliver
{
	my ($name, $times, %how) = @_;
	my $db = 'feed' . ++$databases;
	my $script = ($how{by_tick} ? "set lead_handoff.inline_limit = 0;\n" : '') . join('', map { delivery(\%how, $_) } 1 .. $times);

	$node->safe_psql('postgres', "create database $db template house");
	$node->safe_psql($db, 'select handoff.adopt_instance()');
	my ($rc, $out, $err) = $node->psql($db, $script, on_error_stop => 1);

	is($rc, 0, "$name: every transaction commits");
	is($err, '', "$name: without a word");
	my (undef, $first, @again) = split /<delivery>\n/, "$out\n";

	like($first, qr/^0 waiting, 0 in quarantine, [1-9]\d+ events, [1-9]\d+ messages/, "$name: delivered, and decided");
	is($again[ $_ - 2 ], $first, "$name: delivery $_ adds nothing") foreach 2 .. $times;
	is($node->safe_psql($db, 'select * from wrong()'), '', "$name: all is known as it is");
	return { map { ($_ => [ split /\n/, $node->safe_psql($db, "select t::text from ($known{$_}) t order by 1") ]) } sort keys %known };
}

sub same
{
	my ($name, $one, $other) = @_;

	foreach my $what (sort keys %known)
	{
		my %in = map { ($_ => 1) } @{ $one->{$what} };
		my %is = map { ($_ => 1) } @{ $other->{$what} };

		cmp_ok(scalar(@{ $one->{$what} }), '>', 5, "$name: there are $what");
		is(join("\n", grep { !$is{$_} } @{ $one->{$what} }), join("\n", grep { !$in{$_} } @{ $other->{$what} }), "$name: the same $what");
	}
	return;
}

make_feed();
$node->safe_psql('postgres', 'create role tool login; create database house');
$node->safe_psql('house', "create extension lead_handoff; select handoff.setup(); $house");

my $in_order = deliver('in order', 1);

same('in order, by tick', $in_order, deliver('in order, by tick', 1, by_tick => 1));
same('three times, at commit', $in_order, deliver('three times, at commit', 3, shuffle => 1));
same('three times, by tick', $in_order, deliver('three times, by tick', 3, shuffle => 1, by_tick => 1));
same('older over newer, at commit', $in_order, deliver('older over newer, at commit', 3, shuffle => 1, overwrite => 1));
same('older over newer, by tick', $in_order, deliver('older over newer, by tick', 3, shuffle => 1, overwrite => 1, by_tick => 1));

done_testing();
