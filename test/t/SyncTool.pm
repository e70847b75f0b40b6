# test/t/SyncTool.pm: a sync tool's statements, and what must hold after each of them.
#
# A tool is tables, what they are attached as, and steps: SQL that a role without any right of ours runs.
# After each step tick() works until nothing waits; then leads and activities must equal what plain SQL
# says of the table, and so must each lead's fit and intent, who was ever handed over, and whose handoff is
# open; a reconcile from scratch must find nothing to do, and doctor() no error. The test also says how we
# came to know: a step that is quiet may add no event, only a step that says so may have needed a scan
# of the table, and of all others that decide at commit nothing may have waited for tick().
#
# Each tool runs several times, each time in a database of its own: with the capture that attach()
# chooses and decisions at commit, and with row triggers and decisions by tick() only.
#
# The contract: 10 points for 100 employees, 5 for each call, 20 at most; who has 10 is handed over, once.

package SyncTool;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use Test::More;

our @EXPORT = qw(start_tools sync_tool);

my $node;
my $databases = 0;

my $owner;

my %mode_settings = (
	'at commit' => '',
	'by tick' => 'set lead_handoff.inline_limit = 0;',
	'by poll' => '',
	'by subscription' => '',
	'repeatable read' => 'set default_transaction_isolation = "repeatable read";',
	'serializable' => 'set default_transaction_isolation = serializable;');

# What the databases have beside the extension.
my $helpers = q(
	create schema crm authorization tool;
	-- who ever had the points, as plain SQL sees it
	create table ready (lead_key text primary key);
	-- each tick is a transaction of its own, and finds what the one before has asked for
	create procedure settle(later interval) language plpgsql as $$ begin
		for turn in 1 .. 8 loop
			perform handoff.tick(clock_timestamp() + later);
			commit;
			exit when not exists (select from handoff.inbox) and not exists (select from handoff.scan where finished_at is null);
		end loop;
	end $$;
	-- what the tables hold; lead and activity: queries
	create procedure read_truth(lead text, activity text) language plpgsql as $$ begin
		execute format('create temp table truth on commit drop as select * from (%s) t (lead_key, email, employees)', lead);
		execute format('create temp table truth_activity on commit drop as select * from (%s) t (activity_key, lead_key, at)', activity);
		create temp table truth_score on commit drop as
			select t.lead_key, case when t.employees >= 100 then 10 else 0 end as fit, least(20, 5 * count(a.lead_key)) as intent
			from truth t left join truth_activity a on a.lead_key = t.lead_key group by t.lead_key, t.employees;
		insert into ready select s.lead_key from truth_score s where s.fit + s.intent >= 10 on conflict do nothing;
	end $$;
	-- what two queries don't agree in
	create function differences(what text, ours text, truth text) returns setof text language plpgsql as $$ begin
		return query execute format('select %L || t::text from (%s except all %s) t', what || ' should be: ', truth, ours);
		return query execute format('select %L || t::text from (%s except all %s) t', what || ' is: ', ours, truth);
	end $$;
	-- waits for the first copy of a subscription
	create function copied() returns void language plpgsql as $$ begin
		while exists (select from pg_subscription_rel where srsubstate not in ('r', 's')) loop
			perform pg_sleep(0.01);
		end loop;
	end $$;
	-- what is not as it should be; also: a query that finds nothing, but in what is wrong
	create function wrong(lead text, activity text, also text) returns setof text language plpgsql as $$ begin
		return query select 'scan: ' || c.reason from handoff.scan c where c.reason <> 'reconcile()' and c.purpose = 'reconcile';
		return query select 'waits: ' || i.raw_key from handoff.inbox i;
		return query select 'quarantine: ' || q.raw_key || ' ' || q.message from handoff.quarantine q;
		call read_truth(lead, activity);
		return query select differences('lead', $q$select l.lead_key, l.fields ->> 'email', (l.fields ->> 'employees')::bigint
			from handoff.lead l where l.deleted_at is null$q$, 'select * from truth');
		return query select differences('activity', 'select a.activity_key, a.lead_key, a.at from handoff.activity a', 'select * from truth_activity');
		return query select differences('score', $q$select l.lead_key, l.fit, round(handoff.points(l.intent, clock_timestamp(), l.half_life)::numeric, 6), l.score
			from handoff.lead l where l.deleted_at is null$q$, 'select lead_key, fit, intent, fit + intent from truth_score');
		return query select differences('handed over', 'select h.lead_key from handoff.handoff h', 'select lead_key from ready');
		return query select differences('open handoff', $q$select h.lead_key, h.rep from handoff.handoff h where h.closed_at is null$q$,
			$q$select lead_key, 'ana' from ready where lead_key in (select lead_key from truth)$q$);
		return query execute also;
		return query select format('reconcile of %s: %s queued, %s gone, finished: %s', s.name, r.queued, r.gone, r.finished)
			from handoff.source s, handoff.reconcile(s.name) r where r.queued > 0 or r.gone > 0 or not r.finished;
		return query select 'doctor: ' || d.what from handoff.doctor() d where d.severity = 'error';
	end $$;);

sub start_tools
{
	$node = start_node('main');
	$owner = $node->safe_psql('postgres', 'select current_user');
	$node->safe_psql('postgres', q(
		create role tool login;
		grant set on parameter session_replication_role to tool;
		create database house));
	install($node, 'house',
		score_group => [ q({"name": "calls", "kind": "intent", "max_points": 20}) ],
		score_rule => [ q({"name": "call", "score_group": "calls", "points": 5, "criteria": "kind = ''call''"}) ]);
	$node->safe_psql('house', $helpers);
	return $node;
}

sub connection
{
	my ($at, $db, $user) = @_;

	return sprintf('host=%s port=%s dbname=%s user=%s', $at->host, $at->port, $db, $user);
}

# A step for psql. Marks tell which output and which warning is whose.
sub step_script
{
	my ($tool, $step, $mode, $db) = @_;
	my $sql = $step->{sql} =~ s/\s+$//r;
	my $where = $tool->{far} && !$step->{here} ? connection($tool->{far}, "${db}_far", 'tool') : connection($node, $db, 'tool');
	my $back = connection($node, $db, $owner);
	my $lead = $step->{lead} // $tool->{lead};
	my $activity = $step->{activity} // $tool->{activity} // 'select null::text, null::text, null::timestamptz where false';
	my $also = $step->{also} // $tool->{also} // 'select null::text where false';
	my $later = $step->{later} // '0';
	my $by_owner = defined $step->{owner} ? "do \$d\$ begin perform $step->{owner}; end \$d\$;" : '';

	$sql .= ';' unless $sql =~ /(;|\n\\\.)$/;
	return qq(
\\warn <step>
\\c "$where"
set client_min_messages = warning;
$mode_settings{$mode}
\\o /dev/null
$sql
\\o
\\c "$back"
set client_min_messages = error;
select count(*) as left_to_tick from handoff.inbox \\gset
$by_owner
call settle('$later');
\\echo <step>
\\echo :left_to_tick
select count(*) from handoff.event;
select wrong(\$t\$$lead\$t\$, \$t\$$activity\$t\$, \$t\$$also\$t\$);
);
}

# sync_tool(name, schema => .., attach => [..], lead => .., activity => .., also => .., modes => [..], grace => .., steps => [ {..} ])
# before: SQL of the owner before the schema; subscribe: .. after it, FAR in both is a connection to the second database; far: the server
# of a second database, where the steps (but those that are here) are made, far_schema: what it has.
# of a step: name, sql, owner (what the owner then calls), lead, activity, also, expect (the one thing that is wrong), warns,
# quiet, scan, late (decided by tick()), later (how much tick() waits), here, any (may be any of scan, late, quiet)
sub sync_tool
{
	my ($name, %tool) = @_;

	subtest $name => sub { run_tool($_, 'tool' . ++$databases, %tool) foreach @{ $tool{modes} // [ 'at commit', 'by tick' ] } };
	return;
}

# A second database, whose changes a subscription may carry here.
sub make_far
{
	my ($far, $db, $schema) = @_;

	$far->safe_psql('postgres', "create database $db");
	$far->safe_psql($db, qq(
		create schema crm authorization tool;
		create function caught_up() returns void language plpgsql as \$\$ declare here pg_lsn := pg_current_wal_lsn(); begin
			while exists (select from pg_stat_replication where application_name = current_database() and replay_lsn < here) loop
				perform pg_sleep(0.01), pg_stat_clear_snapshot();
			end loop;
		end \$\$;
		set session authorization tool;
		$schema;));
	return;
}

sub run_tool
{
	my ($mode, $db, %tool) = @_;
	my $capture = $tool{capture} // ($mode eq 'by tick' ? 'row' : 'auto');
	my $grace = $tool{grace} // '0';
	my $script = ($tool{before} // '') . qq(
set session authorization tool;
$tool{schema};
reset session authorization;
set client_min_messages = error;
) . ($tool{subscribe} // '');

	$script .= "select handoff.attach($_, since => '-infinity', capture => '$capture', delete_grace => '$grace');\n" foreach @{ $tool{attach} };
	$script .= step_script(\%tool, $_, $mode, $db) foreach @{ $tool{steps} };
	make_far($tool{far}, "${db}_far", $tool{far_schema}) if $tool{far};
	$node->safe_psql('postgres', "create database $db template house");
	$node->safe_psql($db, 'select handoff.adopt_instance()');
	$node->safe_psql('postgres', "grant create on database $db to tool");
	$script =~ s/\bFAR\b/connection($tool{far}, "${db}_far", $owner)/ge;
	my ($rc, $out, $err) = $node->psql($db, $script, on_error_stop => 1);

	is($rc, 0, "$mode: every statement works") or diag($err);
	check_steps($mode, \%tool, [ split /<step>\n?/, $out, -1 ], [ split /<step>\n?/, $err, -1 ]);
	$node->safe_psql($db, $tool{unsubscribe}) if $tool{unsubscribe};
	$node->safe_psql('postgres', "drop database $db");
	$tool{far}->safe_psql('postgres', "drop database ${db}_far") if $tool{far};
	return;
}

sub check_steps
{
	my ($mode, $tool, $outputs, $warnings) = @_;
	my $events = 0;
	my $i = 0;

	is($warnings->[0] // '', '', "$mode: nothing to warn of before");
	foreach my $step (@{ $tool->{steps} })
	{
		my $name = "$mode: $step->{name}";
		my ($left, $count, @wrong) = split /\n/, $outputs->[++$i] // "0\n0";
		my @scans = grep { /^scan: / } @wrong;
		my $before = $events;

		like($warnings->[$i] // 'not reached', $step->{warns} // qr/^$/, "$name: warnings");
		@wrong = grep { !/^scan: / } @wrong;
		ok(@wrong == 1 && $wrong[0] =~ $step->{expect}, "$name: wrong in one thing only") or diag(@wrong) if $step->{expect};
		is(join("\n", @wrong), '', "$name: known as it is") unless $step->{expect};
		is($count, $events, "$name: no event") if $step->{quiet};
		$events = $count;
		next if $step->{any};
		is(@scans > 0, !!$step->{scan}, $name . ($step->{scan} ? ': by a scan' : ': by triggers alone'));
		is($left, 0, "$name: nothing left to tick()") if $mode eq 'at commit' && !$step->{scan} && !$step->{late};
		isnt($count, $before, "$name: events") unless $step->{quiet};
	}
	return;
}

1;
