#!/bin/bash
# dev/test.sh: every suite, from a bare machine. Ends with one line "N passed, N failed[, N skipped]".
#
#   dev/test.sh                 all suites
#   dev/test.sh regress pgtap   only these (regress, isolation, pgtap, tap)
#
# Autovacuum stays away: where it cuts off the end of a catalog, what a tick() needs is locked, and that waits 50 ms.
LH_CONF="fsync = off
autovacuum_naptime = '30min'"
. "$(dirname "$0")/lib.sh"

build_packages
need_packages "postgresql-$LH_PG-pgtap" libtap-parser-sourcehandler-pgtap-perl libipc-run-perl cmark-gfm
LH_CFLAGS=-Werror build

make_workdir
trap stop_cluster EXIT
for part in Makefile README.md CHANGELOG.md LICENSE lead_handoff.control expected sql src test demo dev docs examples; do
    if [ -e $part ]; then cp -a $part "$LH_TMP/tree/"; fi
done
if [ "$(id -u)" = 0 ]; then chown -R "$PG_USER" "$LH_TMP/tree"; fi
start_cluster
cd "$LH_TMP/tree"

suites=${*:-regress isolation pgtap tap}
wants() { case " $suites " in *" $1 "*) true ;; *) false ;; esac }

# What only the examples and their tests need; a test whose part can't be had says so and is skipped. The module pg comes
# with Debian's node; where npm is there it comes by that, into our own folder.
need_examples() {
    need_packages python3-jsonschema || true
    NODE_PATH=/usr/share/nodejs
    if ! command -v npm >/dev/null; then
        need_packages nodejs node-pg || true
    elif ! NODE_PATH=$NODE_PATH node -e "require('pg')" 2>/dev/null; then
        say "npm ci"
        mkdir "$LH_TMP/node"
        cp examples/dispatcher/package*.json "$LH_TMP/node/"
        if (cd "$LH_TMP/node" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1); then
            NODE_PATH=$LH_TMP/node/node_modules
        else
            cat "$LH_TMP/node/npm.log"
        fi
    fi
    export NODE_PATH
}

compiles() { "$1" -version >/dev/null 2>&1; }

# Drivers that BI tools read views with, for test/t/drivers.pl. Eclipse's compiler of Java does what a JDK does, in 70 MB less; that
# of Debian 13 does not find itself.
need_drivers() {
    need_packages libpostgresql-jdbc-java || true
    compiles javac || need_packages default-jre-headless ecj || true
    compiles javac || compiles ecj || need_packages default-jdk-headless || true
    need_packages odbc-postgresql python3-pyodbc || true
    need_packages python3-sqlalchemy python3-psycopg2 || true
}

# Jobs ---------------------------------------------------------------------------------------------
#
# A job is a suite and, where that has files of its own, one of these: "regress", "tap test/t/bank.pl". All lie in
# one queue, which as many hands work off as there are processors, two at most.

run_regress() { as_pg make -s with_llvm=no PG_CONFIG="$PG_CONFIG" installcheck ISOLATION=; }
# In a folder of its own: both write results/ and regression.diffs.
run_isolation() {
    as_pg mkdir isolation
    as_pg cp -a Makefile lead_handoff.control expected test isolation/
    as_pg make -s -C isolation with_llvm=no PG_CONFIG="$PG_CONFIG" installcheck REGRESS=
}

# A database for each hand, in which a file leaves nothing behind.
run_pgtap() {
    local db=lh_pgtap_$hand
    psql_q -d postgres -At -c "select from pg_database where datname = '$db'" | grep -q '' ||
        psql_q -d postgres -c "create database $db" -c "\\c $db" -c 'create extension pgtap' -c 'create extension lead_handoff'
    as_pg env PATH="$("$PG_CONFIG" --bindir):$PATH" pg_prove -v -d "$db" "$1"
}

# A file has servers of its own.
run_tap() {
    as_pg env PATH="$("$PG_CONFIG" --bindir):$PATH" NODE_PATH="$NODE_PATH" PG_REGRESS="$(dirname "$("$PG_CONFIG" --pgxs)")/../test/regress/pg_regress" \
        TESTDATADIR="$LH_TMP/tree/tmp_check" TESTLOGDIR="$LH_TMP/tree/tmp_check/log" \
        PERL5LIB="$LH_TMP/tree/test/t:$(dirname "$("$PG_CONFIG" --pgxs)")/../../src/test/perl" \
        prove -v "$1"
}

# In the order in which they begin: what takes minutes must not be the last.
list_jobs() {
    local slow="suggest bank demo" file
    if wants tap; then for file in $slow; do echo "tap test/t/$file.pl"; done; fi
    if wants isolation; then echo isolation; fi
    if wants regress; then echo regress; fi
    if wants tap; then
        for file in test/t/*.pl; do
            case " $slow " in *" $(basename "$file" .pl) "*) ;; *) echo "tap $file" ;; esac
        done
    fi
    if wants pgtap; then for file in test/pgtap/*.sql; do echo "pgtap $file"; done; fi
}

# Print the next job of the queue and take it out; false if none is left.
next_job() (
    flock 9
    sed -n '1p' jobs/queue | grep . && sed -i '1d' jobs/queue
) 9>jobs/lock

# work HAND: job after job; what one prints is jobs/SUITE.NAME.log, its exit code the same with .rc.
work() {
    local hand=$1 job suite file out rc began
    while job=$(next_job); do
        read -r suite file <<<"$job"
        out=jobs/$suite${file:+.$(basename "$file")}
        rc=0
        began=$SECONDS
        "run_$suite" "$file" >"$out.log" 2>&1 || rc=$?
        echo "$rc" >"$out.rc"
        printf '%4d s  %s%s\n' $((SECONDS - began)) "$job" "$([ "$rc" -eq 0 ] || echo '  FAILED')"
    done
}

# Counts -------------------------------------------------------------------------------------------

passed=0 failed=0 skipped=0

# count_lines LOG PATTERN
count_lines() { grep -cE "$2" "$1" || true; }

# pg_regress prints "test name ... ok 12 ms" (15) or "ok 1 - name" (16+)
count_regress() {
    local log=$1.log ok bad
    ok=$(count_lines "$log" '^(test +\S+ +\.\.\. ok|ok [0-9]+ )')
    bad=$(count_lines "$log" '^(test +\S+ +\.\.\. FAILED|not ok [0-9]+ )')
    [ $((ok + bad)) -gt 0 ] || { bad=1; cat "$log"; }
    passed=$((passed + ok)) failed=$((failed + bad))
    grep -E '^test |^ok |^not ok ' "$log" || true
}

# prove -v prints a line a test; a plan of "skip_all" is one skip
count_prove() {
    local log=$1.log ok bad skip
    skip=$(count_lines "$log" '^ok [0-9]+ .*# (skip|SKIP)|^1\.\.0 # (skip|SKIP)')
    ok=$(($(count_lines "$log" '^ok [0-9]+') - $(count_lines "$log" '^ok [0-9]+ .*# (skip|SKIP)')))
    bad=$(count_lines "$log" '^not ok [0-9]+')
    if [ "$(cat "$1.rc")" -ne 0 ]; then
        [ "$bad" -gt 0 ] || bad=1
        grep -vE '^ok [0-9]+' "$log" || true
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    grep -E '# (skip|SKIP)' "$log" || true
}

if wants tap; then
    need_examples
    need_drivers
fi
mkdir jobs
list_jobs >jobs/queue
say "$(wc -l <jobs/queue) jobs"
for hand in $(seq 1 $(($(nproc) > 1 ? 2 : 1))); do work "$hand" & done
wait
for out in jobs/*.rc; do
    case $out in
        jobs/regress.rc) count_regress "${out%.rc}"; cat regression.diffs 2>/dev/null || true ;;
        jobs/isolation.rc) count_regress "${out%.rc}"; cat isolation/regression.diffs 2>/dev/null || true ;;
        *) count_prove "${out%.rc}" ;;
    esac
done
# to look at, or to take over into expected/
[ -z "${LH_KEEP:-}" ] || cp results/*.out "$LH_KEEP/"

if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
