# test/t/cron.pl: pg_cron for real. Two servers side by side, one with background workers, one with connections to its
# socket, and a copy of the first; what the minute brings to each.
#
# Jobs by the minute start when a minute does, so this takes the rest of one minute and all of the next; with a pg_cron
# that knows seconds, some of them.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;

my $libdir = `pg_config --pkglibdir`;
chomp $libdir;
plan skip_all => "pg_cron is not installed in $libdir" unless -e "$libdir/pg_cron.so";

my $os_user = getpwuid($<);
my $job_role = 'Jobs of ours';    # a name that needs quotes

# A server whose pg_cron works from database app. All authentication is by peer: the operating system's user is mapped
# to the roles he may be.
sub start_cron
{
	my ($name, $conf, @may_be) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nmax_worker_processes = 12\n"
		  . "shared_preload_libraries = 'pg_cron'\ncron.database_name = 'app'\n$conf\n");
	unlink $node->data_dir . '/pg_hba.conf', $node->data_dir . '/pg_ident.conf';
	$node->append_conf('pg_hba.conf', "local all all peer map=lh_cron\n");
	$node->append_conf('pg_ident.conf', join('', map { qq(lh_cron "$os_user" "$_"\n) } $os_user, @may_be));
	$node->start;
	$node->safe_psql('postgres', qq(create role "$job_role" login; create role plain login; create role sleeper login));
	return $node;
}

# A contract with a deadline, a source, a deadline that has passed, a row that waits for a tick, a message that waits for
# a worker.
sub fill
{
	my ($node) = @_;

	$node->safe_psql('postgres', 'create database app');
	install($node, 'app');
	$node->safe_psql('app', qq(
		select handoff.draft();
		insert into handoff.sla (contract_id, name, ord, leg, metric, target, clock) values (2, 'accept', 10, 'mql_to_sdr', 'accept', '1 hour', 'elapsed');
		insert into handoff.escalation (contract_id, sla, step, offset_from_due, action) values (2, 'accept', 1, '0', 'remind');
		select handoff.publish();
		alter database app set lead_handoff.inline_limit = 0;
		set lead_handoff.inline_limit = 0;
		create extension pg_cron;
		select handoff.grant_access('$job_role', 'operator');
		select handoff.subscribe('outside');
		create schema crm;
		create table crm.lead (id text primary key, email text, employees int);
		select handoff.attach('crm.lead', 'lead', since => '-infinity');
		insert into crm.lead values ('told', 't\@x', 500);
		select handoff.tick(now() - interval '2 hours');
		insert into crm.lead values ('waiting', 'w\@x', 500);));
	return;
}

# Is something so within the time that two minutes may take? Asked over and over.
sub becomes
{
	my ($node, $query, $name) = @_;
	my $until = time + 75;
	my $answer = '';

	while (time < $until)
	{
		$answer = $node->safe_psql('app', "select $query");
		last if $answer eq 't';
		select(undef, undef, undef, 0.2);
	}
	is($answer, 't', $name) or diag($node->safe_psql('app', 'select * from cron.job_run_details; select * from handoff.schedule_status()'));
	return;
}

sub fails
{
	my ($node, $role, $sql, $error, $name) = @_;
	my ($out, $err) = run_as($node, 'app', $role, "\\set VERBOSITY verbose\n$sql");

	like($err, $error, $name);
	return;
}

# What doctor() has to say of ticks and jobs: errors, or that of another severity (a run that fails in between is a warning).
sub faults
{
	my ($node, $severity) = @_;
	return $node->safe_psql('app', sprintf(q(select severity || ': ' || what from handoff.doctor() where invariant in (11, 13) and severity = '%s' order by 1),
		$severity // 'error'));
}

my $ticked = q(exists (select from handoff.lead where lead_key = '%s'));
my $escalated = q(exists (select from handoff.escalation_done where lead_key = 'told'));
my $jobs = q(select jobname, schedule, command, database, username, active from cron.job order by jobname);
my $wanted =
  "lead_handoff maintain|17 3 * * *|select handoff.maintain()|app|$job_role|t\nlead_handoff tick|%s|select handoff.tick()|app|$job_role|t";
my $by_minute = sprintf($wanted, '* * * * *');

# Jobs that wait for their minute -----------------------------------------------------------------

my $worker = start_cron('worker', 'cron.use_background_workers = on', $job_role);
my $socket = $worker->host;
my $client = start_cron('client', "cron.use_background_workers = off\ncron.host = '$socket'", $job_role, 'sleeper');
foreach my $node ($worker, $client)
{
	fill($node);
	$node->safe_psql('app', qq(grant usage on schema cron to "$job_role", sleeper));
}
my $seconds = $worker->safe_psql('app', q(select (regexp_match(extversion, '^(\d+)\.(\d+)'))::int[] >= array[1, 5] from pg_extension where extname = 'pg_cron')) eq 't';
my $tick = $seconds ? '2 seconds' : '* * * * *';
my $schedule = "handoff.schedule_jobs('$job_role'" . ($seconds ? ", '2 seconds')" : ')');

# a long job of somebody else; with background workers, before pg_cron 1.5, it would hold up all others
$client->safe_psql('app', qq(select cron.schedule_in_database('long', '$tick', 'select pg_sleep(200)', 'app', 'sleeper')));
run_as($client, 'app', $job_role, "select $schedule");
is(faults($client), '', 'connections to the socket: the jobs are well');
$client->safe_psql('app', q(update cron.job set nodeport = 1 where jobname like 'lead_handoff%'));
like(faults($client), qr/job "lead_handoff tick" connects to \Q$socket\E, port 1, which is not this server/, '.. but after a promotion on another port');
$client->safe_psql('app', "select $schedule");
is(faults($client), '', '.. until they are scheduled again');

# a copy of all of it, jobs included, on a server of its own whose pg_cron finds them; taken before the first tick
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my $copy = start_cron('copy', 'cron.use_background_workers = on', $job_role);
$worker->safe_psql('app', "begin; select $schedule; update cron.job set active = false; commit");
$worker->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', 'app', '-h', $worker->host, '-p', $worker->port ], 'dump');
$worker->safe_psql('app', "select $schedule");
$copy->safe_psql('postgres', 'create database app');
$copy->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'app', '-h', $copy->host, '-p', $copy->port, $dump ], 'restore elsewhere');
$copy->safe_psql('app', 'update cron.job set active = true');
is($copy->safe_psql('app', $jobs), sprintf($wanted, $tick), 'the jobs came with it');
my $messages = $copy->safe_psql('app', 'select state, count(*) from handoff.delivery group by state');

# Meanwhile: what must be there before ------------------------------------------------------------

my $desk = start_cron('desk', 'cron.use_background_workers = on', $job_role, 'plain');
fill($desk);
fails($desk, undef, 'select handoff.schedule_jobs()', qr/LH032: role "\Q$os_user\E" is a superuser.*HINT: .*grant_access/s, 'no jobs of a superuser');
fails($desk, undef, qq(select handoff.schedule_jobs('$job_role')), qr/LH032: role "$job_role" may not use schema cron.*HINT: .*GRANT USAGE ON SCHEMA cron TO "$job_role"/s,
	'the role needs schema cron');
$desk->safe_psql('app', qq(grant usage on schema cron to "$job_role", plain, sleeper));
fails($desk, $job_role, q(select handoff.schedule_jobs(every => '7 minutes')), qr/22023: pg_cron has no schedule for every "00:07:00"/, 'no such interval');
fails($desk, $job_role, q(select handoff.schedule_jobs(every => '5 seconds')), qr/LH032: pg_cron of this version has no schedule in seconds/, 'no seconds before 1.5') unless $seconds;
fails($desk, 'plain', 'select handoff.schedule_jobs()', qr/permission denied/, 'who has no access has none');
is($desk->safe_psql('app', 'select count(*) from cron.job'), '0', 'nothing was scheduled');
$desk->safe_psql('postgres', 'create database other');
install($desk, 'other');
my ($out, $err) = run_as($desk, 'other', undef, 'select handoff.schedule_jobs()');
like($err, qr/pg_cron works from database "app".*HINT: .*cron\.schedule_in_database\('lead_handoff tick other', '\* \* \* \* \*', 'select handoff\.tick\(\)', 'other', 'ROLE'\)/s,
	'in another database pg_cron can not be reached');

# Once, twice, by others --------------------------------------------------------------------------

($out, $err) = run_as($desk, 'app', $job_role, 'select job, schedule, runs_as from handoff.schedule_jobs()');
is($out, "tick|* * * * *|$job_role\nmaintain|17 3 * * *|$job_role", 'an operator schedules his own jobs');
is($desk->safe_psql('app', $jobs), $by_minute, '.. as they should be');
my $jobids = $desk->safe_psql('app', 'select array_agg(jobid order by jobid) from cron.job');
run_as($desk, 'app', $job_role, 'select handoff.schedule_jobs()');
$desk->safe_psql('app', qq(select handoff.schedule_jobs('$job_role')));
is($desk->safe_psql('app', 'select array_agg(jobid order by jobid) from cron.job'), $jobids, 'twice, and by a superuser: the same jobs');
my $script = PostgreSQL::Test::Utils::tempdir() . '/schedule.sql';
PostgreSQL::Test::Utils::append_to_file($script, "begin; select * from handoff.unschedule_jobs(); select * from handoff.schedule_jobs(); end;\n");
$desk->command_ok([ 'pgbench', '-n', '-c', '4', '-t', '5', '-f', $script, '-U', $job_role, '-h', $desk->host, '-p', $desk->port, 'app' ], 'four at once');
is($desk->safe_psql('app', $jobs), $by_minute, '.. leave one of each');
$desk->safe_psql('app', q(select handoff.grant_access('plain', 'operator')));
fails($desk, 'plain', 'select handoff.schedule_jobs()', qr/LH032: jobs are scheduled, and run as role "$job_role".*HINT: .*unschedule_jobs/s, 'another operator is told whose they are');
fails($desk, 'plain', 'select handoff.unschedule_jobs()', qr/LH032: jobs are scheduled, and run as role "$job_role"/, '.. and can not take them away');
is($desk->safe_psql('app', $jobs), $by_minute, 'nothing has changed');

# jobs made by hand, by other roles, left by a dump of another database
$desk->safe_psql('app', qq(
	select cron.schedule('by hand', '* * * * *', 'select * from handoff.tick();');
	select cron.schedule_in_database('lead_handoff tick', '*/5 * * * *', 'select handoff.tick()', 'app', 'plain');
	select cron.schedule('more', '0 0 1 1 *', 'select 1; select handoff.tick()');
	update cron.job set database = 'other', active = false where username = '$job_role' and jobname = 'lead_handoff tick'));
is(faults($desk), qq(error: job "lead_handoff tick" is not active\nerror: job "lead_handoff tick" runs in database "other"), 'doctor() sees what was done to a job');
($out, $err) = run_as($desk, 'app', undef, qq(select handoff.schedule_jobs('$job_role')));
like($err, qr/NOTICE: +job \d+ of role "\Q$os_user\E" calls us too: select 1; select handoff\.tick\(\)/, 'one that does other things as well is left alone, and named');
is($desk->safe_psql('app', q(select cron.unschedule('more')) . '; ' . $jobs), "t\n$by_minute", 'a superuser puts everything right');
foreach my $fault ([ q(schedule = '*/2 * * * *'), 'has the schedule */2 * * * *' ], [ q(command = 'select 1'), 'runs: select 1' ])
{
	my ($change, $what) = @$fault;

	is($desk->safe_psql('app', qq(begin; update cron.job set $change where jobname = 'lead_handoff tick';
		select severity || ': ' || what from handoff.doctor() where invariant = 13 and severity = 'error'; rollback)), qq(error: job "lead_handoff tick" $what), "doctor(): $what");
}
$desk->safe_psql('app', qq(update cron.job set nodeport = 1; select handoff.schedule_jobs('$job_role')));
is(faults($desk), '', 'background workers need no port');
$desk->safe_psql('app', qq(alter role "$job_role" nologin));
is(faults($desk), qq(error: role "$job_role" is not permitted to log in, and is to run the jobs), 'doctor() sees a role that can not run them');
$desk->safe_psql('app', qq(alter role "$job_role" login));
is($desk->safe_psql('app', qq(begin; alter role "$job_role" rename to gone;
	select severity || ': ' || what from handoff.doctor() where invariant = 13 and severity = 'error'; rollback)), qq(error: there is no role "$job_role", which is to run the jobs), '.. or is gone');
($out, $err) = run_as($desk, 'app', 'plain', q(select severity, what from handoff.doctor() where invariant = 13));
is($out, 'warning|the jobs could not be looked at', 'doctor() says what another role can not see');
$desk->safe_psql('app', q(delete from cron.job where jobname = 'lead_handoff maintain'));
is(faults($desk), qq(error: pg_cron has no job "lead_handoff maintain" of role "$job_role"), 'doctor() misses a job');
is($desk->safe_psql('app', 'select handoff.unschedule_jobs(), (select count(*) from cron.job)'), '1|1', 'unschedule_jobs() takes what is there');
is($desk->safe_psql('app', 'select count(*) from cron.job'), '0', '.. all of it');
is(faults($desk), '', '.. and nothing is missed');

# What the first minute brings --------------------------------------------------------------------

becomes($worker, sprintf($ticked, 'waiting'), 'background workers: a job calls tick()');
becomes($worker, $escalated, '.. what was promised is escalated');
becomes($client, sprintf($ticked, 'waiting'), 'connections: a job calls tick()');
becomes($client, q(exists (select from cron.job_run_details where command like '%pg_sleep%' and status = 'running')), '.. beside a long one');
becomes($copy, q(exists (select from cron.job_run_details where status = 'failed' and return_message like '%tick() does nothing in a copy%')), 'the job in the copy fails, and says why');
is($copy->safe_psql('app', q(select count(*) from handoff.inbox; select count(*) from handoff.lead; select count(*) from handoff.escalation_done)), "1\n1\n0",
	'.. nothing was decided, nothing escalated');
fails($copy, $job_role, q(select * from handoff.lease('outside')), qr/LH031: lease\(\) does nothing in a copy/, '.. nor can a worker take a message');
is($copy->safe_psql('app', 'select state, count(*) from handoff.delivery group by state'), $messages, '.. all messages are as they were');
like(faults($copy), qr/^error: this is a copy: the tables belong to database "app" of system \d+$/m, 'doctor() says so');
like(faults($copy, 'warning'), qr/^warning: the newest run of job "lead_handoff tick" failed at .* copy/m, '.. and that the job failed');
is(faults($worker), '', 'the origin is well');
is($worker->safe_psql('app', q(select run_by, runs_as, schedule, last_status, faults, last_at > now() - interval '2 minutes' from handoff.schedule_status() where job = 'tick')),
	"pg_cron|$job_role|$tick|succeeded|{}|t", 'schedule_status() shows it');

# What the second one brings ----------------------------------------------------------------------

$worker->stop('immediate');
$worker->start;
$_->safe_psql('app', q(insert into crm.lead values ('next', 'n@x', 500))) foreach $worker, $client;
is(faults($worker), '', 'after a crash all is well');
run_as($copy, 'app', undef, 'select handoff.adopt_instance()');
is($copy->safe_psql('app', q(select what from handoff.doctor() where what like '%is a copy%')), '', 'the copy is adopted');
is($copy->safe_psql('app', q(select type from handoff.lease('outside', 1))), 'handoff.created', '.. and a worker gets its message');

becomes($worker, sprintf($ticked, 'next'), 'jobs go on after a crash');
becomes($client, sprintf($ticked, 'next'), 'connections: the next minute is kept, too');
is($client->safe_psql('app', q(select count(*) from cron.job_run_details where command like '%pg_sleep%' and status <> 'running')), '0', '.. and the long job still runs');
becomes($copy, sprintf($ticked, 'waiting'), 'the adopted copy goes on by itself');
becomes($copy, $escalated, '.. and escalates what was promised');

# maintain() takes its role's notes of old runs, of our jobs only
$client->safe_psql('app', q(insert into cron.job_run_details (jobid, runid, database, username, command, status, end_time)
	select 1, -g, 'app', case when g = 2 then 'plain' else 'Jobs of ours' end, case when g = 3 then 'select 1' else 'select handoff.tick()' end,
		'succeeded', now() - case when g = 4 then interval '6 days' else interval '8 days' end from generate_series(1, 4) g;
	insert into crm.lead select 'n' || g, g || '@x', 1 from generate_series(1, 2000) g));
($out, $err) = run_as($client, 'app', $job_role, 'select job_runs, analyzed > 0 from handoff.maintain()');
is($out, '1|t', 'maintain(): old runs go, tables that have changed are analyzed');
is($client->safe_psql('app', q(select string_agg(runid::text, ' ' order by runid desc) from cron.job_run_details where runid < 0)), '-2 -3 -4', '.. and no others');
($out, $err) = run_as($client, 'app', $job_role, 'select job_runs, analyzed from handoff.maintain()');
is($out, '0|0', '.. once');
is($client->safe_psql('app', q(select last_analyze is not null from pg_stat_all_tables where relid = 'handoff.inbox'::regclass)), 't', '.. as PostgreSQL knows');

is($worker->safe_psql('app', q(set client_min_messages = error; select handoff.teardown(true); select count(*) from cron.job)), "\n0", 'teardown() takes the jobs away');

# Without pg_cron ---------------------------------------------------------------------------------

$copy->safe_psql('app', 'drop extension pg_cron');
is(faults($copy), 'error: pg_cron is gone', 'doctor() sees that pg_cron is gone');
fails($copy, undef, qq(select handoff.schedule_jobs('$job_role')), qr/LH032: pg_cron is loaded, but not created in this database.*HINT: .*CREATE EXTENSION pg_cron/s, '.. schedule_jobs() says what to do');
is($copy->safe_psql('app', 'select handoff.unschedule_jobs()'), '0', '.. unschedule_jobs() forgets');
is(faults($copy), '', '.. and doctor() is content');
$copy->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$copy->restart;
fails($copy, undef, qq(select handoff.schedule_jobs('$job_role')), qr/LH032: pg_cron is not loaded.*HINT: .*run_by => 'other'/s, 'not loaded: the other way is shown');

$_->stop('immediate') foreach $worker, $client, $copy, $desk;
done_testing();
