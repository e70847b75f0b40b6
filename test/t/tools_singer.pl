# test/t/tools_singer.pl: targets of the Singer protocol: Stitch (datamill's target-postgres), pipelinewise, Meltano.
#
# Each copies a batch into a table of its own and goes on from there, each in another way; all rewrite rows
# that have not changed, with other _sdc columns. Meltano and pipelinewise write times without a zone, in UTC.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use SyncTool;
use Test::More;

start_tools();

my $batch = 0;

sub rows_of
{
	my ($format, @rows) = @_;

	return join(', ', map { sprintf("($format)", @$_) } @rows);
}

# Stitch ---------------------------------------------------------------------------------------------

my $stitch_columns = '_sdc_batched_at timestamptz, _sdc_received_at timestamptz, _sdc_sequence bigint, _sdc_table_version bigint, email text, employees bigint, id text';

# Rows ([ id, email, employees ], ..) of a sequence, by way of a table of the same columns: what is older than
# the table's is left out, the others are deleted and inserted, by statements sent at once.
sub stitch_batch
{
	my ($table, $sequence, @rows) = @_;
	my $temp = 'crm.tmp_' . ++$batch;
	my $version = $table =~ /__(\d+)$/ ? $1 : 1;

	return qq(begin; create table $temp ($stitch_columns, primary key (id, _sdc_sequence));
		copy $temp (_sdc_batched_at, _sdc_received_at, _sdc_sequence, _sdc_table_version, email, employees, id) from stdin with (format csv, null 'NULL');\n)
		. join('', map { join(',', '2026-01-01', '2026-01-01', $sequence, $version, @$_[1, 2, 0]) . "\n" } @rows) . qq(\\.
		with pks as (
			select distinct on ($temp.id) $temp.id from $temp join $table on $table.id = $temp.id and $temp._sdc_sequence >= $table._sdc_sequence
			order by $temp.id, $temp._sdc_sequence desc)
		delete from $table using pks where $table.id = pks.id;
		insert into $table (select distinct on ($temp.id) $temp.* from $temp left join $table on $table.id = $temp.id
			where $table.id is null order by $temp.id, $temp._sdc_sequence desc);
		drop table $temp; commit;);
}

sub stitch_table { return qq(create table $_[0] ($stitch_columns); comment on table $_[0] is '{"key_properties": ["id"], "version": $_[1]}'; ) }

my @comment = (also => q(select 'the table has lost its comment' where obj_description(to_regclass('crm.lead')) not like '{"key_properties": ["id"]%'));

sync_tool('Stitch: batches, versions of a table, a column that is split by type',
	schema => stitch_table('crm.lead', 1) . 'create index on crm.lead (id)',
	attach => [ q('crm.lead', 'lead', key => '{id}', mapping => '{"email": "email", "employees": "employees"}') ],
	lead => 'select id, email, employees from crm.lead',
	@comment,
	steps => [
		{ name => 'first batch', sql => stitch_batch('crm.lead', 10, [ 'a', 'a@x', 500 ], [ 'b', 'b@x', 5 ]) },
		{ name => 'the same again', quiet => 1, sql => stitch_batch('crm.lead', 11, [ 'a', 'a@x', 500 ], [ 'b', 'b@x', 5 ]) },
		{ name => 'an older sequence', quiet => 1, sql => stitch_batch('crm.lead', 9, [ 'a', 'old@x', 1 ]) },
		{ name => 'changes', sql => stitch_batch('crm.lead', 12, [ 'b', 'b@x', 700 ], [ 'c', 'NULL', 'NULL' ]) },
		{ name => 'a batch that fails', quiet => 1, sql => stitch_batch('crm.lead', 13, [ 'b', 'no@x', 1 ], [ 'd', 'no@x', 900 ]) =~ s/commit;$/rollback;/r },
		{ name => 'a full load beside the table', quiet => 1, sql => stitch_table('crm.lead__2', 2) . stitch_batch('crm.lead__2', 14, [ 'a', 'a@x', 500 ], [ 'c', 'c@x', 90 ], [ 'e', 'e@x', 900 ]) },
		{
			name => 'activated: two renames and a drop', scan => 1,
			sql => 'begin; alter table crm.lead rename to lead__old; alter table crm.lead__2 rename to lead; drop table crm.lead__old; commit'
		},
		{ name => 'a batch without an index: the tick decides', late => 1, sql => stitch_batch('crm.lead', 15, [ 'c', 'c@x', 900 ]) },
		{ name => 'and with it again, which the tick sees', late => 1, quiet => 1, sql => 'create index on crm.lead (id);' . stitch_batch('crm.lead', 16, [ 'c', 'c@x', 900 ]) },
		{
			name => 'a column of two types becomes two columns', scan => 1, also => q(select 'told: ' || missing_columns from handoff.source_health where missing_columns is distinct from 'employees'),
			sql => q(begin; alter table crm.lead rename column employees to employees__i; alter table crm.lead add employees__s text; commit),
			lead => 'select id, email, null::bigint from crm.lead'
		} ]);

# pipelinewise ---------------------------------------------------------------------------------------

my @pipelinewise = qw(createddate email id employees _sdc_extracted_at _sdc_batched_at _sdc_deleted_at);

# A transaction a batch: every row that is there is updated, changed or not; the others are inserted.
sub pipelinewise_batch
{
	my @rows = @_;
	my $temp = 'tmp_' . ++$batch;
	my $columns = join(', ', map { qq("$_") } @pipelinewise);

	return qq(begin; create temp table $temp (like crm."lead" including all);
		copy $temp ($columns) from stdin with (format csv, escape '\\');\n)
		. join('', map { join(',', '2026-01-01 01:00', @$_[1, 0, 2], '2026-01-02', "2026-01-02 00:00:$batch", $_->[3] // '') . "\n" } @rows) . qq(\\.
		update crm."lead" set ) . join(', ', map { qq("$_" = s."$_") } @pipelinewise) . qq[ from $temp s where s."id" = crm."lead"."id";
		insert into crm."lead" ($columns) (select ] . join(', ', map { qq(s."$_") } @pipelinewise) . qq[ from $temp s left outer join crm."lead" t on s."id" = t."id" where t."id" is null);
		commit;];
}

sync_tool('pipelinewise: every row again, marked deletions, columns kept aside',
	schema => q(create table crm."lead" ("createddate" timestamp without time zone, "email" character varying, "id" character varying, "employees" numeric,
		"_sdc_extracted_at" timestamp without time zone, "_sdc_batched_at" timestamp without time zone, "_sdc_deleted_at" character varying, primary key ("id"));
		create index i_lead_sdc_deleted_at on crm."lead" (_sdc_deleted_at);),
	attach => [ q('crm."lead"', 'lead', mapping => '{"email": "email", "employees": "employees", "created_at": "createddate", "deleted": {"expression": "_sdc_deleted_at is not null"}}') ],
	lead => 'select id, email, employees::bigint from crm.lead where _sdc_deleted_at is null',
	also => q(select 'created_at of ' || lead_key from handoff.lead where (fields ->> 'created_at')::timestamptz <> '2026-01-01 01:00+00'),
	steps => [
		{ name => 'first batch', sql => pipelinewise_batch([ 'a', 'a@x', 500 ], [ 'b', 'b@x', 5 ], [ 'c', '', '' ]) },
		{ name => 'the same again', quiet => 1, sql => pipelinewise_batch([ 'a', 'a@x', 500 ], [ 'b', 'b@x', 5 ], [ 'c', '', '' ]) },
		{ name => 'changes', sql => pipelinewise_batch([ 'b', 'b@x', 500 ], [ 'd', 'd@x', 5 ]) },
		{ name => 'a deletion is marked', sql => pipelinewise_batch([ 'b', 'b@x', 500, '2026-01-03T00:00:00' ]) },
		{ name => 'and the row deleted', quiet => 1, sql => 'delete from crm."lead" where _sdc_deleted_at is not null returning _sdc_deleted_at' },
		{ name => 'it is back', sql => pipelinewise_batch([ 'b', 'b2@x', 500 ]) },
		{
			name => 'another type: the column is renamed, a new one added', scan => 1,
			sql => 'alter table crm."lead" rename column "employees" to "employees_20260104_0000"; alter table crm."lead" add column "employees" character varying',
			lead => q(select id, email, null::bigint from crm.lead where _sdc_deleted_at is null)
		},
		{ name => 'and filled', sql => pipelinewise_batch([ 'a', 'a@x', 5 ], [ 'b', 'b2@x', 6 ], [ 'd', 'd@x', 700 ]) },
		{
			name => 'a text that is no number', quiet => 1, sql => pipelinewise_batch([ 'e', 'e@x', 'many' ]),
			lead => q(select id, email, employees::bigint from crm.lead where _sdc_deleted_at is null and id <> 'e'),
			expect => qr/^quarantine: e invalid input syntax for type bigint: "many"$/
		} ]);

# Meltano --------------------------------------------------------------------------------------------

# A transaction a batch: what is new is inserted; then all of it is updated, what has just come too.
sub meltano_batch
{
	my ($version, @rows) = @_;
	my $temp = qq("d4e5f6a7_) . ++$batch . '"';
	my @columns = ('"Id"', '"Email"', '"NumberOfEmployees"', '"SystemModstamp"', '"_sdc_deleted_at"', '"_sdc_batched_at"', '"_sdc_table_version"');
	my $columns = join(', ', @columns);

	return qq(begin; create temporary table $temp (like crm."Lead");
		insert into $temp ($columns) values ) . rows_of("'%s', '%s', %s, '%s', %s, now(), $version", map { [ @$_[0 .. 3], defined $_->[4] ? "'$_->[4]'" : 'null' ] } @rows) . qq(;
		insert into crm."Lead" ($columns) select ) . join(', ', map { "$temp.$_" } @columns)
		. qq( from $temp left outer join crm."Lead" on $temp."Id" = crm."Lead"."Id" where crm."Lead"."Id" is null;
		update crm."Lead" set ) . join(', ', map { "$_ = $temp.$_" } @columns) . qq( from $temp where $temp."Id" = crm."Lead"."Id";
		drop table $temp; commit;);
}

my @meltano = (
	schema => q(create table crm."Lead" ("Id" varchar not null primary key, "Email" varchar, "NumberOfEmployees" bigint, "SystemModstamp" timestamp,
		"_sdc_extracted_at" timestamp, "_sdc_received_at" timestamp, "_sdc_batched_at" timestamp, "_sdc_deleted_at" timestamp, "_sdc_sequence" bigint, "_sdc_table_version" bigint, "_sdc_sync_started_at" bigint)),
	attach => [ q('crm."Lead"', 'lead', mapping => '{"email": "Email", "employees": "NumberOfEmployees", "version": "SystemModstamp", "deleted": {"expression": "\"_sdc_deleted_at\" is not null"}}') ],
	lead => q(select "Id", "Email", "NumberOfEmployees" from crm."Lead" where "_sdc_deleted_at" is null),
	also => q(select 'version of ' || l.lead_key from handoff.lead l join crm."Lead" t on t."Id" = l.lead_key where l.version <> t."SystemModstamp" at time zone 'UTC'));

sync_tool('Meltano: inserted and updated, versions marked',
	@meltano,
	modes => [ 'at commit', 'by tick', 'serializable' ],
	steps => [
		{
			name => 'first batch: a new row is inserted and updated, and is one event', sql => meltano_batch(1, [ 'a', 'a@x', 500, '2026-01-01' ], [ 'b', 'b@x', 5, '2026-01-01' ]),
			also => q(select format('%s has been created %s times', lead_key, count(*)) from handoff.event where type in ('created', 'fields') group by lead_key having count(*) <> 1)
		},
		{ name => 'the same again', quiet => 1, sql => meltano_batch(1, [ 'a', 'a@x', 500, '2026-01-01' ], [ 'b', 'b@x', 5, '2026-01-01' ]) },
		{ name => 'changes', sql => meltano_batch(1, [ 'b', 'b@x', 700, '2026-01-02' ], [ 'c', 'c@x', 7, '2026-01-02' ]) },
		{ name => 'a wider type', quiet => 1, scan => 1, sql => q(alter table crm."Lead" alter column "NumberOfEmployees" type numeric) },
		{ name => 'a full load of version 2', sql => meltano_batch(2, [ 'a', 'a@x', 500, '2026-01-01' ], [ 'd', 'd@x', 800, '2026-01-03' ]) },
		{ name => 'version 2 is active: others are marked', sql => q(update crm."Lead" set "_sdc_deleted_at" = now() where ("_sdc_table_version" < 2 or "_sdc_table_version" is null) and "_sdc_deleted_at" is null) },
		{ name => 'once more', quiet => 1, sql => q(update crm."Lead" set "_sdc_deleted_at" = now() where ("_sdc_table_version" < 2 or "_sdc_table_version" is null) and "_sdc_deleted_at" is null) },
		{ name => 'one of them is back', sql => meltano_batch(2, [ 'b', 'b@x', 700, '2026-01-02' ]) } ]);

sync_tool('Meltano: versions deleted, more than a fifth at once',
	@meltano,
	grace => '15 minutes',
	steps => [
		{ name => 'version 1', sql => meltano_batch(1, map { [ "k$_", "$_\@x", $_ * 20, '2026-01-01' ] } 1 .. 40) },
		{ name => 'version 2 has half of it', quiet => 1, sql => 'create table crm.kept as table crm."Lead";' . meltano_batch(2, map { [ "k$_", "$_\@x", $_ * 20, '2026-01-01' ] } 1 .. 20) },
		{ name => 'the others are deleted', quiet => 1, lead => 'select "Id", "Email", "NumberOfEmployees" from crm.kept', sql => q(delete from crm."Lead" where "_sdc_table_version" is null or "_sdc_table_version" < 2) },
		{
			name => 'that is held', quiet => 1, later => '16 minutes',
			also => q(select 'not held' from handoff.source where deletes_held_at is null or name <> 'crm.Lead'),
			lead => 'select "Id", "Email", "NumberOfEmployees" from crm.kept', sql => 'select'
		},
		{ name => 'until somebody says so', later => '17 minutes', owner => q(handoff.release_deletes('crm.Lead')), sql => 'select' } ]);

done_testing();
