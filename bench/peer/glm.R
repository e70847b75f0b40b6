# bench/peer/glm.R: what R needs for S9, as SQL for bench.run and bench.claim.
#
#   Rscript glm.R rows.csv ROUNDS
#
# Reading the file is at nobody's expense. glm() is what one calls; glm.fit() is its core, given a matrix that is ready.
args <- commandArgs(TRUE)
options(digits = 17)
m <- matrix(scan(args[1], sep = ",", quiet = TRUE), ncol = 51, byrow = TRUE)
y <- m[, 1]
x <- m[, -1]
rm(m)
d <- data.frame(y, x)
record <- function(label, t)
	cat(sprintf("insert into bench.run (label, wall, cpu, wal) values ('s9 %s', %f, %f, 0);\n", label, 1000 * t[["elapsed"]], 1000 * (t[["user.self"]] + t[["sys.self"]])))
for (i in seq_len(as.integer(args[2]))) {
	record("glm", system.time(fit <- glm(y ~ ., binomial, d)))
	p <- fitted(fit)
	b <- coef(fit)
	rm(fit); invisible(gc())
	record("glm.fit", system.time(glm.fit(cbind(1, x), y, family = binomial())))
	invisible(gc())
}
auc <- (sum(rank(p)[y == 1]) - sum(y) * (sum(y) + 1) / 2) / sum(y) / sum(1 - y)
cat(sprintf("insert into bench.claim values ('R', 'fit', %.17g, '{%s}');\n", auc, paste(sprintf("%.17g", b), collapse = ",")))
