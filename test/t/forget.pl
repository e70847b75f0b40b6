# test/t/forget.pl: who was forgotten stays so: in a dump, in the files of the tables after VACUUM, and where a
# backup from before is restored, once the tombstones are given to it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_node('main');
my $folder = PostgreSQL::Test::Utils::tempdir();
my $nleads = 60;
my $nforgotten = 20;

# Leads of which the first third is to be forgotten: what tells of them has "canary" in it.
$node->safe_psql('postgres', 'create database origin');
install($node, 'origin');
$node->safe_psql('origin', qq(
	create schema crm;
	create table crm.lead (id text primary key, email text, employees int);
	create table crm.task (id text primary key, lead_key text, at timestamptz, kind text);
	select handoff.attach('crm.lead', 'lead', since => '-infinity');
	select handoff.attach('crm.task', 'activity', since => '-infinity');
	select handoff.subscribe('mail');));
$node->safe_psql('origin', qq(
	insert into crm.lead select k || g, k || g || '\@x.de', g * 10
	from generate_series(1, $nleads) g, lateral (select case when g <= $nforgotten then 'canary' else 'other' end as k) k;
	insert into crm.task select 'task-' || l.id, l.id, '2026-01-01', 'call' from crm.lead l;
	update handoff.delivery set state = 'done', done_at = now() where lead_key = 'canary15' and seq <= 4;));
my $secret = $node->safe_psql('origin', 'select key from handoff.secret');

sub dump_of
{
	my ($db, $format, @more) = @_;
	my $file = "$folder/$db.$format";

	$node->command_ok([ 'pg_dump', "-F$format", '-f', $file, @more, '-h', $node->host, '-p', $node->port, $db ], "dump of $db");
	return $file;
}

sub lines_with
{
	my ($file, $what) = @_;

	return scalar grep { /$what/ } split /\n/, slurp_file($file);
}

my $backup = dump_of('origin', 'c');
my $counts = q(select count(*), count(*) filter (where closed_at is null or code = 'forgotten'), sum(assignments), count(accepted_at) from handoff.handoff;
	select type, count(*) from handoff.event where type not in ('forgotten', 'closed') group by 1 order by 1);
my $before = $node->safe_psql('origin', $counts);

# Erased, and nothing of them in a dump of our tables.
cmp_ok(lines_with(dump_of('origin', 'p', '-n', 'handoff'), 'canary'), '>', 100, 'they are in a dump');
is($node->safe_psql('origin', "select sum(cardinality(handoff.forget('canary' || g))) from generate_series(1, $nforgotten) g"), $nforgotten, 'all are forgotten');
is(lines_with(dump_of('origin', 'p', '-n', 'handoff'), 'canary'), 0, '.. and in no dump from then on');
is($node->safe_psql('origin', $counts), $before, 'what was counted stays');
doctor_is_content($node, 'origin', 'doctor');
is($node->safe_psql('origin', 'select count(*) from handoff.verify()'), 0, 'the log folds');
is($node->safe_psql('origin', q(select string_agg(distinct type, ' ') from handoff.lease('mail', 1000) where lead_key like 'forgotten:%')), 'lead.forgotten',
	'what is delivered of them is that they are forgotten');

# In the files too, once vacuum has been there.
sub files_with_canary
{
	$node->safe_psql('origin', 'checkpoint');
	my @paths = split /\n/, $node->safe_psql('origin', q(select pg_relation_filepath(c.oid) from pg_class c
		where c.relnamespace = 'handoff'::regnamespace and c.relkind = 'r' and pg_relation_size(c.oid) > 0));

	return scalar grep { slurp_file($node->data_dir . "/$_") =~ /canary/ } @paths;
}
cmp_ok(files_with_canary(), '>', 0, 'dead rows still lie in the files');
$node->safe_psql('origin', 'vacuum full');
is(files_with_canary(), 0, '.. until they are rewritten');

# A backup from before is restored.
$node->safe_psql('postgres', 'create database copy');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'copy', '-h', $node->host, '-p', $node->port, $backup ], 'restored from before');
is($node->safe_psql('copy', 'select key from handoff.secret'), $secret, 'the copy has the same secret');
is($node->safe_psql('copy', q(select count(*) from handoff.lead where lead_key like 'canary%')), $nforgotten, 'and they are there again');
my $tombstones = $node->safe_psql('origin', 'select jsonb_agg(f) from handoff.forgotten f');
unlike($tombstones, qr/canary/, 'tombstones tell nothing of anybody');

# Kept in the copy they are enough for doctor() to know.
$node->safe_psql('copy', qq(insert into handoff.tombstone select f.digest, f.kind, f.forgotten_at
	from jsonb_populate_recordset(null::handoff.forgotten, '$tombstones') f limit 1));
like($node->safe_psql('copy', 'select what from handoff.doctor() where invariant = 14'), qr/^"canary\d+" was forgotten, and is there$/, 'doctor knows of the first tombstone');
is($node->safe_psql('copy', "select cardinality(handoff.reapply_forgotten('$tombstones'))"), $nforgotten, 'reapply_forgotten() forgets them again');
is(lines_with(dump_of('copy', 'p', '-n', 'handoff'), 'canary'), 0, '.. none is left in the copy');
is($node->safe_psql('copy', $counts), $before, '.. what was counted is there');
$node->safe_psql('copy', 'select handoff.adopt_instance()');
$node->safe_psql('copy', q(update crm.lead set employees = employees + 1; update crm.task set kind = 'email'; select handoff.tick()));
is($node->safe_psql('copy', q(select count(*) filter (where lead_key like 'canary%'), count(*) filter (where lead_key like 'other%') from handoff.lead)),
	'0|' . ($nleads - $nforgotten), '.. and none comes with the next sync');
is($node->safe_psql('copy', q(select forgotten from handoff.source_health where name = 'crm.lead')), $nforgotten, '.. which is counted');
is($node->safe_psql('copy', "select handoff.reapply_forgotten('$tombstones')"), '{}', 'repeated, it does nothing');
doctor_is_content($node, 'copy', 'doctor of the copy');

# Tombstones of another database are none.
$node->safe_psql('postgres', 'create database stranger');
install($node, 'stranger');
my ($out, $err) = run_as($node, 'stranger', undef, "\\set VERBOSITY verbose\nselect handoff.reapply_forgotten('$tombstones')");
like($err, qr/22023: these tombstones were not made with the secret of this database/, 'tombstones of another secret are refused');

# HMAC-SHA-256, by its definition and PostgreSQL's own sha256().
is($node->safe_psql('origin', q(
	with pad as (select key || decode(repeat('00', 64 - length(key)), 'hex') as key from handoff.secret),
	xored as (
		select decode(string_agg(lpad(to_hex(get_byte(key, i) # 54), 2, '0'), '' order by i), 'hex') as inner_key,
			decode(string_agg(lpad(to_hex(get_byte(key, i) # 92), 2, '0'), '' order by i), 'hex') as outer_key
		from pad, generate_series(0, 63) i)
	select count(*) from xored, generate_series(1, 20) g join handoff.tombstone t on true
	where t.kind = 'lead' and t.digest = encode(sha256(outer_key || sha256(inner_key || convert_to('lead', 'UTF8') || '\x00'::bytea
		|| convert_to('canary' || g, 'UTF8'))), 'hex'))), $nforgotten, 'digests are HMAC-SHA-256');

done_testing();
