# test/t/SyncTool.pm: a sync tool's statements, and what must hold after each of them.
#
# A tool is tables, what they are attached as, and steps: SQL that a role without any right of ours runs.
# After each step tick() works until nothing waits; then leads and activities must equal what plain SQL
# says of the table, a reconcile from scratch must find nothing to do, and doctor() no error. The test
# also says how we came to know: a step that is quiet may add no event, and only a step that says so may
# have needed a scan of the table; of all others the triggers have told.
#
# Each tool runs several times, each time in a database of its own: with the capture that attach()
# chooses and decisions at commit, and with row triggers and decisions by tick() only.

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
	'repeatable read' => 'set default_transaction_isolation = "repeatable read";',
	'serializable' => 'set default_transaction_isolation = serializable;');

# What the databases have beside the extension.
my $helpers = q(
	create schema crm authorization tool;
	-- each tick is a transaction of its own, and finds what the one before has asked for
	create procedure settle() language plpgsql as $$ begin
		for turn in 1 .. 8 loop
			perform handoff.tick();
			commit;
			exit when not exists (select from handoff.inbox) and not exists (select from handoff.scan where finished_at is null);
		end loop;
	end $$;
	-- what is not as it should be; lead and activity: queries that say what the tables hold
	create function wrong(lead text, activity text) returns setof text language plpgsql as $$ begin
		return query select 'scan: ' || c.reason from handoff.scan c where c.reason <> 'reconcile()' and c.purpose <> 'backfill';
		return query select 'waits: ' || i.raw_key from handoff.inbox i;
		return query select 'quarantine: ' || q.raw_key || ' ' || q.message from handoff.quarantine q;
		create temp table known on commit drop as
			select l.lead_key, l.fields ->> 'email' as email, (l.fields ->> 'employees')::bigint as employees
			from handoff.lead l where l.deleted_at is null;
		create temp table known_activity on commit drop as
			select a.activity_key, a.lead_key, a.at from handoff.activity a;
		execute format('create temp table truth on commit drop as select * from (%s) t (lead_key, email, employees)', lead);
		execute format('create temp table truth_activity on commit drop as select * from (%s) t (activity_key, lead_key, at)', activity);
		return query select 'unknown: ' || t::text from (select * from truth except all select * from known) t;
		return query select 'not there: ' || t::text from (select * from known except all select * from truth) t;
		return query select 'unknown: ' || t::text from (select * from truth_activity except all select * from known_activity) t;
		return query select 'not there: ' || t::text from (select * from known_activity except all select * from truth_activity) t;
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
	install($node, 'house');
	$node->safe_psql('house', $helpers);
	return $node;
}

# A step for psql. Marks tell which output and which warning is whose.
sub step_script
{
	my ($tool, $step, $mode) = @_;
	my $sql = $step->{sql} =~ s/\s+$//r;
	my $lead = $step->{lead} // $tool->{lead};
	my $activity = $step->{activity} // $tool->{activity} // 'select null::text, null::text, null::timestamptz where false';

	$sql .= ';' unless $sql =~ /(;|\n\\\.)$/;
	return qq(
\\warn <step>
\\c - tool
set client_min_messages = warning;
$mode_settings{$mode}
$sql
\\c - $owner
set client_min_messages = error;
call settle();
\\echo <step>
select count(*) from handoff.event;
select wrong(\$t\$$lead\$t\$, \$t\$$activity\$t\$);
);
}

# sync_tool(name, schema => .., attach => [..], lead => .., activity => .., modes => [..], grace => .., steps => [ {..} ])
sub sync_tool
{
	my ($name, %tool) = @_;

	subtest $name => sub { run_tool($_, %tool) foreach @{ $tool{modes} // [ 'at commit', 'by tick' ] } };
	return;
}

sub run_tool
{
	my ($mode, %tool) = @_;
	my $db = 'tool' . ++$databases;
	my $capture = $tool{capture} // ($mode eq 'by tick' ? 'row' : 'auto');
	my $grace = $tool{grace} // '0';
	my $script = ($tool{before} // '') . qq(
set session authorization tool;
$tool{schema};
reset session authorization;
set client_min_messages = error;
);

	$script .= "select handoff.attach($_, since => '-infinity', capture => '$capture', delete_grace => '$grace');\n" foreach @{ $tool{attach} };
	$script .= step_script(\%tool, $_, $mode) foreach @{ $tool{steps} };
	$node->safe_psql('postgres', "create database $db template house");
	$node->safe_psql('postgres', "grant create on database $db to tool");
	my ($rc, $out, $err) = $node->psql($db, $script, on_error_stop => 1);

	is($rc, 0, "$mode: every statement works") or diag($err);
	check_steps($mode, \%tool, [ split /<step>\n?/, $out, -1 ], [ split /<step>\n?/, $err, -1 ]);
	$node->safe_psql('postgres', "drop database $db");
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
		my ($count, @wrong) = split /\n/, $outputs->[++$i] // '0';
		my @scans = grep { /^scan: / } @wrong;

		like($warnings->[$i] // 'not reached', $step->{warns} // qr/^$/, "$name: warnings");
		is(join("\n", grep { !/^scan: / } @wrong), '', "$name: known as it is");
		is(@scans > 0, !!$step->{scan}, $name . ($step->{scan} ? ': by a scan' : ': by triggers alone'));
		is($count, $events, "$name: no event") if $step->{quiet};
		isnt($count, $events, "$name: events") unless $step->{quiet};
		$events = $count;
	}
	return;
}

1;
