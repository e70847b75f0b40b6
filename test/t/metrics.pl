# test/t/metrics.pl: the aggregates of docs/metrics.md against others: published figures for the calls of a bank
# (UCI Bank Marketing, if the data is there), and R (if it is installed; kaplan_meier() too if it has package survival).
#
# Data: S. Moro, P. Cortez, P. Rita, A Data-Driven Approach to Predict the Success of Bank Telemarketing,
# Decision Support Systems 62 (2014) 22-31; UCI Machine Learning Repository, CC BY 4.0. The column duration is
# known only after a call and is no feature. baselines.csv: scikit-learn's logistic regression (C = 1) on the
# first three quarters of the calls, in the order of time, judged by the last quarter.

use strict;
use warnings;

use Cwd 'abs_path';
use FindBin;
use IPC::Run;
use lib $FindBin::RealBin;
use LeadHandoff;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = ($ENV{LH_DATA} // "$FindBin::RealBin/../../../shared/data") . '/uci_bank';
my $r_is_here = system('Rscript --version >/dev/null 2>&1') == 0;
my $survival_is_here = $r_is_here && system('Rscript --vanilla -e "library(survival)" >/dev/null 2>&1') == 0;
my $bank_is_here = -r "$data/bank-additional-full.csv" && -r "$data/baselines.csv";
plan skip_all => 'neither R nor the UCI Bank data is there' unless $r_is_here || $bank_is_here;

my $node = start_node('metrics');
my $dir = abs_path(PostgreSQL::Test::Utils::tempdir());
$node->safe_psql('postgres', 'create extension lead_handoff');

sub query { return $node->safe_psql('postgres', $_[0]); }

# Are two rows of numbers equal, each to a share of the second one?
sub near
{
	my ($got, $expected, $share, $name) = @_;
	my @got = $got =~ m{[^|,{}\s]+}g;
	my @expected = $expected =~ m{[^|,{}\s]+}g;
	my @off = grep { abs(($got[$_] // 'nan') - $expected[$_]) > $share * abs($expected[$_]) } 0 .. $#expected;

	ok(@got == @expected && !@off, $name) or diag("got      $got\nexpected $expected");
	return;
}

sub run_r
{
	my ($script) = @_;
	my ($out, $err);

	open(my $file, '>', "$dir/script.R") or die $!;
	print $file "options(digits = 15)\nauc <- function(p, y) (sum(rank(p)[y]) - sum(y) * (sum(y) + 1) / 2) / sum(y) / sum(!y)\n$script";
	close $file;
	IPC::Run::run([ 'Rscript', '--vanilla', "$dir/script.R" ], '>', \$out, '2>', \$err) or die "R: $err";
	return split /\n/, $out;
}

# The table as R reads it: y, and each feature a column.
sub to_csv
{
	my ($table) = @_;
	my $columns = query("select string_agg(format('x[%s] as x%s', i, i), ', ' order by i) from generate_series(1, (select array_length(x, 1) from $table limit 1)) i");

	query("copy (select y::int as y, fold, $columns from $table order by id) to '$dir/$table.csv' (format csv, header)");
	return;
}

# What both say of a table, fitted where fold is 0, judged where it is 1
sub same_as_r
{
	my ($table) = @_;

	to_csv($table);
	my ($coefficients, $errors, $likelihood, $auc) = run_r(qq(
		d <- read.csv("$dir/$table.csv"); d\$y <- d\$y == 1
		m <- glm(y ~ . - fold, binomial, d[d\$fold == 0, ], control = glm.control(epsilon = 1e-11, maxit = 100))
		stopifnot(m\$converged)
		cat(coef(m), "\\n"); cat(coef(summary(m))[, 2], "\\n"); cat(logLik(m), "\\n")
		t <- d[d\$fold == 1, ]
		cat(auc(predict(m, t), t\$y), auc(round(predict(m, t, type = "response"), 2), t\$y), "\\n")));
	my $fit = "from (select (handoff.logistic_fit(y, x, 0)).* from $table where fold = 0) m";

	near(query("select coefficients $fit"), $coefficients, 1e-6, "$table: coefficients as R's glm");
	near(query("select standard_errors $fit"), $errors, 1e-6, "$table: standard errors as R's glm");
	near(query("select log_likelihood $fit"), $likelihood, 1e-9, "$table: likelihood as R's glm");
	near(query("select handoff.auc(p, y), handoff.auc(round(p::numeric, 2), y)
		from (select handoff.logistic_predict(coefficients, x) as p, y $fit, $table t where t.fold = 1) s"), $auc, 1e-6, "$table: AUC as R's ranks, without ties and with");
	return;
}

# The bank's calls: a column of 0 and 1 for each value of a text, numbers in units of their deviation.
sub make_rows
{
	my ($table, $without) = @_;
	my $features = query(qq(select string_agg(case when value is null then format('(%I - %s) / %s', key, mean, deviation) else format('(%I = %L)::int', key, value) end,
		', ' order by key collate "C", value collate "C") from feature where key || '=' || coalesce(value, '') <> all ('$without')));

	query("create table $table as select id, (id > 30891)::int as fold, y = 'yes' as y, array[$features]::float8[] as x from raw");
	return;
}

SKIP:
{
	skip 'the UCI Bank data is not there', 4 unless $bank_is_here;
	my %published;
	open(my $file, '<', "$data/baselines.csv") or die $!;
	while (<$file>)
	{
		@published{qw(n base auc alift precision brier lift)} = split /,/, $1
		  if /^uci_bank_additional_full,without duration,"time-ordered[^"]*",logistic_regression,(.*)$/;
	}

	query(qq(create table raw (id serial, age float8, job text, marital text, education text, in_default text, housing text, loan text, contact text,
			month text, day_of_week text, duration float8, campaign float8, pdays float8, previous float8, poutcome text, emp_var_rate float8,
			cons_price_idx float8, cons_conf_idx float8, euribor3m float8, nr_employed float8, y text);
		copy raw (age, job, marital, education, in_default, housing, loan, contact, month, day_of_week, duration, campaign, pdays, previous, poutcome,
			emp_var_rate, cons_price_idx, cons_conf_idx, euribor3m, nr_employed, y) from '$data/bank-additional-full.csv' (format csv, header, delimiter ';');
		create table entry as select id > 30891 as later, key, value from raw, jsonb_each(to_jsonb(raw) - '{id,y,duration}'::text[]);
		create table feature as
			select key, null as value, avg(value::float8) as mean, stddev(value::float8) as deviation
				from entry where not later and jsonb_typeof(value) = 'number' group by key
			union all select distinct key, value #>> '{}', 0::float8, 1::float8 from entry where jsonb_typeof(value) = 'string';));
	make_rows('bank', '{}');
	query(q(create table judged as select y, handoff.logistic_predict(m.coefficients, x) as p
			from (select (handoff.logistic_fit(y, x, 1)).* from bank where fold = 0) m, bank where fold = 1;));
	my ($n, $auc, $brier, $lift) = split /\|/, query(q(select count(*), handoff.auc(p, y), (handoff.calibration(p, y, 10)).brier, (handoff.lift(p, y, 10))[1].lift from judged));
	note("AUC $auc, Brier $brier, lift $lift of $n calls");
	is($n, $published{n}, 'bank: the last quarter is judged');
	cmp_ok(abs($auc - $published{auc}), '<', 0.001, "bank: AUC as published, $published{auc}");
	cmp_ok(abs($brier - $published{brier}), '<', 0.001, "bank: Brier score as published, $published{brier}");
	cmp_ok(abs($lift - $published{lift}), '<', 0.01, "bank: lift of the first tenth as published, $published{lift}");
}

SKIP:
{
	skip 'R is not installed', 4 unless $r_is_here;
	query(q(select setseed(0.5);
		create table random as
		select id, id % 4 / 3 as fold, x, random() < 1 / (1 + exp(-(x[1] / 2 - x[2] + x[3] * 3 - (x[4] - 1050) / 50 + x[5] * x[1] - 1))) as y
		from (select id, array[random() * 4, random() ^ 3, (random() < 0.1)::int, 1000 + random() * 100, round(random() * 3)] as x
			from generate_series(1, 8000) id) s;));
	same_as_r('random');
}

SKIP:
{
	skip 'R and its package survival are not installed', 2 unless $survival_is_here;
	# exact times, and times with many ties, a third of them censored; NA where the curve does not fall so far
	query(q(create table wait as
		select i, part, case part when 1 then x * 1000 else round(x * 40) end as seconds, x < censored as happened
		from (select i, 1 + i % 2 as part, -ln(1 - random()) * (1 + i % 3) as x, random() * 5 as censored from generate_series(1, 6000) i) s;
		update wait set seconds = least(seconds, 60) where part = 2;));
	query("copy (select part, seconds, happened::int from wait) to '$dir/wait.csv' (format csv, header)");
	my @expected = run_r(qq(
		library(survival)
		d <- read.csv("$dir/wait.csv")
		for (p in 1:2) {
			f <- survfit(Surv(seconds, happened) ~ 1, d[d\$part == p, ], timefix = FALSE)
			cat(sapply(c(0.1, 0.25, 0.5, 0.9), function(share) min(f\$time[f\$surv <= 1 - share + 1e-9])), "\n")
		}));

	# never: 1e300 on both sides
	near(query("select coalesce(k, 1e300) from (select handoff.kaplan_meier(seconds, happened, '{0.1,0.25,0.5,0.9}') as a from wait where part = $_) m, unnest(a) k") =~ s/\n/,/gr,
		$expected[$_ - 1] =~ s/Inf/1e300/gr, 1e-12, "Kaplan-Meier as R's survfit, part $_") foreach 1, 2;
}

SKIP:
{
	skip 'R or the UCI Bank data is not there', 4 unless $r_is_here && $bank_is_here;
	# one value of each text left out, and those that separate or repeat others; months repeat the economic indices,
	# which R does not see: its coefficients become 10^12
	make_rows('bank_r', '{contact=telephone,day_of_week=fri,education=unknown,education=illiterate,housing=no,housing=unknown,in_default=no,in_default=yes,'
		  . 'job=unknown,loan=no,marital=unknown,poutcome=nonexistent,' . join(',', map { "month=$_" } qw(mar apr may jun jul aug sep oct nov dec)) . '}');
	same_as_r('bank_r');
}

done_testing();
