# test/t/tools_fivetran.pl: Fivetran, whose statements nobody has published: what its documents say of their
# outcome, written set by set out of temporary tables.
#
# Names are in snake case. Rows are marked, not deleted; history mode keeps each state of a record as a row.
# _fivetran_synced moves when nothing else does, and stands still where a re-sync finds that rows are gone.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use SyncTool;
use Test::More;

start_tools();

sub sfid { return sprintf('00Q%012dEAA', $_[0]) }

my $ntemp = 0;

# Rows ([ values ], ..) into a temporary table; known ones are updated in all columns, others inserted.
sub merge
{
	my ($table, $columns, $key, @rows) = @_;
	my $temp = sprintf('fivetran_%08x', ++$ntemp * 0x9e3779b1 % 2**32);
	my @columns = split ' ', $columns;
	my $set = join(', ', map { "$_ = s.$_" } @columns);

	return qq(begin; create temp table $temp (like $table including defaults) on commit drop;
		insert into $temp ($columns) values ) =~ s/\($columns\)/'(' . join(', ', @columns) . ')'/er
		. join(', ', map { '(' . join(', ', @$_) . ')' } @rows) . qq(;
		update $table t set $set, _fivetran_synced = s._fivetran_synced from $temp s where t.$key = s.$key;
		insert into $table select s.* from $temp s where not exists (select from $table t where t.$key = s.$key); commit;);
}

# Salesforce, in the template's columns.
sub leads
{
	return merge('crm.lead', 'id email number_of_employees system_modstamp is_deleted is_converted', 'id',
		map { [ "'" . sfid($_->[0]) . "'", @$_[1 .. 4], 'false' ] } @_);
}

my @first = ([ 1, "'a\@x'", 500, "'2026-01-01'", 'false' ], [ 2, "'b\@x'", 5, "'2026-01-01'", 'false' ], [ 3, 'null', 'null', "'2026-01-01'", 'false' ]);
my $synced = q(_fivetran_synced timestamptz not null default clock_timestamp());

sync_tool('Fivetran: Salesforce',
	schema => qq(
		create table crm.lead (id varchar(18) primary key, email varchar(256), number_of_employees integer, system_modstamp timestamptz,
			is_deleted boolean, is_converted boolean, $synced);
		create table crm.task (id varchar(18) primary key, who_id varchar(18), type varchar(256), is_closed boolean, completed_date_time timestamptz,
			system_modstamp timestamptz, is_deleted boolean, $synced);),
	attach => [ q('crm.lead', null), q('crm.task', null) ],
	lead => 'select id, email, number_of_employees from crm.lead where not is_deleted',
	activity => 'select id, who_id, completed_date_time from crm.task where not is_deleted and is_closed and who_id is not null',
	steps => [
		{ name => 'first sync', sql => leads(@first) },
		{ name => 'imported again: _fivetran_synced alone', sql => leads(@first), quiet => 1 },
		{ name => 'changes', sql => leads([ 3, "'c\@x'", 700, "'2026-01-02'", 'false' ], [ 4, "'d\@x'", 90, "'2026-01-02'", 'false' ]) },
		{
			name => 'tasks',
			sql => merge('crm.task', 'id who_id type is_closed completed_date_time system_modstamp is_deleted', 'id',
				map { [ "'00T$_'", "'" . sfid(4) . "'", "'Call'", $_ < 3 ? 'true' : 'false', $_ < 3 ? "'2026-01-02 0$_:00+01'" : 'null', "'2026-01-02'", 'false' ] } 1 .. 3)
		},
		{ name => 'deleted in Salesforce', sql => leads([ 2, "'b\@x'", 5, "'2026-01-03'", 'true' ]) },
		{ name => 'a task is deleted', sql => merge('crm.task', 'id who_id type is_closed is_deleted', 'id', [ q('00T1'), "'" . sfid(4) . "'", q('Call'), 'true', 'true' ]) },
		{ name => 'a column more, filled in all rows', quiet => 1, sql => 'alter table crm.lead add column rating_c varchar(256); update crm.lead set rating_c = 5, _fivetran_synced = clock_timestamp()' },
		{ name => 'a wider column', quiet => 1, scan => 1, sql => 'alter table crm.lead alter column number_of_employees type bigint' },
		{ name => 'undeleted', sql => leads([ 2, "'b\@x'", 500, "'2026-01-04'", 'false' ]) } ]);

# A re-sync: rows come batch by batch and are marked as there; what has not come by then is marked as deleted.
sub contacts
{
	return merge('crm.contact', 'id property_email property_numemployees property_lastmodifieddate _fivetran_deleted', 'id', @_);
}

my @contacts = map { [ $_, "'$_\@x'", $_ * 30, "'2026-01-01'", 'false' ] } 1 .. 30;

sync_tool('Fivetran: HubSpot, rows that are found gone',
	schema => qq(create table crm.contact (id bigint primary key, property_email varchar(256), property_numemployees bigint,
		property_lastmodifieddate timestamptz, _fivetran_deleted boolean, $synced)),
	attach => [ q('crm.contact', null, mapping => '{"employees": "property_numemployees"}') ],
	lead => 'select id::text, property_email, property_numemployees from crm.contact where not _fivetran_deleted',
	steps => [
		{ name => 'first sync', sql => contacts(@contacts) },
		{ name => 'one is deleted: _fivetran_synced moves', sql => 'update crm.contact set _fivetran_deleted = true, _fivetran_synced = clock_timestamp() where id = 7' },
		{ name => 'a re-sync brings some', quiet => 1, sql => 'create table crm.resync as select clock_timestamp() as began;' . contacts(@contacts[ 0 .. 4 ]) },
		{ name => 'the rest of it', quiet => 1, sql => contacts(@contacts[ 8 .. 9 ]) },
		{ name => 'what it has not brought: marked, however many, and at no new time', sql => 'update crm.contact set _fivetran_deleted = true where _fivetran_synced < (select began from crm.resync)' },
		{ name => 'marked once more', quiet => 1, sql => 'update crm.contact set _fivetran_deleted = true where _fivetran_synced < (select began from crm.resync)' },
		{ name => 'most are there again', sql => contacts(@contacts[ 0 .. 24 ]) },
		{ name => 'truncated, and filled in the same transaction', scan => 1, sql => 'begin; truncate crm.contact;' . contacts(@contacts[ 0 .. 26 ]) =~ s/begin; //r } ]);

# History mode: the state that was current ends a millisecond before the new one starts; a deletion only ends it.
sub history
{
	my ($table, $at, @rows) = @_;
	my $ids = join(', ', map { "'" . sfid($_->[0]) . "'" } @rows);

	return qq(begin; delete from $table where id in ($ids) and _fivetran_start >= '$at';
		update $table set _fivetran_active = false, _fivetran_end = timestamptz '$at' - interval '1 millisecond' where _fivetran_active and id in ($ids);
		insert into $table (id, _fivetran_start, _fivetran_end, _fivetran_active, email, number_of_employees, system_modstamp, is_deleted, is_converted) values )
		. join(', ', map { "('" . sfid($_->[0]) . "', '$at', '9999-12-31 23:59:59.999+00', true, $_->[1], $_->[2], '$at', false, false)" } @rows) . '; commit;';
}

sub ended
{
	my ($at, $n) = @_;

	return "update crm.lead set _fivetran_active = false, _fivetran_end = '$at' where _fivetran_active and id = '" . sfid($n) . "'";
}

sync_tool('Fivetran: history mode',
	schema => qq(create table crm.lead (id varchar(18), _fivetran_start timestamptz, _fivetran_end timestamptz, _fivetran_active boolean, email varchar(256),
		number_of_employees bigint, system_modstamp timestamptz, is_deleted boolean, is_converted boolean, $synced, primary key (id, _fivetran_start))),
	attach => [ q('crm.lead', null) ],
	modes => [ 'at commit', 'by tick', 'repeatable read' ],
	lead => 'select id, email, number_of_employees from crm.lead where _fivetran_active and not is_deleted',
	steps => [
		{ name => 'first sync', sql => history('crm.lead', '2026-01-01', [ 1, "'a\@x'", 5 ], [ 2, "'b\@x'", 500 ]) },
		{ name => 'a new state of one', sql => history('crm.lead', '2026-01-02', [ 1, "'a\@x'", 500 ]) },
		{ name => 'the same state again', quiet => 1, sql => history('crm.lead', '2026-01-02', [ 1, "'a\@x'", 500 ]) =~ s/update.*?;//sr },
		{ name => 'a state comes late and replaces those after it', sql => history('crm.lead', '2026-01-03', [ 1, "'a\@x'", 7 ]) . history('crm.lead', '2026-01-03', [ 1, "'a2\@x'", 600 ]) },
		{ name => 'deleted: the last state ends', sql => ended('2026-01-04', 2) },
		{ name => 'there again', sql => history('crm.lead', '2026-01-05', [ 2, "'b2\@x'", 3 ]) },
		{ name => 'past states are thinned out', quiet => 1, sql => 'delete from crm.lead where not _fivetran_active' },
		{ name => 'imported again', quiet => 1, sql => 'update crm.lead set _fivetran_synced = clock_timestamp()' } ]);

sync_tool('Fivetran: a table without a key, told by _fivetran_id',
	schema => qq(create table crm.person (_fivetran_id text primary key, email text, employees bigint, _fivetran_deleted boolean, $synced); create index on crm.person (email)),
	attach => [ q('crm.person', 'lead', key => '{email}', mapping => '{"deleted": null, "is_current": {"expression": "_fivetran_deleted is not true"}, "employees": "employees"}') ],
	lead => 'select email, email, employees from crm.person where not _fivetran_deleted',
	steps => [
		{ name => 'first sync', sql => q(insert into crm.person values ('h1', 'a@x', 5, false), ('h2', 'b@x', 500, false)) },
		# the new state is written first: the old one, marked after it, has the later time
		{ name => 'changed: inserted, the old row marked', sql => q(begin; insert into crm.person values ('h3', 'a@x', 500, false); update crm.person set _fivetran_deleted = true, _fivetran_synced = clock_timestamp() where _fivetran_id = 'h1'; commit) },
		{ name => 'deleted', sql => q(update crm.person set _fivetran_deleted = true, _fivetran_synced = clock_timestamp() where _fivetran_id = 'h2') } ]);

done_testing();
