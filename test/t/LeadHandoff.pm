# test/t/LeadHandoff.pm: what the TAP tests share: a server with the extension, a small contract.

package LeadHandoff;

use strict;
use warnings;

use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Cluster;
use Test::More;

our @EXPORT = qw(start_node install run_file start_demo run_as checksums doctor_is_content kpis_are_true);

# A contract in which a lead of 100 employees becomes an MQL.
my $contract = q({"format": 1, "contract": {"reporting_zone": "UTC"},
"field": [{"of": "lead", "name": "employees", "type": "bigint"}],
"stage": [
	{"name": "lead", "position": 10, "owner": "marketing", "is_default": true},
	{"name": "mql", "position": 20, "owner": "sales", "entry": "score >= 10", "max_age": "14 days", "max_age_to": "lead"}],
"leg": [{"name": "mql_to_sdr", "ord": 1, "owner_from": "marketing", "owner_to": "sdr"}],
"transition": [{"ord": 10, "from_stage": "lead", "event": "scored", "to_stage": "mql", "leg": "mql_to_sdr"}],
"score_group": [{"name": "size", "kind": "fit"}%s],
"score_rule": [{"name": "big", "score_group": "size", "points": 10, "criteria": "employees >= 100"}%s],
"route": [{"name": "team", "leg": "mql_to_sdr", "ord": 10, "target_kind": "pool", "target": "sdr"}]});

sub start_node
{
	my ($name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%params);
	$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nmax_worker_processes = 8\n");
	$node->start;
	return $node;
}

# The extension with its tables and the contract in force, in an existing database; more: documents of further
# score groups and rules.
sub install
{
	my ($node, $db, %more) = @_;
	my $document = sprintf($contract, map { join('', map { ", $_" } @{ $more{$_} // [] }) } qw(score_group score_rule));

	$node->safe_psql($db, qq(
		create extension lead_handoff;
		select handoff.setup();
		insert into handoff.rep (rep, name) values ('ana', 'Ana');
		insert into handoff.pool (pool) values ('sdr');
		insert into handoff.pool_member (pool, rep) values ('sdr', 'ana');
		select handoff.import('$document');
		select handoff.publish();));
	return;
}

# Run a file in a database, after some SQL.
sub run_file
{
	my ($node, $db, $file, $before) = @_;

	open(my $in, '<', $file) or die "$file: $!";
	local $/;
	$node->safe_psql($db, ($before // '') . <$in>);
	return;
}

# Database demo: so many leads of the demo's made-up CRM, as its people have worked them until a day.
sub start_demo
{
	my ($node, $leads, $until) = @_;
	my $demo = "$FindBin::RealBin/../../demo";

	$node->safe_psql('postgres', 'create database demo');
	$node->safe_psql('postgres', 'alter database demo set jit = off');
	$node->safe_psql('postgres', 'alter database demo set lead_handoff.inline_limit = 0');
	run_file($node, 'demo', $_, "set demo.leads = $leads;") foreach sort glob("$demo/[0-9]*.sql");
	run_file($node, 'demo', "$demo/session.sql", 'set lead_handoff.inline_limit = 0;');
	$node->safe_psql('demo', "call demo.run('$until', '12 hours')");
	$node->safe_psql('demo', "alter database demo set lead_handoff.view_time = '$until 00:00:00+00'");
	# a link whose lead the last tick had in hands already waits for the next one
	$node->safe_psql('demo', "select handoff.tick('$until')");
	return;
}

# Run SQL as a role (undef: the superuser); returns what it wrote, and its errors and warnings.
sub run_as
{
	my ($node, $db, $role, $sql) = @_;
	my ($rc, $out, $err) = $node->psql($db, $sql, on_error_stop => 0,
		extra_params => defined $role ? [ '-U', $role ] : []);

	return ($out, $err);
}

# Table of schema handoff => number and checksum of its rows.
sub checksums
{
	my ($node, $db) = @_;
	my %sums;
	my $rows = $node->safe_psql($db, q(select format('select %L, count(*), md5(string_agg(t::text, E''\n'' order by t::text collate "C")) from handoff.%I t', relname, relname)
		from pg_class where relnamespace = 'handoff'::regnamespace and relkind = 'r' order by relname \gexec));

	foreach my $row (split /\n/, $rows)
	{
		my ($table, $sum) = split /\|/, $row, 2;

		$sums{$table} = $sum;
	}
	return \%sums;
}

sub doctor_is_content
{
	my ($node, $db, $name) = @_;

	is($node->safe_psql($db, q(select * from handoff.doctor() where severity = 'error')), '', $name);
	return;
}

# The views of KPIs show, row by row, what the queries of test/truth count from the tables.
sub kpis_are_true
{
	my ($node, $db, $name, @empty) = @_;
	my $truth = "$FindBin::RealBin/../truth";

	run_file($node, $db, $_, "set client_min_messages = warning; set jit = off; set work_mem = '64MB';") foreach sort glob("$truth/*.sql");
	my @views = split(/\n/, $node->safe_psql($db, q(select relname from pg_class where relnamespace = 'truth'::regnamespace and relkind = 'r'
		and exists (select from pg_class v where v.relnamespace = 'handoff'::regnamespace and v.relkind = 'v' and v.relname = pg_class.relname) order by 1)));
	is($node->safe_psql($db, "select v from unnest(handoff.kept_views()) v where v <> all ('{${\join(',', @views)}}')"), '', "$name: every view is counted anew");
	my @without_rows;
	foreach my $view (@views)
	{
		my ($rows, $wrong) = split(/\n/, $node->safe_psql($db, qq(
			set jit = off;
			create temp table shown as table handoff.$view;
			select count(*) from shown;
			select string_agg(r, E'\t') from (
				(select 'view: ' || d::text as r from (table shown except all table truth.$view) d order by 1 limit 5) union all
				(select 'truth: ' || d::text from (table truth.$view except all table shown) d order by 1 limit 5)) w)));
		is($wrong // '', '', "$name: $view, $rows rows");
		push @without_rows, $view if $rows == 0;
	}
	is("@without_rows", join(' ', sort @empty), "$name: and they have rows");
	return;
}

1;
