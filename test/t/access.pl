# test/t/access.pl: reps and managers over connections of their own: what they see and may, what they can do to the
# session against it, poolers, prepared statements; and that a dump carries it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main');
my $db = 'origin';
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my ($out, $err);

$node->safe_psql('postgres', "create role $_ login") foreach qw(ana ben mia op pooler backup);
$node->safe_psql('postgres', 'create role "sales ""reps"""; grant "sales ""reps""" to ana, ben; create role shy login noinherit; grant "sales ""reps""" to shy;
	grant ana, ben to pooler; create database origin');
install($node, $db);
$node->safe_psql($db, q(
	select handoff.add_rep('ben', 'Ben', 'sdr'), handoff.add_rep('mia', 'Mia'), handoff.set_manager('ana', 'mia');
	select handoff.grant_access('sales "reps"', 'rep'), handoff.grant_access('mia', 'manager'), handoff.grant_access('op', 'operator');
	select handoff.set_rep_role(r, r) from unnest('{ana,ben,mia}'::text[]) r;
	select handoff.draft();
	insert into handoff.disposition (contract_id, code, outcome, reason) values (2, 'accepted', 'accepted', 'works it');
	select handoff.publish();
	create schema crm;
	create table crm.lead (id text primary key, email text, employees text);
	select handoff.attach('crm.lead', 'lead', since => '-infinity', delete_grace => '0');
	insert into crm.lead select 'l' || g, 'p' || g || '@x', '500' from generate_series(1, 4) g;
	select handoff.tick();
	select handoff.reassign(h.lead_key, w.rep) from (values ('l1', 'ana'), ('l2', 'ana'), ('l3', 'ben'), ('l4', 'ben')) w (lead_key, rep)
	join handoff.handoff h using (lead_key) where h.rep <> w.rep));

sub sees
{
	my ($role, $where, $leads, $name) = @_;

	($out, $err) = run_as($node, $where, $role, q(select string_agg(lead_key, ' ' order by lead_key) from handoff.lead;
		select string_agg(lead_key, ' ' order by lead_key) from handoff.my_queue; select string_agg(distinct lead_key, ' ' order by lead_key) from handoff.event));
	is("$out$err", join("\n", ($leads) x 3), $name);
	return;
}

sub refused
{
	my ($role, $sql, $error, $name) = @_;

	($out, $err) = run_as($node, $db, $role, "\\set VERBOSITY verbose\n$sql");
	like($err, qr/ERROR:  $error/, $name);
	like($err, qr/HINT/, "$name: .. and what to do") if $error =~ /^LH/;
	return;
}

# A rep's day ---------------------------------------------------------------------------------------------

sees('ana', $db, 'l1 l2', 'a rep, by her group, sees her leads');
sees('ben', $db, 'l3 l4', 'another his');
sees('mia', $db, 'l1 l2', 'a manager those of her rep');
sees('op', $db, 'l1 l2 l3 l4', 'an operator all');
($out, $err) = run_as($node, $db, 'shy', q(select count(*) from handoff.lead));
like($err, qr/permission denied/, 'who does not inherit sees nothing');
($out, $err) = run_as($node, $db, 'shy', q(set role 'sales "reps"'; select count(*) from handoff.lead; select handoff.my_rep()));
is("$out$err", "0\n", 'nor as the group, which is nobody');
($out, $err) = run_as($node, $db, 'ana', q(select handoff.accept('l1'); select handoff.touch('l1', 'call'); select lead_key from handoff.next_lead()));
is("$out$err", "mql\nmql\nl1", q(she works));
is($node->safe_psql($db, q(select actor from handoff.event where type = 'accepted')), 'ana', '.. as herself');
refused('ana', q(select handoff.accept('l3')), 'LH040: there is no lead "l3"', 'not what is another\'s');
refused('ana', q(select * from handoff.explain('l3')), 'LH040: there is no lead "l3"', 'nor can she ask about it');
refused('ana', q(select handoff.reassign('l1', 'ben')), '42501: permission denied', 'a rep reassigns nothing');
($out, $err) = run_as($node, $db, 'mia', q(select handoff.reassign('l2', 'ben', 'too much')));
is("$out$err", 'mql', 'a manager does');
sees('ana', $db, 'l1', 'it is gone from the one');
sees('ben', $db, 'l2 l3 l4', '.. and with the other');

# What they do to the session ------------------------------------------------------------------------------

refused('ana', q(set row_security = off; select * from handoff.event), '42501: query would be affected by row-level security policy', 'row_security = off shows no more');
refused('ana', q(set role op), '42501: permission denied to set role', 'nor can she be another');
refused('ana', $_, '42501: (permission denied|must be owner)', "nor: $_") foreach (
	q(update handoff.lead set score = 1), q(delete from handoff.event), q(insert into handoff.assignment (lead_key) values ('l3')),
	q(update handoff.rep set role_name = 'ana' where rep = 'ben'), q(select * from handoff.outbox), q(select * from handoff.fact_handoff),
	q(select email from handoff.rep), q(alter table handoff.lead disable row level security), q(create policy p on handoff.lead using (true)),
	q(drop policy own_leads on handoff.lead), q(select handoff.grant_access('ana', 'operator')), q(select handoff.set_rep_role('ben', 'ana')),
	q(select handoff.set_policy('ana', 'all_leads')), q(select handoff.tick()), q(select handoff.my_team()));
# functions and operators of hers that stand before those of the server
($out, $err) = run_as($node, $db, 'ana', q(
	create temp table told (what text);
	create function pg_temp.unnest(text[]) returns setof text language sql as 'select ''l3''';
	create function pg_temp.eq(text, text) returns boolean language plpgsql as 'begin insert into told values ($1), ($2); return true; end';
	create operator pg_temp.= (leftarg = text, rightarg = text, function = pg_temp.eq);
	create temp table rep as select 'ben' as rep, 'ana' as role_name, true as active;
	set search_path = pg_temp, pg_catalog;
	select string_agg(lead_key, ' ') from handoff.lead;
	select string_agg(lead_key, ' ') from handoff.lead where lead_key operator(pg_temp.=) 'l3';
	select count(*) from told where what like 'l_' and what not in ('l1', 'l3');
	select handoff.my_rep(), handoff.my_claims();));
is("$out$err", "l1\nl1\n0\nana|{}", 'what stands before the server\'s own in her search_path changes nothing');
# what the planner knows
$node->safe_psql($db, 'analyze handoff.lead');
($out, $err) = run_as($node, $db, 'ana', q(select count(*) from pg_stats where schemaname = 'handoff' and tablename in ('lead', 'event')));
is("$out$err", '0', 'statistics of the tables are not hers to read');

# Poolers -------------------------------------------------------------------------------------------------

($out, $err) = run_as($node, $db, 'pooler', q(
	prepare mine as select string_agg(lead_key, ' ' order by lead_key), handoff.my_rep() from handoff.my_queue;
	set role ana; execute mine; execute mine; reset role;
	set role ben; execute mine; select handoff.accept('l4'); reset role;
	begin; set local role ana; execute mine; declare c cursor with hold for select lead_key from handoff.lead; commit;
	set role ben; execute mine; fetch all from c;));
is("$out$err", "l1|ana\nl1|ana\nl2 l3 l4|ben\nmql\nl1|ana\nl2 l3 l4|ben\nl1", 'a pooler is whom it sets itself to, statement by statement');
is($node->safe_psql($db, q(select actor from handoff.event where type = 'accepted' and lead_key = 'l4')), 'ben', '.. and acts as him');
($out, $err) = run_as($node, $db, 'op', q(select handoff.accept('l2', actor => 'ben'); select handoff.touch('l2', 'call', rep => 'ben')));
is("$out$err", "mql\nmql", 'one that can\'t names the rep');
is($node->safe_psql($db, q(select actor from handoff.event where type = 'accepted' and lead_key = 'l2')), 'ben', '.. and is believed');
($out, $err) = run_as($node, $db, 'op', q(select invariant, what from handoff.doctor() where severity = 'error'));
is("$out$err", '', 'the doctor sees all through an operator\'s eyes');

# Somebody with tables by hand, and no level: nothing, until he is told apart
$node->safe_psql($db, q(grant usage on schema handoff to backup; grant select on handoff.lead, handoff.stage to backup));
($out, $err) = run_as($node, $db, 'backup', q(select count(*) from handoff.lead; select count(*) > 0 from handoff.stage));
is("$out$err", "0\nt", 'a table granted by hand shows no lead');

# Dump and restore ------------------------------------------------------------------------------------------

$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $db, '-h', $node->host, '-p', $node->port ], 'dump');
$node->safe_psql('postgres', 'create database whole');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'whole', '-h', $node->host, '-p', $node->port, $dump ], 'restore');
is_deeply(access($node, 'whole'), access($node, $db), 'policies, privileges and view options are equal');
sees('ana', 'whole', 'l1', 'restored: a rep sees her leads');
sees('mia', 'whole', 'l1', 'restored: a manager hers');
sees('op', 'whole', 'l1 l2 l3 l4', 'restored: an operator all');
is($node->safe_psql('whole', q(select what from handoff.doctor() where invariant = 20)), '', 'restored: doctor');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--clean', '--if-exists', '-d', 'whole', '-h', $node->host, '-p', $node->port, $dump ], 'restore over it');
is_deeply(access($node, 'whole'), access($node, $db), '.. equal again');
sees('ben', 'whole', 'l2 l3 l4', '.. and so is what a rep sees');

# everything that says who may what
sub access
{
	my ($server, $where) = @_;

	return [ split /\n/, $server->safe_psql($where, q(
		select 'policy', tablename, policyname, roles, cmd, qual, with_check from pg_policies where schemaname = 'handoff'
		union all
		select 'relation', c.relname, c.relrowsecurity::text, null, null, c.reloptions::text,
			(select string_agg(a::text, ' ' order by a::text) from unnest(coalesce(c.relacl, acldefault('r', c.relowner))) a) from pg_class c where c.relnamespace = 'handoff'::regnamespace and c.relkind in ('r', 'v')
		union all
		select 'column', attrelid::regclass::text, attname, null, null, null, attacl::text from pg_attribute where attacl is not null and attrelid in (select oid from pg_class where relnamespace = 'handoff'::regnamespace)
		union all
		select 'function', p.oid::regprocedure::text, null, null, null, null, (select string_agg(a::text, ' ' order by a::text) from unnest(p.proacl) a) from pg_proc p where p.pronamespace = 'handoff'::regnamespace
		order by 1, 2, 3)) ];
}

# One leaves ------------------------------------------------------------------------------------------------

$node->safe_psql($db, q(select handoff.deactivate_rep('ana')));
($out, $err) = run_as($node, $db, 'ana', q(select count(*) from handoff.lead; select handoff.my_rep() is null));
is("$out$err", "0\nt", 'who is not active any more sees nothing');
$node->safe_psql($db, q(select handoff.revoke_access('sales "reps"')));
($out, $err) = run_as($node, $db, 'ben', q(select count(*) from handoff.lead));
like($err, qr/permission denied/, 'what is taken from the group is taken from its members');
doctor_is_content($node, $db, 'doctor');

done_testing();
