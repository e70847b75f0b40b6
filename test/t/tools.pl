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

sync_tool('Airbyte: raw tables, the record in JSON',
	schema => q(create schema airbyte_internal; create table airbyte_internal.crm_raw__stream_lead (
		_airbyte_raw_id varchar primary key default gen_random_uuid(), _airbyte_data jsonb, _airbyte_extracted_at timestamptz default clock_timestamp(), _airbyte_loaded_at timestamptz)),
	attach => [ q('airbyte_internal.crm_raw__stream_lead', 'lead', mapping => '{"email": {"column": "_airbyte_data", "path": "properties.email"},
		"employees": {"column": "_airbyte_data", "path": "properties.employees"}}') ],
	lead => q(select _airbyte_raw_id, _airbyte_data #>> '{properties,email}', (_airbyte_data #>> '{properties,employees}')::bigint from airbyte_internal.crm_raw__stream_lead),
	steps => [
		{
			name => 'rows', sql => q(insert into airbyte_internal.crm_raw__stream_lead (_airbyte_data) values
				('{"id": 1, "properties": {"email": "a@x", "employees": "500"}}'), ('{"id": 2, "properties": {}}'), ('{"id": 3}'))
		},
		{ name => 'typed and marked as loaded', sql => q(update airbyte_internal.crm_raw__stream_lead set _airbyte_loaded_at = now()), quiet => 1 },
		{ name => 'old ones deleted', sql => q(delete from airbyte_internal.crm_raw__stream_lead where _airbyte_data ->> 'id' = '1') } ]);

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
