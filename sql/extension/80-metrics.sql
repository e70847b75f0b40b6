
-- sql/extension/80-metrics.sql: how good scores and probabilities are, and a model that gives them.
-- src/learn/tally.c explains the state: a bytea, so that parallel workers and distributed engines can ship
-- it, which is expanded while rows are counted.

-- Results ------------------------------------------------------------------------------------------

create type handoff.lift_bucket as (
    bucket                int,
    n                     bigint,
    positives             double precision,
    highest               double precision,
    lowest                double precision,
    rate                  double precision,
    lift                  double precision,
    cumulative_n          bigint,
    cumulative_positives  double precision,
    cumulative_lift       double precision,
    gain                  double precision
);
comment on type handoff.lift_bucket is
    'A bucket of handoff.lift(): rows of neighbouring scores, as many as in the others.';
comment on column handoff.lift_bucket.bucket is 'From 1, which has the highest scores.';
comment on column handoff.lift_bucket.n is 'Rows in it; the first ones have one more if the division leaves a rest, as with ntile().';
comment on column handoff.lift_bucket.positives is 'Rows with a positive outcome. Not whole where the bucket ends among rows of one score: it then has its share of their positives.';
comment on column handoff.lift_bucket.highest is 'The highest score in it.';
comment on column handoff.lift_bucket.lowest is 'The lowest score in it: the threshold that takes the buckets up to this one.';
comment on column handoff.lift_bucket.rate is 'positives / n, from 0 to 1.';
comment on column handoff.lift_bucket.lift is 'Rate / rate of all rows; NULL if no row is positive.';
comment on column handoff.lift_bucket.cumulative_n is 'Rows of this bucket and those before it.';
comment on column handoff.lift_bucket.cumulative_positives is 'Positive rows of this bucket and those before it.';
comment on column handoff.lift_bucket.cumulative_lift is 'Rate up to and with this bucket / rate of all rows; NULL if no row is positive.';
comment on column handoff.lift_bucket.gain is 'cumulative_positives / all positives: the share that is captured, from 0 to 1; NULL if no row is positive.';

create type handoff.calibration_bucket as (
    bucket     int,
    n          bigint,
    positives  double precision,
    highest    double precision,
    lowest     double precision,
    predicted  double precision,
    observed   double precision
);
comment on type handoff.calibration_bucket is
    'A bucket of handoff.calibration(): rows of neighbouring probabilities, as many as in the others.';
comment on column handoff.calibration_bucket.bucket is 'From 1, which has the highest probabilities.';
comment on column handoff.calibration_bucket.n is 'Rows in it; the first ones have one more if the division leaves a rest, as with ntile().';
comment on column handoff.calibration_bucket.positives is 'Rows with a positive outcome. Not whole where the bucket ends among rows of one probability: it then has its share of their positives.';
comment on column handoff.calibration_bucket.highest is 'The highest probability in it.';
comment on column handoff.calibration_bucket.lowest is 'The lowest probability in it.';
comment on column handoff.calibration_bucket.predicted is 'Mean probability, from 0 to 1.';
comment on column handoff.calibration_bucket.observed is 'positives / n, from 0 to 1.';

create type handoff.calibration_result as (
    n                bigint,
    positives        bigint,
    predicted        double precision,
    observed         double precision,
    brier            double precision,
    ece              double precision,
    hosmer_lemeshow  double precision,
    buckets          handoff.calibration_bucket[]
);
comment on type handoff.calibration_result is 'What handoff.calibration() returns: do probabilities come true?';
comment on column handoff.calibration_result.n is 'Rows counted.';
comment on column handoff.calibration_result.positives is 'Rows with a positive outcome.';
comment on column handoff.calibration_result.predicted is 'Mean probability, from 0 to 1.';
comment on column handoff.calibration_result.observed is 'positives / n, from 0 to 1.';
comment on column handoff.calibration_result.brier is 'Brier score: mean of (probability - outcome)^2, 0 is best; observed * (1 - observed) is what always saying the observed rate gives.';
comment on column handoff.calibration_result.ece is 'Expected calibration error: mean over the rows of abs(predicted - observed) of their bucket, 0 is best.';
comment on column handoff.calibration_result.hosmer_lemeshow is 'Hosmer-Lemeshow statistic: sum over the buckets of n * (predicted - observed)^2 / (predicted * (1 - predicted)). About chi-squared with as many degrees of freedom as buckets, two less on the rows that the model was fitted to. Infinity if what was certain did not happen.';
comment on column handoff.calibration_result.buckets is 'The buckets, highest probabilities first.';

create type handoff.logistic_model as (
    coefficients     double precision[],
    standard_errors  double precision[],
    n                bigint,
    positives        bigint,
    ridge            double precision,
    log_likelihood   double precision,
    iterations       int
);
comment on type handoff.logistic_model is
    'What handoff.logistic_fit() returns: log(p / (1 - p)) = coefficients[1] + coefficients[2] * features[1] + ..';
comment on column handoff.logistic_model.coefficients is 'The intercept, then one for each feature: what log odds gain by one unit of it.';
comment on column handoff.logistic_model.standard_errors is 'Of each coefficient: root of the diagonal of the inverse of X''WX + ridge * I (no ridge for the intercept).';
comment on column handoff.logistic_model.n is 'Rows counted.';
comment on column handoff.logistic_model.positives is 'Rows with a positive outcome.';
comment on column handoff.logistic_model.ridge is 'The ridge that was asked for.';
comment on column handoff.logistic_model.log_likelihood is 'Of the rows under the model, without the penalty; the deviance is -2 times it.';
comment on column handoff.logistic_model.iterations is 'Steps of Newton''s method.';

-- State --------------------------------------------------------------------------------------------

create function handoff.tally_combine(bytea, bytea) returns bytea
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_tally_combine';
comment on function handoff.tally_combine(bytea, bytea) is
    'Two partial states of auc(), lift(), calibration() or logistic_fit() as one. Errors: 0A000 (not called by an aggregate), 22P03 (not such a state), 22023, 2202E (of different aggregates), 53400 (too many distinct rows for maintenance_work_mem). A state of more than 1 GB can''t be passed between processes: 54000.';

create function handoff.auc_step(bytea, score double precision, outcome boolean) returns bytea
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_auc_step';
comment on function handoff.auc_step(bytea, double precision, boolean) is
    'State of auc() after one more row. Errors: those of auc(), 0A000 (not called by an aggregate).';

create function handoff.auc_final(bytea) returns double precision
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_auc_final';
comment on function handoff.auc_final(bytea) is
    'The result of auc() from its state. Error: 22P03 (not such a state).';

create function handoff.lift_step(bytea, score double precision, outcome boolean, buckets int) returns bytea
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_lift_step';
comment on function handoff.lift_step(bytea, double precision, boolean, int) is
    'State of lift() after one more row. Errors: those of lift(), 0A000 (not called by an aggregate).';

create function handoff.lift_final(bytea) returns handoff.lift_bucket[]
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_lift_final';
comment on function handoff.lift_final(bytea) is
    'The result of lift() from its state. Error: 22P03 (not such a state).';

create function handoff.calibration_step(bytea, probability double precision, outcome boolean, buckets int) returns bytea
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_calibration_step';
comment on function handoff.calibration_step(bytea, double precision, boolean, int) is
    'State of calibration() after one more row. Errors: those of calibration(), 0A000 (not called by an aggregate).';

create function handoff.calibration_final(bytea) returns handoff.calibration_result
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_calibration_final';
comment on function handoff.calibration_final(bytea) is
    'The result of calibration() from its state. Error: 22P03 (not such a state).';

create function handoff.logistic_step(bytea, outcome boolean, features double precision[], ridge double precision) returns bytea
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_logistic_step';
comment on function handoff.logistic_step(bytea, boolean, double precision[], double precision) is
    'State of logistic_fit() after one more row. Errors: those of logistic_fit(), 0A000 (not called by an aggregate).';

create function handoff.logistic_final(bytea) returns handoff.logistic_model
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_logistic_final';
comment on function handoff.logistic_final(bytea) is
    'The result of logistic_fit() from its state. Errors: LH060, 22P03 (not such a state).';

create function handoff.logistic_predict(coefficients double precision[], features double precision[]) returns double precision
    language c immutable strict parallel safe as 'MODULE_PATHNAME', 'lh_logistic_predict';
comment on function handoff.logistic_predict(double precision[], double precision[]) is
    'The probability that a model gives: 1 / (1 + exp(-(coefficients[1] + coefficients[2] * features[1] + ..))), from 0 to 1; NULL if a number is NULL. Error 2202E: not one coefficient more than features, or arrays of several dimensions.';

create function handoff.kaplan_meier_step(bytea, seconds double precision, happened boolean, shares double precision[]) returns bytea
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_kaplan_meier_step';
comment on function handoff.kaplan_meier_step(bytea, double precision, boolean, double precision[]) is
    'State of kaplan_meier() after one more row. Errors: those of kaplan_meier(), 0A000 (not called by an aggregate).';

create function handoff.kaplan_meier_combine(bytea, bytea) returns bytea
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_kaplan_meier_combine';
comment on function handoff.kaplan_meier_combine(bytea, bytea) is
    'Two partial states of kaplan_meier() as one. Errors: 0A000 (not called by an aggregate), 22P03 (not such a state), 22023 (of different shares). A state of more than 1 GB can''t be passed between processes: 54000.';

create function handoff.kaplan_meier_final(bytea) returns double precision[]
    language c immutable parallel safe as 'MODULE_PATHNAME', 'lh_kaplan_meier_final';
comment on function handoff.kaplan_meier_final(bytea) is
    'The result of kaplan_meier() from its state. Error: 22P03 (not such a state).';

-- Aggregates ---------------------------------------------------------------------------------------
-- sspace is what a small state takes, with its memory context: of many groups the planner then sorts, rather
-- than have a context each for all of them at once.

create aggregate handoff.auc(score double precision, outcome boolean) (
    sfunc = handoff.auc_step,
    stype = bytea,
    sspace = 2048,
    finalfunc = handoff.auc_final,
    combinefunc = handoff.tally_combine,
    parallel = safe
);
comment on aggregate handoff.auc(double precision, boolean) is
    'Area under the ROC curve: the share of pairs of a positive and a negative row in which the positive one has the higher score, ties counting half (Mann-Whitney U / pairs; Fawcett 2006). 1 is perfect, 0.5 is chance. Rows with a NULL are left out; NULL unless both outcomes occur. Errors: 22003 (a score is NaN), 53400 (too many distinct scores for maintenance_work_mem).';

create aggregate handoff.lift(score double precision, outcome boolean, buckets int) (
    sfunc = handoff.lift_step,
    stype = bytea,
    sspace = 2048,
    finalfunc = handoff.lift_final,
    combinefunc = handoff.tally_combine,
    parallel = safe
);
comment on aggregate handoff.lift(double precision, boolean, int) is
    'Rows in buckets of equal size by descending score, with rate of positive outcomes, lift and gain of each: unnest() the array. Where a bucket ends among rows of one score it has its share of their positives. Rows with a NULL score or outcome are left out; NULL if there are no others. Errors: 22023 (buckets not from 1 to 10000, or not the same in all rows), 22003 (a score is NaN), 53400 (too many distinct scores for maintenance_work_mem).';

create aggregate handoff.calibration(probability double precision, outcome boolean, buckets int) (
    sfunc = handoff.calibration_step,
    stype = bytea,
    sspace = 2048,
    finalfunc = handoff.calibration_final,
    combinefunc = handoff.tally_combine,
    parallel = safe
);
comment on aggregate handoff.calibration(double precision, boolean, int) is
    'Do probabilities come true? Brier score, expected calibration error and Hosmer-Lemeshow statistic, and predicted beside observed rate in buckets of equal size by descending probability. Rows with a NULL probability or outcome are left out; NULL if there are no others. Errors: 22023 (buckets not from 1 to 10000, or not the same in all rows), 22003 (a probability is not from 0 to 1), 53400 (too many distinct ones for maintenance_work_mem).';

create aggregate handoff.logistic_fit(outcome boolean, features double precision[], ridge double precision) (
    sfunc = handoff.logistic_step,
    stype = bytea,
    sspace = 2048,
    finalfunc = handoff.logistic_final,
    combinefunc = handoff.tally_combine,
    parallel = safe
);
comment on aggregate handoff.logistic_fit(boolean, double precision[], double precision) is
    'Logistic regression: the coefficients that maximize log-likelihood - ridge / 2 * (sum of squared coefficients without the intercept), by Newton''s method (Hastie, Tibshirani, Friedman 2009, 4.4). ridge 0 is plain maximum likelihood. Rows with a NULL outcome, features or feature are left out; NULL unless both outcomes occur. Errors: LH060 (collinear features, or outcomes that they separate, with too small a ridge), 22023 (ridge negative, infinite, NULL or not the same in all rows), 22003 (a feature is NaN or infinite), 2202E (rows with different numbers of features, or of several dimensions), 54000 (more than 1000 features), 53400 (too many distinct rows for maintenance_work_mem).';

create aggregate handoff.kaplan_meier(seconds double precision, happened boolean, shares double precision[]) (
    sfunc = handoff.kaplan_meier_step,
    stype = bytea,
    sspace = 2048,
    finalfunc = handoff.kaplan_meier_final,
    combinefunc = handoff.kaplan_meier_combine,
    parallel = safe
);
comment on aggregate handoff.kaplan_meier(double precision, boolean, double precision[]) is
    'After how long has it happened to the given shares (0.5: the median) of all rows, those included to which it has not happened yet? seconds is how long it took, or, where happened is false, how long at least. An array beside shares; an element is NULL where it has not happened to so many. The estimate of Kaplan and Meier (1958): at each time the share that still waits is multiplied by 1 - (rows of that time) / (rows that have waited at least as long); the result is the first time at which no more than 1 - share still waits. Where all have happened it is percentile_disc(). Rows with a NULL in seconds or happened are left out; NULL if there are no others. Errors: 22003 (seconds negative or NaN), 22023 (shares not from above 0 to 1, none, more than 100, or not the same in all rows), 54000 (too many rows for one state).';

revoke all on function handoff.tally_combine(bytea, bytea) from public;
revoke all on function handoff.auc_step(bytea, double precision, boolean) from public;
revoke all on function handoff.auc_final(bytea) from public;
revoke all on function handoff.lift_step(bytea, double precision, boolean, int) from public;
revoke all on function handoff.lift_final(bytea) from public;
revoke all on function handoff.calibration_step(bytea, double precision, boolean, int) from public;
revoke all on function handoff.calibration_final(bytea) from public;
revoke all on function handoff.auc(double precision, boolean) from public;
revoke all on function handoff.lift(double precision, boolean, int) from public;
revoke all on function handoff.calibration(double precision, boolean, int) from public;
revoke all on function handoff.logistic_step(bytea, boolean, double precision[], double precision) from public;
revoke all on function handoff.logistic_final(bytea) from public;
revoke all on function handoff.logistic_predict(double precision[], double precision[]) from public;
revoke all on function handoff.logistic_fit(boolean, double precision[], double precision) from public;
revoke all on function handoff.kaplan_meier_step(bytea, double precision, boolean, double precision[]) from public;
revoke all on function handoff.kaplan_meier_combine(bytea, bytea) from public;
revoke all on function handoff.kaplan_meier_final(bytea) from public;
revoke all on function handoff.kaplan_meier(double precision, boolean, double precision[]) from public;
