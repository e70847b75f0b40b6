# test/t/tools_heroku.pl: Heroku Connect, which writes both ways: what comes from Salesforce, and what an
# application writes into the same tables and has sent there.
#
# Names are in lower case, times are UTC without saying so, id is another after a reload, sfid is null until
# Salesforce has answered. Its own triggers tell its sessions from others by a setting, xmlbinary.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use SyncTool;
use Test::More;

start_tools();

my $schema = q(
	create schema salesforce;
	create table salesforce.lead (
		isconverted boolean, isdeleted boolean, systemmodstamp timestamp, createddate timestamp, email varchar(80), numberofemployees integer,
		ownerid varchar(18), status varchar(255), sfid varchar(18), id serial primary key, _hc_lastop varchar(32), _hc_err text);
	create table salesforce.task (
		isclosed boolean, isdeleted boolean, systemmodstamp timestamp, createddate timestamp, completeddatetime timestamp, whoid varchar(18),
		ownerid varchar(18), type varchar(255), sfid varchar(18), id serial primary key, _hc_lastop varchar(32), _hc_err text);
	create unique index hcu_idx_lead_sfid on salesforce.lead (sfid);
	create index hc_idx_lead_systemmodstamp on salesforce.lead (systemmodstamp);
	create unique index hcu_idx_task_sfid on salesforce.task (sfid);
	create index hc_idx_task_systemmodstamp on salesforce.task (systemmodstamp);
	create table salesforce._trigger_log (id serial primary key, txid bigint, state varchar(8), action varchar(7), table_name varchar(128), record_id integer, sfid varchar(18), old jsonb, "values" jsonb);

	create function salesforce.get_xmlbinary() returns varchar language plpgsql as $$ begin return current_setting('xmlbinary'); end $$;
	create function salesforce.hc_status() returns trigger language plpgsql as $$ begin
		new._hc_err := null;
		if salesforce.get_xmlbinary() = 'base64' then
			new._hc_lastop := 'PENDING';
		elsif tg_op = 'INSERT' or new._hc_lastop is null or new._hc_lastop is not distinct from old._hc_lastop then
			new._hc_lastop := 'SYNCED';
		end if;
		return new;
	end $$;
	create function salesforce.hc_logger() returns trigger language plpgsql as $$ begin
		insert into salesforce._trigger_log (txid, state, action, table_name, record_id, sfid, old, "values")
		values (txid_current(), 'NEW', tg_op, tg_table_name, coalesce(new.id, old.id), coalesce(new.sfid, old.sfid), to_jsonb(old), to_jsonb(new));
		return null;
	end $$;) . join('', map { qq(
	create trigger hc_${_}_logtrigger after insert or update or delete on salesforce.$_
		for each row when (salesforce.get_xmlbinary() = 'base64') execute function salesforce.hc_logger();
	create trigger hc_${_}_status_trigger before insert or update on salesforce.$_ for each row execute function salesforce.hc_status();) } qw(lead task));

# Connect's sessions, in a zone that is not UTC.
sub connect_does
{
	return "set timezone = 'America/New_York'; set xmlbinary = 'hex';" . join('', @_);
}

sub sfid { return sprintf('00Q%012dEAA', $_[0]) }

sub leads
{
	return 'insert into salesforce.lead (sfid, email, numberofemployees, systemmodstamp, createddate, isdeleted, isconverted) values '
		. join(', ', map { sprintf("('%s', '%s', %s, '2026-03-08 %s', '2026-03-08 02:30', false, false)", sfid($_->[0]), @$_[1 .. 3]) } @_) . ';';
}

my @id = map { sfid($_) } 0 .. 5;

# Of a lead, by its number: what Salesforce says from that moment on.
sub modified
{
	my ($n, $at, $what) = @_;

	return "update salesforce.lead set $what, systemmodstamp = '2026-03-08 $at' where sfid = '$id[$n]';";
}

my $lead = 'select sfid, email, numberofemployees from salesforce.lead where sfid is not null and not isdeleted';
my $kept = 'select sfid, email, numberofemployees from salesforce.kept where sfid is not null and not isdeleted';

# Times are UTC, also in the hour that New York skips on that day; and Connect hears of the application's own writes, of nothing else.
sub in_order
{
	my (%logged) = @_;
	my $logged = join(', ', map { sprintf("('%s', %d)", $_, $logged{$_} // 0) } 'NOTHING', sort keys %logged);

	return qq[
		select 'times of ' || l.lead_key from handoff.lead l join salesforce.lead t on t.sfid = l.lead_key
		where l.version is distinct from t.systemmodstamp at time zone 'UTC' or (l.fields ->> 'created_at')::timestamptz is distinct from t.createddate at time zone 'UTC'
		union all select format('logged: %s %s', action, n) from (select action, count(*) as n from salesforce._trigger_log group by action) t
		full join (values $logged) v (action, n) using (action, n) where t is null and n > 0 or v is null];
}

my @reload = map { [ $_, "r$_\@x", $_ * 40, '12:00' ] } 1 .. 5;

sync_tool('Heroku Connect: both ways, echoes, flip-flops',
	schema => $schema,
	grace => '15 minutes',
	attach => [ q('salesforce.lead', null), q('salesforce.task', null) ],
	lead => $lead,
	activity => q(select sfid, whoid, completeddatetime at time zone 'UTC' from salesforce.task where whoid is not null and isclosed and not isdeleted),
	also => in_order(),
	steps => [
		{ name => 'first load', sql => connect_does(leads([ 1, 'a@x', 500, '01:00' ], [ 2, 'b@x', 5, '01:00' ], [ 3, 'c@x', 50, '01:00' ])) },
		{ name => 'poll of Salesforce', sql => connect_does(modified(2, '01:10', q(email = 'b2@x')), modified(3, '01:10', 'numberofemployees = 600')) },
		{ name => 'a batch of 500', late => 1, sql => connect_does(leads(map { [ $_, "m$_\@x", $_ - 1300, '01:20' ] } 1001 .. 1500)) },
		{
			name => 'tasks, one open, one of nobody',
			sql => connect_does(qq(insert into salesforce.task (sfid, whoid, isclosed, isdeleted, type, completeddatetime, systemmodstamp) values
				('00T000000000001EAA', '$id[2]', true, false, 'Call', '2026-03-08 02:30', '2026-03-08 02:31'),
				('00T000000000002EAA', '$id[2]', false, false, 'Call', null, '2026-03-08 02:31'),
				('00T000000000003EAA', null, true, false, 'Call', '2026-03-08 02:30', '2026-03-08 02:31');))
		},
		{
			name => 'the open one is done',
			sql => connect_does(q(update salesforce.task set isclosed = true, completeddatetime = '2026-03-08 03:00', systemmodstamp = '2026-03-08 03:00' where sfid = '00T000000000002EAA';))
		},
		{
			name => 'an application inserts: no sfid yet', quiet => 1, also => in_order(INSERT => 1),
			sql => q(insert into salesforce.lead (email, numberofemployees, isdeleted) values ('new@x', 800, false))
		},
		{
			name => 'Salesforce has answered', also => in_order(INSERT => 1),
			sql => connect_does(qq(update salesforce.lead set sfid = '$id[4]', createddate = '2026-03-08 04:00', systemmodstamp = '2026-03-08 04:00', isconverted = false, _hc_lastop = 'INSERTED' where email = 'new\@x'))
		},
		{ name => 'written back: an owner', sql => qq(update salesforce.lead set ownerid = '005000000000001AAA' where sfid = '$id[4]'), also => in_order(INSERT => 1, UPDATE => 1) },
		{
			name => 'its echo: a version, PENDING becomes UPDATED', quiet => 1, also => in_order(INSERT => 1, UPDATE => 1),
			sql => connect_does(modified(4, '04:10', q(ownerid = '005000000000001AAA', _hc_lastop = 'UPDATED')))
		},
		{ name => 'and a second one', quiet => 1, sql => connect_does(modified(4, '04:20', q(_hc_lastop = 'SYNCED'))), also => in_order(INSERT => 1, UPDATE => 1) },
		{
			name => 'flip-flop: written twice', also => in_order(INSERT => 1, UPDATE => 3),
			sql => join('', map { "update salesforce.lead set numberofemployees = $_ where sfid = '$id[2]';" } 90, 80)
		},
		{ name => 'flip-flop: the first comes back', sql => connect_does(modified(2, '05:00', 'numberofemployees = 90')), also => in_order(INSERT => 1, UPDATE => 3) },
		{ name => 'flip-flop: the second', sql => connect_does(modified(2, '05:10', 'numberofemployees = 80')), also => in_order(INSERT => 1, UPDATE => 3) },
		{
			name => 'an application deletes', quiet => 1, lead => $kept, also => in_order(INSERT => 1, UPDATE => 3, DELETE => 1),
			sql => qq(create table salesforce.kept as table salesforce.lead; delete from salesforce.lead where sfid = '$id[3]')
		},
		{
			name => 'changed in Salesforce meanwhile: revived, with another id', also => in_order(INSERT => 1, UPDATE => 3, DELETE => 1),
			sql => connect_does(leads([ 3, 'c2@x', 600, '06:00' ]))
		},
		{
			name => 'and deleted there', later => '0', quiet => 1, also => in_order(INSERT => 1, UPDATE => 3, DELETE => 1), lead => $kept,
			sql => connect_does(qq(drop table salesforce.kept; create table salesforce.kept as table salesforce.lead; delete from salesforce.lead where sfid = '$id[3]'))
		},
		{ name => 'for good', later => '16 minutes', sql => 'select', also => in_order(INSERT => 1, UPDATE => 3, DELETE => 1) },
		{ name => 'soft', sql => connect_does(modified(4, '06:10', 'isdeleted = true')), also => in_order(INSERT => 1, UPDATE => 3, DELETE => 1) },
		{
			name => 'a mapping edit: a column more, which nothing reads', quiet => 1, also => in_order(INSERT => 1, UPDATE => 3, DELETE => 1),
			sql => connect_does(q(alter table salesforce.lead add rating__c varchar(20); update salesforce.lead set rating__c = 'hot';))
		} ]);

sync_tool('Heroku Connect: a reload empties the table and fills it again, some rows a transaction',
	schema => $schema,
	grace => '15 minutes',
	attach => [ q('salesforce.lead', null) ],
	lead => $lead,
	steps => [
		{ name => 'first load', sql => connect_does(leads(@reload)) },
		{ name => 'cleared by DELETE', quiet => 1, lead => $kept, sql => connect_does('create table salesforce.kept as table salesforce.lead; delete from salesforce.lead') },
		{ name => 'the first rows', quiet => 1, lead => $kept, sql => connect_does(leads(@reload[ 0 .. 2 ])) },
		{ name => 'the others', quiet => 1, sql => connect_does(leads(@reload[ 3 .. 4 ])) },
		{ name => 'time passes', quiet => 1, later => '1 hour', sql => 'select' },
		{ name => 'cleared by TRUNCATE', quiet => 1, scan => 1, lead => $kept, sql => connect_does('truncate salesforce.lead') },
		{ name => 'all but one', quiet => 1, lead => $kept, sql => connect_does(leads(@reload[ 0 .. 3 ])) },
		{ name => 'which is gone, then', later => '20 minutes', sql => 'select' },
		{ name => 'and back', sql => connect_does(leads($reload[4])) } ]);

done_testing();
