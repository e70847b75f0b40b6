# test/t/tools_far.pl: rows that are somewhere else: logical replication, foreign tables, and views, which
# nothing fires a trigger for.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use SyncTool;
use Test::More;

my $node = start_tools();
my $crm = start_node('crm', allows_streaming => 'logical');

$crm->safe_psql('postgres', 'create role tool login; grant pg_monitor to tool');

my $tables = q(
	create table crm.lead (id text primary key, email text, employees bigint, note text);
	create table crm.task (id bigint primary key, who text, at timestamptz, type text);
	create table crm.contact (id bigint, region text, email text, employees bigint, primary key (id, region)) partition by list (region);
	create table crm.contact_eu partition of crm.contact for values in ('eu');
	create table crm.contact_us partition of crm.contact for values in ('us'););
my $attach_lead = q('crm.lead', 'lead', mapping => '{"email": "email", "employees": "employees"}');
my $attach_task = q('crm.task', 'activity', mapping => '{"lead_key": "who", "at": "at", "kind": "type"}');
my $three = q(insert into crm.lead values ('a', 'a@x', 500), ('b', 'b@x', 5), ('c', null, null));

# Logical replication --------------------------------------------------------------------------------

sub published { return join(' ', @_) . '; select caught_up();' }

sync_tool('Logical replication: first copy, changes, TRUNCATE',
	far => $crm,
	far_schema => "$tables; $three; insert into crm.task values (1, 'b', '2026-01-01', 'call'); reset session authorization; create publication everything for all tables",
	schema => $tables,
	subscribe => q(select format('create subscription %I connection %L publication everything', current_database() || '_far', 'FAR') \gexec
),
	unsubscribe => q(select format('drop subscription %I', current_database() || '_far') \gexec),
	attach => [ $attach_lead, $attach_task, q('crm.contact', 'lead', key => '{id}', key_prefix => 'c:', mapping => '{"email": "email", "employees": "employees"}') ],
	modes => [ 'by subscription' ],
	lead => q(select id, email, employees from crm.lead union all select 'c:' || id, email, employees from crm.contact),
	activity => 'select id::text, who, at from crm.task',
	also => q(select format('the subscription fails: %s', s) from pg_stat_subscription_stats s where apply_error_count + sync_error_count > 0
		union all select format('capture of %s: %s', name, capture) from handoff.source where capture <> 'row'),
	steps => [
		{ name => 'first copy', sql => 'select', owner => 'copied()' },
		{
			name => 'INSERT, UPDATE, DELETE',
			sql => published(q(begin; insert into crm.lead values ('d', 'd@x', 700), ('e', 'e@x', 800); update crm.lead set employees = 600 where id = 'b'; delete from crm.lead where id = 'a'; commit))
		},
		{ name => 'updates that change nothing, or nothing that counts', quiet => 1, sql => published(q(update crm.lead set email = email; update crm.lead set note = 'x')) },
		{ name => 'inserted and deleted', quiet => 1, sql => published(q(begin; insert into crm.lead values ('f', 'f@x', 900); delete from crm.lead where id = 'f'; commit)) },
		{ name => 'deleted and inserted', sql => published(q(begin; delete from crm.lead where id = 'e'; insert into crm.lead values ('e', 'e2@x', 800); commit)) },
		{ name => 'another key', sql => published(q(update crm.lead set id = 'g' where id = 'e')) },
		{ name => 'activities', sql => published(q(insert into crm.task values (2, 'c', '2026-01-02', 'call'), (3, 'c', '2026-01-03', 'call'); update crm.task set who = 'd' where id = 1)) },
		{ name => '500 rows at once', sql => published(q(insert into crm.lead select 'm' || g, g || '@x', g - 400 from generate_series(1, 500) g)) },
		{ name => 'into a partition', sql => published(q(insert into crm.contact values (1, 'eu', 'p@x', 500); insert into crm.contact_us values (2, 'us', 'q@x', 5))) },
		{ name => 'from one partition into the other', quiet => 1, sql => published(q(update crm.contact set region = 'eu' where id = 2)) },
		{ name => 'TRUNCATE and INSERT', scan => 1, sql => published(q(begin; create temp table old as select * from crm.lead where id <> 'd'; truncate crm.lead; insert into crm.lead select * from old; insert into crm.lead values ('h', 'h@x', 1000); commit)) } ]);

# Foreign tables -------------------------------------------------------------------------------------


sub foreign_tool
{
	my ($name, $column, $extra, $mapping, @steps) = @_;
	my $far_table = qq(create table crm.lead (id text primary key, email text, employees bigint, changed timestamp default (clock_timestamp() at time zone 'UTC')));

	sync_tool($name,
		far => $crm,
		far_schema => $far_table,
		before => q(select format('create extension postgres_fdw; create server far foreign data wrapper postgres_fdw options (host %L, port %L, dbname %L)',
				substring('FAR' from 'host=(\S+)'), substring('FAR' from 'port=(\S+)'), substring('FAR' from 'dbname=(\S+)')) \gexec
			create user mapping for tool server far options (user 'tool', password_required 'false');
			create user mapping for current_user server far options (user 'tool');
			grant usage on foreign server far to tool;),
		schema => qq(create foreign table crm.lead (id text, email text, employees bigint, changed timestamp) server far; $extra),
		capture => 'poll',
		modes => [ 'by poll' ],
		attach => [ qq('crm.$column', 'lead', key => '{id}', mapping => '$mapping', poll_interval => '0') ],
		lead => "select id, email, employees from crm.$column",
		steps => \@steps);
	return;
}

my @changes = (
	{ name => 'rows', sql => "$three;" =~ s/values/(id, email, employees) values/r },
	{ name => 'a look at the same', quiet => 1, sql => 'select' },
	{ name => 'changes', sql => q(update crm.lead set employees = 900, changed = clock_timestamp() at time zone 'UTC' where id = 'b'; insert into crm.lead values ('d', 'd@x', 700)) });

foreign_tool('Foreign table: read as a whole', 'lead', '', '{"email": "email", "employees": "employees"}', @changes,
	{ name => 'written again', quiet => 1, sql => 'update crm.lead set changed = clock_timestamp()' },
	{ name => 'rows that are gone: only a reconcile sees that', sql => q(delete from crm.lead where id = 'a'), owner => q(handoff.reconcile('crm.lead')) },
	{ name => 'back', sql => q(insert into crm.lead values ('a', 'a@x', 500)) });

foreign_tool('Foreign table: from the newest version on', 'lead', '', '{"email": "email", "employees": "employees", "version": "changed"}', @changes,
	{ name => 'written again', quiet => 1, sql => q(update crm.lead set changed = clock_timestamp() at time zone 'UTC' where id = 'd') },
	{
		# a transaction that was open for longer than the overlap of ten minutes
		name => 'an old version that comes late: a reconcile finds it', sql => q(insert into crm.lead values ('late', 'l@x', 800, clock_timestamp() at time zone 'UTC' - interval '1 hour')),
		owner => q(handoff.reconcile('crm.lead'))
	},
	{ name => 'one within the overlap', sql => q(insert into crm.lead values ('near', 'n@x', 800, clock_timestamp() at time zone 'UTC' - interval '5 minutes')) });

foreign_tool('Materialized view of a foreign table', 'copy', 'create materialized view crm.copy as select * from crm.lead', '{"email": "email", "employees": "employees"}',
	{ name => 'nothing is there before a refresh', quiet => 1, sql => "$three;" =~ s/values/(id, email, employees) values/r },
	{ name => 'refreshed', here => 1, sql => 'refresh materialized view crm.copy' },
	{ name => 'changed, but not refreshed', quiet => 1, sql => q(update crm.lead set employees = 900 where id = 'b') },
	{ name => 'refreshed again', here => 1, sql => 'create unique index on crm.copy (id); refresh materialized view concurrently crm.copy' });

done_testing();
