#!/bin/bash
# dev/test.sh: every suite, from a bare machine. Ends with one line "N passed, N failed[, N skipped]".
#
#   dev/test.sh                 all suites
#   dev/test.sh regress pgtap   only these (regress, isolation, pgtap, tap)
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

passed=0 failed=0 skipped=0
suites=${*:-regress isolation pgtap tap}
wants() { case " $suites " in *" $1 "*) true ;; *) false ;; esac }

# pg_regress prints "test name ... ok 12 ms" (15) or "ok 1 - name" (16+); count both
count_regress() {
    local ok bad
    ok=$(grep -cE '^(test +\S+ +\.\.\. ok|ok [0-9]+ )' "$1" || true)
    bad=$(grep -cE '^(test +\S+ +\.\.\. FAILED|not ok [0-9]+ )' "$1" || true)
    passed=$((passed + ok)) failed=$((failed + bad))
    if [ "$bad" -gt 0 ] || [ "$ok" -eq 0 ]; then
        [ "$ok" -eq 0 ] && [ "$bad" -eq 0 ] && failed=$((failed + 1)) && cat "$1"
        cat "$2" 2>/dev/null || true
    fi
}

# prove -v prints a line a test; a plan of "skip_all" is one skip
count_prove() {
    local ok bad skip
    skip=$(grep -cE '^ok [0-9]+ .*# (skip|SKIP)|^1\.\.0 # (skip|SKIP)' "$1" || true)
    ok=$(grep -cE '^ok [0-9]+' "$1" || true)
    bad=$(grep -cE '^not ok [0-9]+' "$1" || true)
    ok=$((ok - $(grep -cE '^ok [0-9]+ .*# (skip|SKIP)' "$1" || true)))
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    if [ "$2" -ne 0 ]; then
        [ "$bad" -eq 0 ] && failed=$((failed + 1))
        grep -vE '^ok [0-9]+' "$1" || true
    fi
    grep -E '# (skip|SKIP)' "$1" || true
}

if wants regress; then
    say "pg_regress"
    as_pg make -s with_llvm=no PG_CONFIG="$PG_CONFIG" installcheck ISOLATION= >regress.log 2>&1 || true
    count_regress regress.log regression.diffs
    grep -E '^test |^ok |^not ok ' regress.log || true
    # to look at, or to take over into expected/
    [ -z "${LH_KEEP:-}" ] || cp results/*.out "$LH_KEEP/"
fi
if wants isolation && ls test/specs/*.spec >/dev/null 2>&1; then
    say "isolation"
    as_pg make -s with_llvm=no PG_CONFIG="$PG_CONFIG" installcheck REGRESS= >isolation.log 2>&1 || true
    count_regress isolation.log regression.diffs
    grep -E '^test |^ok |^not ok ' isolation.log || true
fi
# prove_all SUITE FILE..: the files are dealt to two runs at once, if there are two processors; prove_SUITE proves a hand.
prove_all() {
    local suite=$1 hands hand rc runs=()
    shift
    hands=$(($(nproc) > 1 ? 2 : 1))
    for hand in $(seq 1 "$hands"); do
        "prove_$suite" "$hand" $(printf '%s\n' "$@" | awk -v hand="$hand" -v hands="$hands" 'NR % hands == hand % hands') >"$suite.$hand.log" 2>&1 &
        runs+=($!)
    done
    for hand in $(seq 1 "$hands"); do
        rc=0
        wait "${runs[hand - 1]}" || rc=$?
        count_prove "$suite.$hand.log" $rc
        grep -E '^(test/|Files=)' "$suite.$hand.log" || true
    done
}

# pgTAP: a database for each hand, in which a file leaves nothing behind.
prove_pgtap() {
    local db=lh_pgtap_$1
    shift
    [ $# -gt 0 ] || return 0
    psql_q -d postgres -c 'set client_min_messages = warning' -c "drop database if exists $db" -c "create database $db"
    psql_q -d "$db" -c 'create extension pgtap' -c 'create extension lead_handoff'
    as_pg env PATH="$("$PG_CONFIG" --bindir):$PATH" pg_prove -v -d "$db" "$@"
}

# TAP: a file has servers of its own.
prove_tap() {
    shift
    [ $# -gt 0 ] || return 0
    as_pg env PATH="$("$PG_CONFIG" --bindir):$PATH" NODE_PATH="$NODE_PATH" PG_REGRESS="$(dirname "$("$PG_CONFIG" --pgxs)")/../test/regress/pg_regress" \
        TESTDATADIR="$LH_TMP/tree/tmp_check" TESTLOGDIR="$LH_TMP/tree/tmp_check/log" \
        PERL5LIB="$LH_TMP/tree/test/t:$(dirname "$("$PG_CONFIG" --pgxs)")/../../src/test/perl" \
        prove -v "$@"
}

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

# Drivers that BI tools read views with, for test/t/drivers.pl. Eclipse's compiler of Java does what a JDK does, in 70 MB less.
need_drivers() {
    need_packages libpostgresql-jdbc-java || true
    command -v javac >/dev/null || need_packages default-jre-headless ecj || true
    need_packages odbc-postgresql python3-pyodbc || true
    need_packages python3-sqlalchemy python3-psycopg2 || true
}

if wants pgtap; then
    say "pgTAP"
    prove_all pgtap test/pgtap/*.sql
fi
if wants tap; then
    need_examples
    need_drivers
    say "TAP"
    prove_all tap test/t/*.pl
fi

if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
