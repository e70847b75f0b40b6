#!/bin/bash
# dev/stress.sh: what takes a quarter of an hour to try. Ends with one line "N passed, N failed".
#
#   dev/stress.sh                   every part of test/stress, in the order of their names
#   dev/stress.sh 10-criteria       only these
#   LH_SEED=7 ..                    what make stress printed; without one a random seed is drawn
#   LH_STRESS_SCALE=0.1 ..          a share of the work
#
# A part is a script in SQL or Perl with a database of its own, in which the extension is installed. It
# prints "ok - what" or "not ok - what" for each thing it tried; an error counts as one that failed. SQL
# gets the variables seed (-1 to 1, for setseed), scale and the function verdict().
. "$(dirname "$0")/lib.sh"

export LH_SEED=${LH_SEED:-$((RANDOM * 32768 + RANDOM))}
export LH_STRESS_SCALE=${LH_STRESS_SCALE:-1}
set -o pipefail

build_packages
build
make_workdir
trap stop_cluster EXIT
mkdir "$LH_TMP/tree/test"
cp -a test/stress test/sql "$LH_TMP/tree/test/"
if [ "$(id -u)" = 0 ]; then chown -R "$PG_USER" "$LH_TMP/tree"; fi
start_cluster
cd "$LH_TMP/tree"

wants() { [ $# -eq 1 ] || case " ${*:2} " in *" $1 "*) true ;; *) false ;; esac }

run_sql() {
    psql_q -d stress -At -v scale="$LH_STRESS_SCALE" \
        -v seed="$(awk -v s="$LH_SEED" 'BEGIN { printf "%.9f", (s % 2000003) / 1000001.5 - 1 }')" -f "$1"
}
run_pl() { as_pg env PATH="$("$PG_CONFIG" --bindir):$PATH" PGDATABASE=stress perl "$1"; }

passed=0 failed=0
say "seed $LH_SEED, scale $LH_STRESS_SCALE"
for part in test/stress/[0-9]*; do
    name=$(basename "${part%.*}")
    wants "$name" "$@" || continue
    say "$name"
    psql_q -d postgres -c 'set client_min_messages = warning' -c 'drop database if exists stress with (force)' -c 'create database stress'
    psql_q -d stress -c 'create extension lead_handoff' -c "create function public.verdict(good boolean, what text) returns text language sql
        return case when good then 'ok - ' else 'not ok - ' end || what"
    rc=0
    "run_${part##*.}" "$part" 2>&1 | sed -u -e 's/^psql:[^ ]* //' -e '/^$/d' | tee "$LH_TMP/part.log" || rc=$?
    passed=$((passed + $(grep -c '^ok - ' "$LH_TMP/part.log" || true)))
    failed=$((failed + $(grep -c '^not ok - ' "$LH_TMP/part.log" || true)))
    if [ $rc -ne 0 ]; then echo "not ok - $name ends with an error"; failed=$((failed + 1)); fi
done
[ "$failed" -eq 0 ] || say "to see it again: LH_SEED=$LH_SEED LH_STRESS_SCALE=$LH_STRESS_SCALE"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
