# test/t/tools.pl: every sync tool, by the statements it writes, and what we know after each of them.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use SyncTool;
use Test::More;

start_tools();

# Airbyte --------------------------------------------------------------------------------------------
#
# Into a table of its own by COPY, from there by one statement that deletes, updates and inserts. There is
# no key; names are the CRM's; what is sent again is written again, with other meta columns.

my $airbyte_table = q((
	"Id" varchar, "Email" varchar, "NumberOfEmployees" bigint, "IsDeleted" boolean, "SystemModstamp" timestamptz, "_ab_cdc_deleted_at" timestamptz,
	"_airbyte_raw_id" varchar not null default gen_random_uuid(), "_airbyte_extracted_at" timestamptz not null default clock_timestamp(),
	"_airbyte_meta" jsonb not null default '{"changes": []}', "_airbyte_generation_id" bigint not null default 0););
my $airbyte_lead = q(select "Id", "Email", "NumberOfEmployees" from crm."Lead" where "IsDeleted" is not true);
my $airbyte_mapping = q('{"email": "Email", "employees": "NumberOfEmployees", "version": "SystemModstamp", "deleted": "IsDeleted", "loaded_at": "_airbyte_extracted_at"}');

sub airbyte_copy
{
	my ($table, @rows) = @_;

	return qq(copy $table ("Id", "Email", "NumberOfEmployees", "IsDeleted", "SystemModstamp", "_ab_cdc_deleted_at") from stdin;\n)
		. join('', map { join("\t", @$_) . "\n" } @rows) . "\\.\n";
}

sub airbyte_upsert
{
	my $newer = q((t."SystemModstamp" < s."SystemModstamp" or t."SystemModstamp" = s."SystemModstamp" and t."_airbyte_extracted_at" < s."_airbyte_extracted_at"
		or t."SystemModstamp" is null and s."SystemModstamp" is not null));

	return qq(create table airbyte_internal.tmp (like crm."Lead" including defaults);\n) . airbyte_copy('airbyte_internal.tmp', @_) . qq(
		with deduped_source as (
			select * from (select *, row_number() over (partition by "Id" order by "SystemModstamp" desc nulls last, "_airbyte_extracted_at" desc) as row_number
				from airbyte_internal.tmp) d where row_number = 1
		), deleted as (
			delete from crm."Lead" t using deduped_source s where t."Id" = s."Id" and s."_ab_cdc_deleted_at" is not null and $newer
		), updates as (
			update crm."Lead" t set "Email" = s."Email", "NumberOfEmployees" = s."NumberOfEmployees", "IsDeleted" = s."IsDeleted",
				"SystemModstamp" = s."SystemModstamp", "_airbyte_raw_id" = s."_airbyte_raw_id", "_airbyte_extracted_at" = s."_airbyte_extracted_at"
			from deduped_source s where t."Id" = s."Id" and s."_ab_cdc_deleted_at" is null and $newer
		)
		insert into crm."Lead" select "Id", "Email", "NumberOfEmployees", "IsDeleted", "SystemModstamp", "_ab_cdc_deleted_at",
			"_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta", "_airbyte_generation_id"
		from deduped_source s where not exists (select from crm."Lead" t where t."Id" = s."Id") and s."_ab_cdc_deleted_at" is null;
		drop table airbyte_internal.tmp;);
}

my @first = ([ 'a', 'a@x', 50, 'f', '2026-01-01', '\N' ], [ 'b', 'b@x', 500, 'f', '2026-01-01', '\N' ], [ 'c', '\N', '\N', 'f', '2026-01-01', '\N' ]);

sync_tool('Airbyte: deduped, refreshed, with other columns',
	schema => qq(create schema airbyte_internal; create table crm."Lead" $airbyte_table; create index on crm."Lead" ("Id");
		create index on crm."Lead" ("SystemModstamp"); create index on crm."Lead" ("_airbyte_extracted_at");),
	attach => [ qq('crm."Lead"', 'lead', key => '{Id}', mapping => $airbyte_mapping) ],
	lead => $airbyte_lead,
	steps => [
		{ name => 'first sync', sql => airbyte_upsert(@first) },
		{ name => 'sent again', sql => airbyte_upsert(@first), quiet => 1 },
		{
			name => 'one deleted, two of a key, one new',
			sql => airbyte_upsert([ 'a', 'a@x', 60, 'f', '2026-01-02', '\N' ], [ 'a', 'a@x', 700, 'f', '2026-01-03', '\N' ],
				[ 'b', 'b@x', 500, 'f', '2026-01-03', '2026-01-03' ], [ 'd', 'd@x', 1, 'f', '2026-01-03', '\N' ])
		},
		{ name => 'an old row', sql => airbyte_upsert([ 'a', 'old@x', 1, 'f', '2026-01-01', '\N' ]), quiet => 1 },
		{ name => 'deleted by the CRM', sql => airbyte_upsert([ 'c', '\N', '\N', 't', '2026-01-04', '\N' ]) },
		{
			name => 'refresh: drop and rename', scan => 1,
			sql => qq(create table airbyte_internal.tmp $airbyte_table) . airbyte_copy('airbyte_internal.tmp',
				[ 'a', 'a@x', 700, 'f', '2026-01-03', '\N' ], [ 'c', 'c@x', 8, 'f', '2026-01-05', '\N' ], [ 'e', 'e@x', 900, 'f', '2026-01-05', '\N' ])
				. q(begin; drop table if exists crm."Lead"; alter table airbyte_internal.tmp set schema crm; alter table crm.tmp rename to "Lead"; commit;)
		},
		{ name => 'the same, sent again without a key index', sql => airbyte_upsert([ 'a', 'a@x', 700, 'f', '2026-01-03', '\N' ]), quiet => 1 },
		{
			name => 'a new column, one that is dropped, one of another type', scan => 1,
			sql => q(alter table crm."Lead" add "Phone" varchar; alter table crm."Lead" drop "_ab_cdc_deleted_at";
				alter table crm."Lead" alter "NumberOfEmployees" type varchar using "NumberOfEmployees"::varchar;
				update crm."Lead" set "Phone" = '1', "NumberOfEmployees" = '77' where "Id" = 'a';),
			lead => q(select "Id", "Email", "NumberOfEmployees"::bigint from crm."Lead")
		} ]);

sync_tool('Airbyte: append, every version a row',
	schema => qq(create table crm."Lead" $airbyte_table; create index on crm."Lead" ("Id")),
	attach => [ qq('crm."Lead"', 'lead', key => '{Id}', mapping => $airbyte_mapping) ],
	lead => q(select "Id", "Email", "NumberOfEmployees" from (
		select distinct on ("Id") * from crm."Lead" order by "Id", "SystemModstamp" desc, "_airbyte_extracted_at" desc) t where "IsDeleted" is not true),
	steps => [
		{ name => 'first sync', sql => airbyte_copy('crm."Lead"', @first) },
		{ name => 'the whole again', sql => airbyte_copy('crm."Lead"', @first), quiet => 1 },
		{ name => 'new versions', sql => airbyte_copy('crm."Lead"', [ 'a', 'a@x', 500, 'f', '2026-01-02', '\N' ], [ 'b', 'b@x', 500, 't', '2026-01-02', '\N' ]) },
		{ name => 'old versions', sql => airbyte_copy('crm."Lead"', @first), quiet => 1 },
		{ name => 'equal versions of another content', sql => airbyte_copy('crm."Lead"', [ 'a', 'a2@x', 500, 'f', '2026-01-02', '\N' ]) } ]);

sync_tool('Airbyte: refreshes with CASCADE, under a view of somebody else',
	schema => qq(create schema airbyte_internal; create table crm."Lead" $airbyte_table; create index on crm."Lead" ("Id");
		create view crm.report as select count(*) from crm."Lead"),
	attach => [ qq('crm."Lead"', 'lead', key => '{Id}', mapping => $airbyte_mapping) ],
	lead => $airbyte_lead,
	steps => [
		{ name => 'first sync', sql => airbyte_upsert(@first) },
		{
			name => 'without CASCADE: the view is in the way, nothing of ours', quiet => 1,
			sql => q(do $$ declare others text; begin drop table crm."Lead"; raise 'dropped'; exception when dependent_objects_still_exist then
				get stacked diagnostics others = pg_exception_detail;
				if others <> 'view crm.report depends on table crm."Lead"' then raise '%', others; end if; end $$)
		},
		(map { my ($name, $wanted, @rows) = @$_; {
			name => $name, scan => 1, quiet => !$wanted,
			sql => qq(create table airbyte_internal.tmp $airbyte_table; create index on airbyte_internal.tmp ("Id");\n)
				. airbyte_copy('airbyte_internal.tmp', @rows) . q(begin; drop table if exists crm."Lead" cascade; alter table airbyte_internal.tmp set schema crm; alter table crm.tmp rename to "Lead"; commit;)
		} } [ 'with CASCADE, the same rows', 0, @first ], [ 'and once more, another row', 1, [ 'z', 'z@x', 900, 'f', '2026-01-05', '\N' ], @first ]),
		{ name => 'goes on', sql => airbyte_upsert([ 'b', 'b@x', 5, 'f', '2026-01-06', '\N' ]) } ]);

# Until version 3: into a raw table, from there typed and deduplicated in a transaction of its own. Old and new
# rows are side by side for a moment.

my $raw_schema = q(create schema airbyte_internal; create table airbyte_internal.crm_raw__stream_lead (
	_airbyte_raw_id varchar primary key default gen_random_uuid(), _airbyte_data jsonb, _airbyte_extracted_at timestamptz default clock_timestamp(),
	_airbyte_loaded_at timestamptz, _airbyte_meta jsonb, _airbyte_generation_id bigint););

sub raw_records
{
	return 'insert into airbyte_internal.crm_raw__stream_lead (_airbyte_data) values '
		. join(', ', map { my ($id, $email, $employees, $updated, $deleted) = @$_;
			sprintf(q|('{"id": "%s", "email": "%s", "properties": {"employees": "%s"}, "updatedAt": "2026-01-0%sT00:00:00Z"%s}')|, $id, $email, $employees, $updated,
				$deleted ? qq(, "_ab_cdc_deleted_at": "2026-01-0${updated}T00:00:00Z") : '') } @_) . ';';
}

sub typed
{
	my ($into, $where) = @_;

	return qq(
		insert into $into ("id", "email", "employees", "updatedAt", "_ab_cdc_deleted_at", _airbyte_raw_id, _airbyte_extracted_at)
		select "id", "email", "employees", "updatedAt", "_ab_cdc_deleted_at", _airbyte_raw_id, _airbyte_extracted_at from (
			select t.*, row_number() over (partition by "id" order by "updatedAt" desc nulls last, _airbyte_extracted_at desc) as row_number
			from (select _airbyte_data ->> 'id' as "id", _airbyte_data ->> 'email' as "email", (_airbyte_data #>> '{properties,employees}')::bigint as "employees",
				(_airbyte_data ->> 'updatedAt')::timestamptz as "updatedAt", (_airbyte_data ->> '_ab_cdc_deleted_at')::timestamptz as "_ab_cdc_deleted_at", _airbyte_raw_id, _airbyte_extracted_at
				from airbyte_internal.crm_raw__stream_lead where $where) t) n where row_number = 1;
		delete from $into where _airbyte_raw_id in (select _airbyte_raw_id from (
			select _airbyte_raw_id, row_number() over (partition by "id" order by "updatedAt" desc nulls last, _airbyte_extracted_at desc) as row_number from $into) n where row_number <> 1);
		delete from $into where "_ab_cdc_deleted_at" is not null;
		update airbyte_internal.crm_raw__stream_lead set _airbyte_loaded_at = clock_timestamp() where _airbyte_loaded_at is null;);
}

my $typed_columns = q(("id" varchar, "email" varchar, "employees" bigint, "updatedAt" timestamptz, "_ab_cdc_deleted_at" timestamptz,
	_airbyte_raw_id varchar not null, _airbyte_extracted_at timestamptz not null, _airbyte_meta jsonb));

sub raw_sync { return raw_records(@_) . 'begin;' . typed('crm.lead', '_airbyte_loaded_at is null') . 'commit;' }

my @records = ([ 'a', 'a@x', 500, 1 ], [ 'b', 'b@x', 5, 1 ]);

sync_tool('Airbyte until version 3: raw, typed, soft reset',
	schema => qq($raw_schema create table crm.lead $typed_columns; create index on crm.lead ("id")),
	attach => [ q('crm.lead', 'lead', key => '{id}', mapping => '{"email": "email", "employees": "employees", "version": "updatedAt", "loaded_at": "_airbyte_extracted_at"}') ],
	lead => 'select "id", "email", "employees" from crm.lead',
	steps => [
		{ name => 'first sync', sql => raw_sync(@records) },
		{ name => 'the same records again: other rows', quiet => 1, sql => raw_sync(@records) },
		{ name => 'changes, two of a key', sql => raw_sync([ 'b', 'b@x', 700, 2 ], [ 'b', 'b2@x', 800, 3 ], [ 'c', 'c@x', 5, 2 ]) },
		{ name => 'old records', quiet => 1, sql => raw_sync(@records) },
		{ name => 'deleted', sql => raw_sync([ 'a', 'a@x', 500, 4, 1 ]) },
		{
			name => 'soft reset: a new table from the raw one', scan => 1, quiet => 1,
			sql => qq(begin; create table crm.lead_airbyte_tmp $typed_columns;) . typed('crm.lead_airbyte_tmp', 'true')
				. 'drop table crm.lead cascade; alter table crm.lead_airbyte_tmp rename to lead; create index on crm.lead ("id"); commit;'
		},
		{ name => 'goes on', sql => raw_sync([ 'a', 'a@x', 500, 5 ], [ 'c', 'c@x', 600, 5 ]) } ]);

# A view makes records of the rows; which of several counts is told by the mapping.
sync_tool('Airbyte, raw tables only: the record in JSON, through a view',
	schema => qq($raw_schema create view crm.lead as select _airbyte_data ->> 'id' as id, * from airbyte_internal.crm_raw__stream_lead),
	capture => 'poll',
	modes => [ 'by poll' ],
	attach => [ q('crm.lead', 'lead', key => '{id}', poll_interval => '0', mapping => '{"email": {"column": "_airbyte_data", "path": "email"},
		"employees": {"column": "_airbyte_data", "path": "properties.employees"}, "version": {"column": "_airbyte_data", "path": "updatedAt"}, "loaded_at": "_airbyte_extracted_at",
		"deleted": {"expression": "_airbyte_data ? ''_ab_cdc_deleted_at''"}}') ],
	lead => q(select id, email, employees from (select distinct on (1) _airbyte_data ->> 'id' as id, _airbyte_data ->> 'email' as email,
			(_airbyte_data #>> '{properties,employees}')::bigint as employees, _airbyte_data ? '_ab_cdc_deleted_at' as deleted
		from airbyte_internal.crm_raw__stream_lead order by 1, _airbyte_data ->> 'updatedAt' desc) t where not deleted),
	steps => [
		{ name => 'records', sql => raw_records(@records) },
		{ name => 'the same', quiet => 1, sql => raw_records(@records) },
		{ name => 'newer ones', sql => raw_records([ 'b', 'b@x', 700, 2 ], [ 'c', 'c@x', 5, 2 ]) },
		{ name => 'loaded', quiet => 1, sql => 'update airbyte_internal.crm_raw__stream_lead set _airbyte_loaded_at = now()' },
		{ name => 'deleted: a record more', sql => raw_records([ 'c', 'c@x', 5, 3, 1 ]) },
		{ name => 'gone: only a reconcile sees that', sql => q(delete from airbyte_internal.crm_raw__stream_lead where _airbyte_data ->> 'id' = 'a'), owner => q(handoff.reconcile('crm.lead')) } ]);

# dlt ------------------------------------------------------------------------------------------------

sub dlt_stage
{
	my ($load, @rows) = @_;

	return q(truncate staging.lead;) . join('', map { qq(insert into staging.lead values ('$_->[0]', '$_->[1]', $_->[2], '$load', gen_random_uuid());) } @rows);
}
my $dlt_delete_insert = q(begin; delete from crm.lead d where exists (select from staging.lead s where s.id = d.id);
	insert into crm.lead select * from staging.lead; commit;);
my $dlt_schema = q(create schema staging;
	create table crm.lead (id varchar not null, email varchar, employees bigint, _dlt_load_id varchar not null, _dlt_id varchar not null unique);
	create index on crm.lead (id);
	create table staging.lead (like crm.lead including all););
my $dlt_attach = q('crm.lead', 'lead', key => '{id}', mapping => '{"email": "email", "employees": "employees"}');

sync_tool('dlt: delete-insert, upsert, three ways to replace',
	schema => $dlt_schema,
	attach => [ $dlt_attach ],
	lead => 'select id, email, employees from crm.lead',
	steps => [
		{ name => 'delete-insert', sql => dlt_stage(1, [ 'a', 'a@x', 500 ], [ 'b', 'b@x', 5 ]) . $dlt_delete_insert },
		{ name => 'the same again', sql => dlt_stage(2, [ 'a', 'a@x', 500 ], [ 'b', 'b@x', 5 ]) . $dlt_delete_insert, quiet => 1 },
		{ name => 'a batch', sql => dlt_stage(3, [ 'b', 'b@x', 500 ], [ 'c', 'c@x', 5 ]) . $dlt_delete_insert },
		{
			name => 'upsert: MERGE',
			sql => dlt_stage(4, [ 'c', 'c@x', 700 ], [ 'd', 'd@x', 5 ]) . q(
				merge into crm.lead d using staging.lead s on d.id = s.id
				when matched then update set email = s.email, employees = s.employees, _dlt_load_id = s._dlt_load_id
				when not matched then insert values (s.id, s.email, s.employees, s._dlt_load_id, s._dlt_id))
		},
		{
			name => 'hard deletes',
			sql => dlt_stage(5, [ 'd', 'd@x', 5 ]) . q(begin; delete from crm.lead d where exists (select from staging.lead s where s.id = d.id); commit;)
		},
		{
			name => 'replace: TRUNCATE and INSERT, the same', scan => 1, quiet => 1,
			sql => q(create temp table copy as select * from crm.lead; begin; truncate crm.lead; insert into crm.lead select * from copy; commit;)
		},
		{
			name => 'replace: DELETE and INSERT, others',
			sql => dlt_stage(6, [ 'a', 'a@x', 500 ], [ 'e', 'e@x', 5 ]) . q(begin; delete from crm.lead where true; insert into crm.lead select * from staging.lead; commit;)
		},
		{
			name => 'replace: staging-optimized', scan => 1,
			sql => dlt_stage(7, [ 'a', 'a@x', 1 ], [ 'f', 'f@x', 500 ]) . q(begin; drop table crm.lead; alter table staging.lead set schema crm;
				create table staging.lead (like crm.lead including all); commit;)
		},
		{ name => 'delete-insert into the new table', sql => dlt_stage(8, [ 'f', 'f@x', 1 ]) . $dlt_delete_insert } ]);

# hard_delete: staged rows that are marked are deleted, the others merged; a table with nested ones goes by a list of row ids.
my $dlt_marked = q(truncate staging.lead; insert into staging.lead (id, email, employees, _dlt_load_id, _dlt_id, gone) values );
my $dlt_upsert = q(merge into crm.lead d using staging.lead s on d.id = s.id
	when matched and s.gone is not null and s.gone then delete
	when matched then update set email = s.email, employees = s.employees, _dlt_load_id = s._dlt_load_id, _dlt_id = s._dlt_id, gone = s.gone
	when not matched then insert (id, email, employees, _dlt_load_id, _dlt_id, gone) values (s.id, s.email, s.employees, s._dlt_load_id, s._dlt_id, s.gone);
	delete from crm.lead__tags where _dlt_root_id in (select _dlt_id from staging.lead) and _dlt_id not in (select _dlt_id from staging.lead__tags););
my $dlt_by_ids = q(begin; create temp table lead_delete on commit drop as select d._dlt_id from crm.lead as d where exists (select 1 from staging.lead as s where d.id = s.id);
	delete from crm.lead__tags where _dlt_root_id in (select * from lead_delete);
	delete from crm.lead where _dlt_id in (select * from lead_delete);
	create temp table lead_insert on commit drop as select _dlt_id from (
		select row_number() over (partition by id order by (select null)) as _dlt_dedup_rn, _dlt_id, gone from staging.lead) n where _dlt_dedup_rn = 1 and (gone is null or not gone);
	insert into crm.lead select * from staging.lead where _dlt_id in (select * from lead_insert); commit;);

sync_tool('dlt: hard deletes, nested tables',
	schema => qq($dlt_schema alter table crm.lead add gone boolean; alter table staging.lead add gone boolean;
		create table crm.lead__tags (value varchar, _dlt_root_id varchar, _dlt_parent_id varchar, _dlt_list_idx bigint, _dlt_id varchar); create table staging.lead__tags (like crm.lead__tags)),
	attach => [ $dlt_attach ],
	lead => 'select id, email, employees from crm.lead',
	steps => [ map { my ($name, $quiet, $rows, $merge) = @$_; { name => $name, quiet => $quiet, sql => "$dlt_marked $rows; $merge" } }
		[ 'upsert', 0, q(('a', 'a@x', 500, 1, 'r1', null), ('b', 'b@x', 5, 1, 'r2', false)), $dlt_upsert ],
		[ 'upsert: one marked', 0, q(('a', 'a@x', 500, 2, 'r3', true), ('b', 'b@x', 500, 2, 'r4', false)), $dlt_upsert ],
		[ 'delete-insert: there again', 0, q(('a', 'a2@x', 500, 3, 'r5', null)), $dlt_by_ids ],
		[ 'delete-insert: the same', 1, q(('a', 'a2@x', 500, 4, 'r6', null), ('b', 'b@x', 500, 4, 'r7', false)), $dlt_by_ids ],
		[ 'delete-insert: one marked', 0, q(('b', 'b@x', 500, 5, 'r8', true)), $dlt_by_ids ],
		[ 'delete-insert: marked again', 1, q(('b', 'b@x', 500, 6, 'r9', true)), $dlt_by_ids ] ]);

sync_tool('dlt: TRUNCATE, and the reload in another transaction',
	schema => $dlt_schema,
	grace => '15 minutes',
	attach => [ $dlt_attach ],
	lead => 'select id, email, employees from crm.lead',
	steps => [
		{ name => 'first load', sql => dlt_stage(1, [ 'a', 'a@x', 500 ], [ 'b', 'b@x', 5 ]) . $dlt_delete_insert },
		{
			name => 'truncated', scan => 1, quiet => 1, sql => 'truncate crm.lead',
			lead => q(values ('a', 'a@x', 500::bigint), ('b', 'b@x', 5))
		},
		{ name => 'reloaded', quiet => 1, sql => 'insert into crm.lead select * from staging.lead' } ]);

sync_tool('dlt: scd2, past states stay',
	schema => q(create schema staging; create table crm.lead (_dlt_valid_from timestamptz, _dlt_valid_to timestamptz, id varchar, email varchar, employees bigint, _dlt_id varchar);
		create index on crm.lead (id);
		create table staging.lead (id varchar, email varchar, employees bigint, _dlt_id varchar)),
	attach => [ q('crm.lead', 'lead', key => '{id}', mapping => '{"email": "email", "employees": "employees", "is_current": {"expression": "_dlt_valid_to is null"}, "loaded_at": "_dlt_valid_from"}') ],
	lead => 'select id, email, employees from crm.lead where _dlt_valid_to is null',
	steps => [ map {
			my ($name, $rows, $at, $quiet) = @$_;
			{ name => $name, quiet => $quiet, sql => qq(truncate staging.lead; insert into staging.lead values $rows; update staging.lead set _dlt_id = md5(row(id, email, employees)::text);
				begin; update crm.lead set _dlt_valid_to = '$at' where _dlt_valid_to is null and _dlt_id not in (select _dlt_id from staging.lead);
				insert into crm.lead select '$at', null, s.* from staging.lead s where _dlt_id not in (select _dlt_id from crm.lead where _dlt_valid_to is null); commit;) }
		} [ 'first load', q(('a', 'a@x', 5), ('b', 'b@x', 500)), '2026-01-01', 0 ], [ 'the same', q(('a', 'a@x', 5), ('b', 'b@x', 500)), '2026-01-02', 1 ],
		[ 'a change', q(('a', 'a@x', 500), ('b', 'b@x', 500)), '2026-01-03', 0 ], [ 'one is gone, its past stays', q(('a', 'a@x', 500)), '2026-01-04', 0 ],
		[ 'it is back', q(('a', 'a@x', 500), ('b', 'b@x', 1)), '2026-01-05', 0 ] ]);

done_testing();
