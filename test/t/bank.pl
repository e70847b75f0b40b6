# test/t/bank.pl: 41,188 real calls of a bank, delivered as a sync delivers them, come out as independent
# SQL says they must: fit, score, band, segment, signals, stage, gate, missing fields, touches, handoff,
# lead by lead, under a contract of more than 100 rules and under the version that follows it.
#
# Data: S. Moro, P. Cortez, P. Rita, A Data-Driven Approach to Predict the Success of Bank Telemarketing,
# Decision Support Systems 62 (2014) 22-31; UCI Machine Learning Repository, CC BY 4.0. The column
# duration is known only after a call and is never scored.
#
# test/bank/load.sql says how the rows come in, test/bank/expect.sql what must come out.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'time';

my $data = ($ENV{LH_DATA} // "$FindBin::RealBin/../../../shared/data") . '/uci_bank/bank-additional-full.csv';
plan skip_all => "the UCI Bank data is not there: $data" unless -r $data;

my $bank = "$FindBin::RealBin/../bank";
my $node = start_node('bank');
$node->append_conf('postgresql.conf',
	"lead_handoff.inline_limit = 0\nshared_buffers = 256MB\nwork_mem = 128MB\nmax_wal_size = 4GB\njit = off\n");
$node->restart;

sub query { return $node->safe_psql('postgres', "set client_min_messages = warning; $_[0]"); }

# Leads that differ from what is expected of them: how many, and the first few.
sub compare
{
	my ($name) = @_;

	query('analyze bank.version, bank.attempt, bank.batch; call bank.answer(); analyze bank.answer;');
	is(query('select count(*) over (), d.* from bank.difference d order by id limit 20'), '', "$name: each lead as expected");
	is(query('select count(*) from handoff.inbox'), '0', "$name: nothing waits");
	is(query('select * from handoff.quarantine limit 5'), '', "$name: nothing in quarantine");
	return;
}

# Every value of what was compared occurs in numbers, so that the comparison could have failed.
sub has_all
{
	my ($name, $expression, $least, @values) = @_;
	my %counts = map { split /\|/ } split /\n/,
		query("select $expression, count(*) from bank.answer group by 1 having count(*) >= $least");

	is(join(' ', sort keys %counts), join(' ', sort @values), "$name: " . join(', ', map { "$_ $counts{$_}" } sort keys %counts));
	return;
}

my $started = time;
my $contract = slurp_file("$bank/contract.json");
$node->safe_psql('postgres', 'create extension lead_handoff; select handoff.setup();');
$node->psql('postgres', "\\i $bank/load.sql\n\\i $bank/expect.sql", on_error_die => 1);
query(qq(copy bank.raw (age, job, marital, education, "default", housing, loan, contact, month, day_of_week, duration, campaign, pdays,
	previous, poutcome, emp_var_rate, cons_price_idx, cons_conf_idx, euribor3m, nr_employed, y)
	from '$data' (format csv, header, delimiter ';')));
query('call bank.prepare(); analyze bank.fresh;');
query("insert into handoff.pool (pool) values ('desk'); select handoff.import(\$contract\$$contract\$contract\$);");
is(query(q(select object, message from handoff.validate() where object <> 'pool "desk"')), '', 'nothing is wrong with the contract');
query(q(select handoff.publish();
	select handoff.attach('bank.client', 'lead', mapping => '{"in_default": "default", "version": "updated_at"}', since => '-infinity', delete_grace => '0');
	select handoff.attach('bank.attempt', 'activity', mapping => '{"lead_key": "client_id"}', since => '-infinity', delete_grace => '0');));

my $last = query('select max(batch_no) from bank.batch');

# The first contract, to May 2009
query('call bank.load(1, 70)');
compare('May 2009');

has_all('gate in May 2009', q(coalesce(gate_code, 'none')), 5, qw(indebted unreachable none));
has_all('missing in May 2009', q(coalesce(array_to_string(blocked_fields, '+'), 'none')), 5, qw(education job none));

my $fingerprint = query('select bank.fingerprint()');
query('call bank.repeat()');
is(query('select bank.fingerprint()'), $fingerprint, 'repeats and rewrites that change nothing leave no trace: no event, no new row of a lead');

# Another version: points, clamps, thresholds, a gate, required fields, waiting times, a signal
query('select handoff.draft()');
$node->psql('postgres', "\\set version 2\n\\i $bank/changed.sql", on_error_die => 1);
query('select handoff.publish()');
query('call bank.adopt(2)');
compare('another version');
query("call bank.load(71, $last)");
compare('November 2010');

# Nothing comes in any more
query("call bank.wait('$_ days')") foreach (20, 40, 100);
compare('March 2011');

# Read as they stand, the rows score what the decisions made of them; of some an older row came last, and that is ignored
# (the planner takes score_rows() for a thousand rows)
is(query(q(set enable_nestloop = off;
	select count(*) filter (where (s.fit, s.score, s.band) is distinct from (l.fit, l.score, l.band)), count(*) > 30000
	from handoff.score_rows('bank.client', 2, (select max(decided_at) from handoff.lead)) s
	join handoff.lead l using (lead_key)
	join bank.client c on c.id::text = lead_key and c.updated_at is not distinct from l.version
	where l.contract_id = 2)), '0|t', 'score_rows() equals the decided leads');
is(query('select count(*) from bank.raw'), query('select count(*) from bank.answer'), 'all rows of the file are leads');
has_all('band', 'band', 500, qw(A B C D));
has_all('stage', 'stage', 10, qw(contact warm handed expired disqualified));
has_all('segment', 'segment', 500, qw(pensioner career trades other));
has_all('gate', q(coalesce(gate_code, 'none')), 5, qw(in_default unreachable none));
has_all('contract', 'v', 10, 1, 2);
has_all('deleted', 'deleted', 50, 't', 'f');
is(query('select count(distinct signals) > 5, count(distinct touches) > 20, count(distinct fit) > 80 from bank.answer'),
	't|t|t', 'signals, touches and fits of many kinds');
is(query(q(select name from handoff.score_rule
	except select r from handoff.event e, jsonb_object_keys(e.detail -> 'rules') r where e.type = 'scored')),
	'', 'every rule has matched somebody');

is(query('select count(*) from (select lead_key from handoff.event group by lead_key having count(*) <> max(seq) or min(seq) <> 1) e'),
	'0', 'the log has no holes');
doctor_is_content($node, 'postgres', 'the log adds up to the state, and the doctor finds nothing else');

diag(query(q(select format('%s keys and %s due clocks in %s ticks and %s s: %s decisions a second',
	sum(claimed), sum(due), count(*), round(sum(seconds)), round(sum(decided + due) / sum(seconds))) from bank.batch where seconds is not null)),
	sprintf('; %.0f s in all', time - $started));
$node->stop;
done_testing();
