# test/t/tools_cdc.pl: change data capture out of a database: PeerDB, and Debezium's JDBC sink.
#
# PeerDB plays replica, so that only triggers that are enabled always fire. Debezium delivers at least once:
# after a restart it goes through old states again, from where its offset was.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use SyncTool;
use Test::More;

start_tools();

# PeerDB ---------------------------------------------------------------------------------------------

my $batch = 0;

# Changes ([ type, id, email, employees ], ..; 0 insert, 1 update, 2 delete) into the raw table; what is then done with the batch.
sub peerdb_batch
{
	my ($statements, @changes) = @_;
	my $at = 0;

	$batch++;
	return qq(begin; copy _peerdb_internal._peerdb_raw_crm (_peerdb_uid, _peerdb_timestamp, _peerdb_destination_table_name, _peerdb_data, _peerdb_record_type, _peerdb_batch_id, _peerdb_unchanged_toast_columns) from stdin;\n)
		. join('', map { my ($type, $id, $email, $employees) = @$_; $at++;
			qq(u$batch.$at\t$batch$at\tcrm.lead\t{"id": $id, "email": $email, "employees": $employees}\t$type\t$batch\t\n) } @changes)
		. "\\.\ncommit;" . join('', map { s/\$batch/$batch/gr } @$statements);
}

my $newest = q(with src_rank as (
	select _peerdb_data, _peerdb_record_type, _peerdb_unchanged_toast_columns,
		rank() over (partition by (_peerdb_data ->> 'id')::bigint order by _peerdb_timestamp desc) as _peerdb_rank
	from _peerdb_internal._peerdb_raw_crm where _peerdb_batch_id > $batch - 1 and _peerdb_batch_id <= $batch and _peerdb_destination_table_name = 'crm.lead'));
my $columns = q((_peerdb_data ->> 'id')::bigint as "id", (_peerdb_data ->> 'email')::text as "email", (_peerdb_data ->> 'employees')::integer as "employees");
my $as_replica = q(begin; set local session_replication_role = 'replica';);

sub peerdb_merge
{
	my ($when_deleted, $soft) = @_;

	return [ qq($as_replica $newest
		merge into "crm"."lead" dst
		using (select $columns, _peerdb_record_type, _peerdb_unchanged_toast_columns from src_rank where _peerdb_rank = 1) src
		on src."id" = dst."id"
		when not matched and src._peerdb_record_type != 2 then insert ("id", "email", "employees", "_PEERDB_SYNCED_AT") values (src."id", src."email", src."employees", current_timestamp)
		when matched and src._peerdb_record_type != 2 and _peerdb_unchanged_toast_columns = '' then
			update set "id" = src."id", "email" = src."email", "employees" = src."employees", "_PEERDB_SYNCED_AT" = current_timestamp$soft
		when matched and src._peerdb_record_type = 2 then $when_deleted; commit;) ];
}

my $upsert_and_delete = [ qq($as_replica $newest
	insert into "crm"."lead" ("id", "email", "employees") select $columns from src_rank where _peerdb_rank = 1 and _peerdb_record_type != 2
	on conflict (id) do update set "id" = excluded."id", "email" = excluded."email", "employees" = excluded."employees";
	$newest delete from "crm"."lead" using src_rank where "crm"."lead"."id" = (_peerdb_data ->> 'id')::bigint
		and src_rank._peerdb_rank = 1 and src_rank._peerdb_record_type = 2; commit;) ];

# A partition of a snapshot; then every row that has no time yet is touched again.
sub peerdb_snapshot
{
	my ($first, @rows) = @_;

	return qq($as_replica $first copy "crm"."lead" ("id", "email", "employees") from stdin;\n) . join('', map { join("\t", @$_) . "\n" } @rows)
		. qq(\\.\nupdate "crm"."lead" set "_PEERDB_SYNCED_AT" = current_timestamp where "_PEERDB_SYNCED_AT" is null; commit;);
}

my @peerdb = (
	schema => q(create schema _peerdb_internal;
		create table _peerdb_internal._peerdb_raw_crm (_peerdb_uid text not null, _peerdb_timestamp bigint not null, _peerdb_destination_table_name text not null,
			_peerdb_data jsonb not null, _peerdb_record_type integer not null, _peerdb_match_data jsonb, _peerdb_batch_id integer, _peerdb_unchanged_toast_columns text);
		create table "crm"."lead" ("id" bigint primary key, "email" text, "employees" integer, "_PEERDB_IS_DELETED" boolean default false, "_PEERDB_SYNCED_AT" timestamp);),
	attach => [ q('crm.lead', 'lead', mapping => '{"email": "email", "employees": "employees", "deleted": "_PEERDB_IS_DELETED"}') ],
	lead => q(select id::text, email, employees::bigint from crm.lead where not "_PEERDB_IS_DELETED"));
my $hard = peerdb_merge('delete', '');
my $soft = peerdb_merge('update set "_PEERDB_IS_DELETED" = true, "_PEERDB_SYNCED_AT" = current_timestamp', ', "_PEERDB_IS_DELETED" = false');
my @snapshot = map { [ $_, "$_\@x", $_ * 30 ] } 1 .. 6;

foreach my $way ([ 'MERGE', $hard ], [ 'MERGE, marking deletions', $soft ], [ 'ON CONFLICT and DELETE', $upsert_and_delete ])
{
	my ($name, $statements) = @$way;

	sync_tool("PeerDB: $name",
		@peerdb,
		steps => [
			{ name => 'snapshot', sql => peerdb_snapshot('', @snapshot) },
			{ name => 'a batch', sql => peerdb_batch($statements, [ 1, 1, '"1@x"', 500 ], [ 0, 7, '"7@x"', 5 ], [ 1, 7, '"7@x"', 700 ], [ 2, 4, 'null', 'null' ]) },
			{ name => 'rows as they are', quiet => 1, sql => peerdb_batch($statements, [ 1, 1, '"1@x"', 500 ], [ 1, 7, '"7@x"', 700 ]) },
			{ name => 'inserted and deleted in one batch', quiet => 1, sql => peerdb_batch($statements, [ 0, 8, '"8@x"', 800 ], [ 2, 8, 'null', 'null' ]) },
			{ name => 'deleted and inserted in one batch', sql => peerdb_batch($statements, [ 2, 7, 'null', 'null' ], [ 0, 7, '"7@y"', 700 ]) },
			{ name => 'there again', sql => peerdb_batch($statements, [ 0, 4, '"4@x"', 400 ]) } ]);
}

sync_tool('PeerDB: snapshots that overwrite, append, upsert',
	@peerdb,
	steps => [
		{ name => 'first', sql => peerdb_snapshot('', @snapshot) },
		{ name => 'TRUNCATE and COPY of the same', quiet => 1, scan => 1, sql => peerdb_snapshot('truncate "crm"."lead";', @snapshot) },
		{ name => 'TRUNCATE and COPY', scan => 1, sql => peerdb_snapshot('truncate "crm"."lead";', @snapshot[ 1 .. 3 ], [ 9, '9@x', 900 ]) },
		{ name => 'appended', sql => peerdb_snapshot('', [ 10, '10@x', 100 ]) },
		{
			name => 'upserted',
			sql => qq($as_replica create temp table _peerdb_staging (like crm.lead including all) on commit drop; insert into _peerdb_staging values (9, '9\@x', 900), (10, '10\@x', 5), (11, '11\@x', 110);
				insert into "crm"."lead" ("id", "email", "employees") select "id", "email", "employees" from _peerdb_staging
				on conflict ("id") do update set "email" = excluded."email", "employees" = excluded."employees", "_PEERDB_SYNCED_AT" = current_timestamp; commit;)
		},
		{ name => 'a column more', quiet => 1, sql => 'alter table "crm"."lead" add column if not exists "phone" text' } ]);

# Debezium -------------------------------------------------------------------------------------------

# Records ([ id, email, employees, time, deleted ], ..), a statement each, a transaction for all.
sub debezium
{
	return 'begin;' . join('', map { my ($id, $email, $employees, $at, $deleted) = @$_;
		$employees //= 'null';
		qq(insert into crm.lead (id, email, employees, __source_ts_ms, __deleted) values ('$id', '$email', $employees, extract(epoch from timestamptz '2026-01-0$at')::bigint * 1000, '@{[ $deleted ? 'true' : 'false' ]}')
			on conflict (id) do update set email = excluded.email, employees = excluded.employees, __source_ts_ms = excluded.__source_ts_ms, __deleted = excluded.__deleted;) } @_) . 'commit;';
}

my @debezium = (
	schema => 'create table crm.lead (id text not null, email text null, employees integer null, __source_ts_ms bigint null, __deleted text null, primary key (id))',
	attach => [ q('crm.lead', 'lead', mapping => '{"email": "email", "employees": "employees", "deleted": "__deleted", "version": {"expression": "to_timestamp(__source_ts_ms / 1000.0)"}}') ],
	lead => q(select id, email, employees::bigint from crm.lead where __deleted = 'false'));
my @states = ([ 'a', 'a@x', 500, 1 ], [ 'b', 'b@x', 5, 1 ], [ 'b', 'b@x', 600, 2 ], [ 'c', 'c@x', 7, 2 ], [ 'a', 'a2@x', 50, 3 ], [ 'b', 'b@x', 600, 4, 1 ], [ 'c', 'c@x', 7, 4, 1 ], [ 'c', 'c@x', 8, 5 ]);
my $known = q(select id, email, employees::bigint from crm.kept where __deleted = 'false');

sync_tool('Debezium: each record a statement, the whole log again and again',
	@debezium,
	modes => [ 'at commit', 'by tick', 'repeatable read' ],
	steps => [
		{ name => 'snapshot', sql => debezium(@states[ 0 .. 1 ]) },
		{ name => 'the same again', quiet => 1, sql => debezium(@states[ 0 .. 1 ]) },
		{ name => 'changes', sql => debezium(@states[ 2 .. 4 ]) },
		{ name => 'deletions, marked', sql => debezium(@states[ 5 .. 6 ]) },
		{ name => 'one is there again', sql => debezium($states[7]) },
		# from here on the table shows old states for a while
		(map { my $last = $_; {
			name => "replayed up to record $last", quiet => 1, lead => $known, sql => ($last == 0 ? 'create table crm.kept as table crm.lead;' : '') . debezium(@states[ 0 .. $last ])
		} } 0 .. $#states),
		{ name => 'and a new record', sql => debezium([ 'b', 'b@x', 1000, 6 ]) },
		{ name => 'a column more', quiet => 1, sql => 'alter table crm.lead add phone text null' } ]);

# Opportunities, accounts, users: ([ id, what, time, deleted ], ..), and what of them must be known.
sub records
{
	my ($table, @states) = @_;

	return 'begin;' . join('', map { my ($id, $what, $at, $deleted) = @$_;
		qq(insert into crm.$table (id, what, __source_ts_ms, __deleted) values ('$id', '$what', extract(epoch from timestamptz '2026-01-0$at')::bigint * 1000, '@{[ $deleted ? 'true' : 'false' ]}')
			on conflict (id) do update set what = excluded.what, __source_ts_ms = excluded.__source_ts_ms, __deleted = excluded.__deleted;) } @states) . 'commit;';
}

my @past = ([ 'x', '1', 1 ], [ 'y', '2', 1 ], [ 'x', '3', 2 ], [ 'y', '2', 3, 1 ], [ 'z', '5', 3 ], [ 'z', '5', 4, 1 ], [ 'z', '6', 5 ]);
my $columns_of = '(id text primary key, what text, __source_ts_ms bigint, __deleted text)';
my $told = q("version": {"expression": "to_timestamp(__source_ts_ms / 1000.0)"}, "deleted": "__deleted");

sync_tool('Debezium: opportunities, accounts and users, the whole log again',
	schema => "create table crm.deal $columns_of; create table crm.company $columns_of; create table crm.person $columns_of",
	attach => [ qq('crm.deal', 'opportunity', mapping => '{"amount": "what", $told}'), qq('crm.company', 'account', mapping => '{"name": "what", $told}'),
		qq('crm.person', 'rep', mapping => '{"name": "what", $told}') ],
	lead => 'select null::text, null::text, null::bigint where false',
	steps => [ map { my ($n, $last, $known) = @$_; {
			name => "$n. up to record $last", quiet => 1, sql => join('', map { records($_, @past[ 0 .. $last ]) } qw(deal company person)),
			also => qq(select 'opportunities: ' || k from (select string_agg(opportunity_key || amount, ' ' order by opportunity_key) as k from handoff.opportunity where deleted_at is null) o where k is distinct from '$known'
				union all select 'accounts: ' || k from (select string_agg(account_key || (fields ->> 'name'), ' ' order by account_key) as k from handoff.account where deleted_at is null) a where k is distinct from '$known'
				union all select 'users: ' || k from (select string_agg(crm_id || name, ' ' order by crm_id) as k from handoff.crm_user where deleted_at is null) u where k is distinct from '$known')
		} } [ 1, 1, 'x1 y2' ], [ 1, 4, 'x3 z5' ], [ 1, 5, 'x3' ], [ 2, 4, 'x3' ], [ 1, 6, 'x3 z6' ], (map { [ 3, $_, 'x3 z6' ] } 0 .. 6) ]);

sync_tool('Debezium: delete.enabled, which tells no time',
	@debezium,
	steps => [
		{ name => 'snapshot', sql => debezium(@states[ 0 .. 1 ]) },
		{ name => 'changed', sql => debezium($states[2]) },
		{ name => 'deleted', sql => q(delete from crm.lead where id = 'b') },
		{ name => 'replayed: the state before the last', quiet => 1, lead => q(select id, email, employees::bigint from crm.lead where id <> 'b'), sql => debezium(@states[ 0 .. 1 ]) },
		{ name => 'replayed: the last, which might be news', sql => debezium($states[2]) },
		{ name => 'replayed: the deletion', sql => q(delete from crm.lead where id = 'b') },
		{ name => 'and once more', quiet => 1, sql => q(delete from crm.lead where id = 'b') } ]);

done_testing();
