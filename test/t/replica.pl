# test/t/replica.pl: rows that don't come from a client: session_replication_role, a logical
# replication subscriber; and our own tables in a publication of all tables.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;

my $crm = start_node('crm', allows_streaming => 'logical');
my $node = start_node('main', allows_streaming => 'logical');
my $tables = q(
	create schema crm;
	create table crm.lead (id text primary key, employees text);
	create table crm.contact (id text primary key, employees text);
	create table crm.person (id text, region text, employees text, primary key (id, region)) partition by list (region);
	create table crm.person_eu partition of crm.person for values in ('eu'););

$crm->safe_psql('postgres', $tables);
$node->safe_psql('postgres', $tables);
install($node, 'postgres');
$node->safe_psql('postgres', q(
	select handoff.attach('crm.lead', 'lead', capture => 'row', since => '-infinity', delete_grace => '0');
	select handoff.attach('crm.contact', 'lead', key_prefix => 'c:', since => '-infinity', delete_grace => '0');
	select handoff.attach('crm.person', 'lead', key => '{id}', key_prefix => 'p:', capture => 'row', since => '-infinity', delete_grace => '0');));

# A session that plays replica, as some sync tools do, fires only triggers that are ENABLE ALWAYS.
$node->safe_psql('postgres', q(
	set session_replication_role = replica;
	insert into crm.lead values ('here', '500');
	insert into crm.contact values ('here', '500')));
is($node->safe_psql('postgres', q(select lead_key, stage from handoff.lead order by 1)),
	"c:here|mql\nhere|mql", 'session_replication_role = replica: captured, decided at commit');

# A subscriber: the initial copy and the apply worker fire row triggers.
$crm->safe_psql('postgres', q(
	insert into crm.lead values ('copied', '500');
	insert into crm.contact values ('copied', '500');
	insert into crm.person values ('copied', 'eu', '500');
	create publication everything for all tables));
my $connection = $crm->connstr . ' dbname=postgres';
$node->safe_psql('postgres', qq(create subscription crm connection '$connection' publication everything));
$node->wait_for_subscription_sync($crm, 'crm');
$crm->safe_psql('postgres', q(
	insert into crm.lead values ('applied', '500'), ('changed', '1'), ('gone', '500');
	update crm.lead set employees = '500' where id = 'changed';
	delete from crm.lead where id = 'gone';
	insert into crm.contact values ('applied', '500');
	insert into crm.person values ('applied', 'eu', '500')));
$crm->wait_for_catchup('crm');
is($node->safe_psql('postgres', q(select count(*) from crm.lead)), '4', 'the subscriber has the rows');
is($node->safe_psql('postgres', q(select quarantined, waiting from handoff.tick())), '0|0', 'tick');
is($node->safe_psql('postgres', q(select lead_key, stage from handoff.lead where source = 'crm.lead' and deleted_at is null order by 1)),
	"applied|mql\nchanged|mql\ncopied|mql\nhere|mql", 'row capture: every row that was copied or applied is decided');
is($node->safe_psql('postgres', q(select lead_key, stage from handoff.lead where source = 'crm.person' order by 1)),
	"p:applied|mql\np:copied|mql", 'row capture on a partitioned table: the same');
# An apply worker runs no statement, so statement triggers see the initial copy at most. The source was attached
# before there was a subscription: the tick above has seen it, and goes over to row triggers.
is($node->safe_psql('postgres', q(select count(*) from handoff.lead where lead_key = 'c:applied')),
	'0', 'statement capture does not fire in the apply worker');
is($node->safe_psql('postgres', q(select capture, capture_reason, fault from handoff.source_health where name = 'crm.contact')),
	'row|a subscription writes into it|', '.. which tick notices');
is($node->safe_psql('postgres', q(select handoff.tick();
		select count(*) from handoff.lead where lead_key = 'c:applied')) =~ s/^\(.*\)\n//r, '1', '.. and the next one finds what was missed');
is($node->safe_psql('postgres', q(select count(*) from pg_stat_subscription_stats where apply_error_count + sync_error_count > 0)),
	'0', 'no worker has failed');
$crm->safe_psql('postgres', q(insert into crm.contact values ('later', '500')));
$crm->wait_for_catchup('crm');
$node->safe_psql('postgres', q(select handoff.tick()));
is($node->safe_psql('postgres', q(select count(*) from handoff.lead where lead_key in ('c:applied', 'c:later'))),
	'2', 'all there');
doctor_is_content($node, 'postgres', 'doctor');

# Our tables under a publication of all tables: deletes need a replica identity.
$node->safe_psql('postgres', q(create publication ours for all tables));
$node->safe_psql('postgres', q(
	insert into crm.lead values ('published', 'x');
	update crm.lead set employees = '500' where id = 'published';
	delete from crm.lead where id = 'published';
	select handoff.tick();
	select handoff.retry_quarantine();
	select handoff.detach('crm.contact')));
is($node->safe_psql('postgres', q(select count(*) from handoff.inbox)), '0', 'a publication for all tables breaks no drain');
is($node->safe_psql('postgres', q(
	select c.oid::regclass from pg_class c
	where c.relnamespace = 'handoff'::regnamespace and c.relkind = 'r' and c.relpersistence = 'p' and c.relreplident <> 'f'
	  and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary))),
	'', 'every logged table has a primary key or replica identity full');
doctor_is_content($node, 'postgres', 'doctor after that');

done_testing();
