#!/bin/bash
# dev/bench.sh: the figures of docs/speed.md, each as a ratio within this run.
#
#   dev/bench.sh                 all of them
#   dev/bench.sh S3 S5           only these
#   LH_BENCH_SCALE=0.05 ..       with that share of the rows and seconds
#   LH_BENCH_ROUNDS=5 ..         rounds of each bulk test (3)
#
# Both sides of a ratio write with the same durability: fsync and synchronous_commit are on. Autovacuum
# and checkpoints by time are off while we measure: they would hit one side or the other by chance.
LH_CONF="synchronous_commit = on
autovacuum = off
checkpoint_timeout = '1h'
jit = off
max_connections = 100
max_parallel_workers_per_gather = 0"
. "$(dirname "$0")/lib.sh"

SCALE=${LH_BENCH_SCALE:-1}
ROUNDS=${LH_BENCH_ROUNDS:-3}
scaled() { awk -v n="$1" -v s="$SCALE" -v least="${2:-1}" 'BEGIN { v = int(n * s); print v < least ? least : v }'; }

items=${*:-S1 S2 S3 S4 S5 S6 S7 S8 S9 S10 R1 R2 R3 R4 B1 B2 N1}
wants() { case " $items " in *" $1 "*) true ;; *) false ;; esac }

build_packages
build
make_workdir
trap stop_cluster EXIT
cp -a bench "$LH_TMP/tree/"
if [ "$(id -u)" = 0 ]; then chown -R "$PG_USER" "$LH_TMP/tree"; fi
start_cluster
cd "$LH_TMP/tree/bench"

BIN=$("$PG_CONFIG" --bindir)
sql() { psql_q -d bench -At "$@"; }
fresh() {
    psql_q -d postgres -c 'set client_min_messages = warning' -c 'drop database if exists bench with (force)' -c 'create database bench'
    sql -f lib.sql >/dev/null 2>&1
}
# The rows of 40 columns, n of them, in bench.rows.
make_rows() {
    sql -c "call bench.make_table('rows', 'unlogged')" \
        -c "do \$\$ begin execute 'insert into bench.rows select ' || bench.expressions() || ' from generate_series(1, $1) g'; end \$\$" \
        -c 'vacuum analyze bench.rows'
}
attach() {
    sql -c "select handoff.attach('bench.$1', 'lead', mapping => bench.mapping(), since => '-infinity')" >/dev/null 2>&1
}
# Print the figures of this database; keep them for the summary.
show() {
    sql -F '|' -c "select item, what, measured, target, verdict, note from bench.figure order by n" |
        tee -a "$LH_TMP/figures" |
        awk -F'|' '{ printf "%-4s %-58s %12s  %-10s %-8s %s\n", $1, $2, $3, $4, $5, $6 }'
}

say "$("$BIN/postgres" --version), $(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg), scale $SCALE, fsync on"

if wants S1; then
    rows=$(scaled 1000000 1000) sample=$(scaled 5000 200)
    fresh
    make_rows "$rows"
    sql -c 'call bench.make_contract()'
    attach rows
    sql -c 'truncate handoff.inbox' -v sample="$sample" -f s1_prepare.sql >/dev/null
    for round in $(seq 1 "$ROUNDS"); do
        sql -v sample="$sample" -f s1.sql >/dev/null
    done
    sql -v rows="$rows" -v sample="$sample" -f s1_report.sql >/dev/null
    show
fi
if wants S2; then
    rows=$(scaled 100000 2000) sample=$(scaled 2000 200)
    # the objects of src/rules and a few entry points of the bench, as a library that only this database loads
    gcc -O2 -g -fPIC -shared -Wl,-Bsymbolic -I"$LH_ROOT/src" -I"$("$PG_CONFIG" --includedir-server)" -o "$LH_TMP/tree/s2.so" \
        "$LH_ROOT/bench/s2.c" "$LH_ROOT"/src/rules/*.o "$LH_ROOT/src/json.o" -lm
    fresh
    sql -v library="$LH_TMP/tree/s2.so" -f s2_books.sql >/dev/null
    make_rows "$rows"
    sql -v rows="$rows" -v sample="$sample" -v rounds="$ROUNDS" -f s2.sql >/dev/null
    sql -v rows="$rows" -v sample="$sample" -f s2_report.sql >/dev/null
    show
fi

if wants S3; then
    rows=$(scaled 1000000 1000)
    fresh
    make_rows "$rows"
    sql -c "copy bench.rows to '$LH_TMP/tree/rows.copy'" \
        -c 'call bench.make_contract()' -c "call bench.make_table('bare')" -c "call bench.make_table('captured')"
    attach captured
    for round in $(seq 1 "$ROUNDS"); do
        sql -v rows="$rows" -v round="$round" -v file="$LH_TMP/tree/rows.copy" -f s3.sql
    done
    sql -v rows="$rows" -f s3_report.sql
    show
    rm "$LH_TMP/tree/rows.copy"
fi

if wants S4; then
    rows=$(scaled 100000 1000) sample=$(scaled 2000 200)
    fresh
    make_rows "$rows"
    sql -c 'call bench.make_contract(1000)' -f s4_prepare.sql -f peer/triggers.sql >/dev/null
    attach lead
    for round in $(seq 1 "$ROUNDS"); do
        sql -v sample="$sample" -f s4.sql
    done
    sql -v rows="$rows" -v sample="$sample" -f s4_report.sql
    show
fi

if wants R1; then
    rows=$(scaled 100000 1000)
    fresh
    make_rows "$rows"
    sql -c 'call bench.make_contract()' -f s4_prepare.sql -f r1_prepare.sql >/dev/null
    attach lead
    for round in $(seq 1 "$ROUNDS"); do
        sql -v file="$LH_TMP/tree/map.copy" -f r1.sql >/dev/null
    done
    sql -v rows="$rows" -f r1_report.sql >/dev/null
    show
    rm "$LH_TMP/tree/map.copy"
fi

if wants R3; then
    seconds=$(scaled 10 2)
    # give WAY CLIENTS: offer leads for some seconds, give out what still waits, keep what came of it
    give() {
        sql -c 'call bench.empty_r3()' -c checkpoint
        as_pg env PGHOST="$PGHOST" PGOPTIONS="-c lead_handoff.inline_limit=$([ "$1" = tick ] && echo 0 || echo 200)" \
            "$BIN/pgbench" -n -M prepared -c "$2" -j 2 -T "$seconds" -D i=0 -f "r3_$1.pgbench" bench >"$LH_TMP/pgbench.log" 2>&1 ||
            { cat "$LH_TMP/pgbench.log"; exit 1; }
        sql -c "call bench.keep_r3('$1', $2, $seconds, $(sed -n 's/^number of failed transactions: \([0-9]*\).*/\1/p' "$LH_TMP/pgbench.log"))"
    }
    for pools in 1 40; do
        fresh
        make_rows 200
        sql -c 'call bench.make_contract()' -c "call bench.make_table('single')" -v pools=$pools -f r3_prepare.sql >/dev/null
        attach single
        sql -c 'insert into bench.single select * from bench.rows' -c 'select handoff.tick()' -f plain.sql -v pools=$pools -f r3.sql >/dev/null
        for clients in 1 4 16; do
            for way in ours for_update skip_locked advisory counted; do give $way $clients; done
        done
        give tick 16
        for way in ours_10 for_update_10 advisory_10; do give $way 16; done
        sql -f r3_report.sql >/dev/null
        show
    done
fi

if wants R4; then
    rows=$(scaled 100000 1000) accounts=100000
    fresh
    make_rows "$rows"
    sql -c 'call bench.make_contract()' -f s4_prepare.sql -v rows="$rows" -v accounts="$accounts" -f r4_prepare.sql >/dev/null
    sql -c 'call bench.start()' -c "select handoff.attach('bench.account', 'account', mapping => '{\"owner\": \"owner_id\"}')" \
        -c 'call bench.tick_all()' -c "call bench.stop('r4 accounts')" >/dev/null
    attach lead
    for round in $(seq 1 "$ROUNDS"); do
        sql -f r4.sql >/dev/null
    done
    sql -v rows="$rows" -v accounts="$accounts" -f r4_report.sql >/dev/null
    show
fi

if wants B1; then
    leads=$(scaled 20000 200)
    fresh
    { echo "set demo.leads = $leads;"; cat "$LH_ROOT"/demo/[0-9]*.sql; } | sql >/dev/null
    grep -v -e '^create extension' -e 'handoff.setup()' "$LH_ROOT/demo/session.sql" | sql >/dev/null 2>&1
    sql -c 'alter database bench set lead_handoff.inline_limit = 0'
    for day in 2026-02-01 2026-03-01 2026-04-01 2026-05-01 2026-06-01 2026-07-01; do
        sql -c "call demo.run('$day', '4 hours')" >/dev/null
    done
    sql -c 'select handoff.draft()' -c "update handoff.score_rule set points = points + 5 where contract_id = 2 and points > 0" -c analyze >/dev/null
    for round in $(seq 1 "$ROUNDS"); do
        sql -f b1.sql >/dev/null
    done
    sql -f b1_report.sql >/dev/null
    show
fi
if wants B2; then
    leads=$(scaled 1000000 2000)
    fresh
    sql -c 'alter database bench set lead_handoff.inline_limit = 0'
    make_rows "$leads"
    sql -c 'call bench.make_contract(1000)' -c "call bench.make_table('captured')"
    attach captured
    sql -c 'insert into bench.captured select * from bench.rows' -c 'drop table bench.rows' -c 'call bench.tick_all()' -c analyze
    # a tenth of them changes
    sql -c "update bench.captured set visits = visits + 12, rating = 'Hot' where hashtext(id::text) % 10 = 0" -c 'call bench.tick_all()' -c 'vacuum analyze'
    sql -c 'select handoff.draft()' -c 'update handoff.score_rule set points = points + 1 where contract_id = 2 and points > 0' >/dev/null
    sql -f b2.sql >/dev/null
    show
fi

if wants S5; then
    seconds=$(scaled 10 2)
    fresh
    make_rows 2000
    sql -c 'call bench.make_contract()' -c "call bench.make_table('single')"
    attach single
    sql -c 'insert into bench.single select * from bench.rows' -c 'select handoff.tick()' -f plain.sql -f s5.sql >/dev/null
    # bench LABEL SCRIPT..: 16 clients; keeps transactions a second as the time of one, in ms
    tps() {
        local label=$1 tps
        shift
        sql -c 'call bench.empty()' -c checkpoint
        as_pg env PGHOST="$PGHOST" "$BIN/pgbench" -n -M prepared -c 16 -j 2 -T "$seconds" -D i=0 \
            $(printf -- '-f %s ' "$@") bench >"$LH_TMP/pgbench.log" 2>&1 || { cat "$LH_TMP/pgbench.log"; exit 1; }
        tps=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$LH_TMP/pgbench.log")
        sql -c "insert into bench.run (label, wall, cpu, wal) values ('s5 $label', 1000 / $tps, 0, 0)"
    }
    for round in $(seq 1 "$ROUNDS"); do
        tps bare bare.pgbench
        tps ours ours.pgbench
        sql -c "select 's5: ' || count(*) || ' leads not decided' from bench.single s where not exists (select from handoff.lead where lead_key = s.id) having count(*) > 0"
        tps plain plain_stayed.pgbench@9 plain_passed.pgbench@1
        sql -c begin -c 'select pg_current_xact_id()' -c "select pg_sleep($seconds + 5)" >/dev/null &
        idle=$!
        tps idle ours.pgbench
        wait $idle
    done
    sql -f s5_report.sql
    show
fi

if wants S9; then
    rows=$(scaled 1000000 1000)
    need_packages r-base-core || true
    fresh
    sql -v rows="$rows" -f s9_prepare.sql >/dev/null
    for round in $(seq 1 "$ROUNDS"); do
        sql -f s9.sql >/dev/null
    done
    if command -v Rscript >/dev/null; then
        sql -c "copy (select y::int, $(seq -s, -f 'x[%g]' 1 50) from bench.sample order by id) to '$LH_TMP/tree/sample.csv' (format csv)"
        as_pg Rscript --vanilla peer/glm.R "$LH_TMP/tree/sample.csv" "$ROUNDS" >"$LH_TMP/tree/glm.sql"
        sql -f "$LH_TMP/tree/glm.sql"
        rm "$LH_TMP/tree/sample.csv"
    fi
    sql -v rows="$rows" -f s9_report.sql >/dev/null
    show
fi

if wants S10; then
    rows=$(scaled 1000000 1000)
    fresh
    make_rows "$rows"
    sql -c 'call bench.make_contract()' -c "call bench.make_table('bare')" -c "call bench.make_table('captured')" -f s10.sql
    attach captured
    rss() { sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status" 2>/dev/null || true; }
    # run LABEL SQL: run it in a backend of its own and keep the largest RssAnon seen
    run() {
        local pid now peak=0 client
        sql -c "set application_name = 's10'" -c "$2" >/dev/null 2>&1 &
        client=$!
        pid=$(sql -c "call bench.find('s10', null)")
        while kill -0 $client 2>/dev/null; do
            now=$(rss "$pid")
            [ "${now:-0}" -gt "$peak" ] && peak=$now
            sleep 0.02
        done
        wait $client || true
        sql -c "insert into bench.run (label, wall, cpu, wal) values ('s10 $1', $peak / 1024.0, 0, 0)"
    }
    # cancel SQL: cancel it at ten moments of its course
    cancel() {
        local i client pid
        for i in $(seq 1 10); do
            sql -c "set application_name = 's10'" -c "$2" >/dev/null 2>&1 &
            client=$!
            sql -c "call bench.cancel('s10', '$1', $i / 11.0 * $(sql -c "select bench.median('s10 time $1')"))"
            wait $client || true
        done
    }
    insert='insert into bench.captured select * from bench.rows'
    run bare 'insert into bench.bare select * from bench.rows'
    sql -c 'call bench.start()' -c "$insert" -c "call bench.stop('s10 time insert')"
    sql -c 'truncate bench.captured, handoff.inbox'
    run captured "$insert"
    sql -c 'truncate bench.captured, handoff.inbox'
    cancel insert "$insert"
    sql -c "$insert" -c 'delete from handoff.inbox where ctid not in (select ctid from handoff.inbox limit 20000)' \
        -c 'call bench.start()' -c 'begin' -c 'select handoff.tick()' -c rollback -c "call bench.stop('s10 time tick')" >/dev/null
    cancel tick 'begin; select handoff.tick(); rollback'
    run tick 'begin; select handoff.tick(); rollback'
    sql -v rows="$rows" -f s10_report.sql
    show
fi

if wants R2; then
    rows=$(scaled 100000 1000)
    fresh
    for round in $(seq 1 "$ROUNDS"); do
        sql -v rows="$rows" -v first="$([ "$round" = 1 ] && echo true || echo false)" -f r2.sql >/dev/null 2>&1
    done
    sql -v rows="$rows" -f r2_report.sql >/dev/null
    show
fi

if wants S6; then
    many=$(scaled 1000000 10000) few=$((many / 10)) due=$((many / 100)) seeds=$((many / 1000))
    fresh
    sql -v seeds="$seeds" -f s6_prepare.sql >/dev/null
    copied=0
    for size in few many; do
        copies=$((${!size} / seeds))
        sql -c "call bench.copy_seeds($copied + 1, $copies)" -c 'vacuum analyze' -c checkpoint
        copied=$copies
        for round in $(seq 1 "$ROUNDS"); do
            sql -v size=$size -f s6_idle.sql >/dev/null
            for spread in false true; do
                sql -c "call bench.due_tick('s6 $size $spread', $due, $copies, $spread)" -c 'vacuum handoff.clock, handoff.lead, handoff.handoff, handoff.event, handoff.outbox'
            done
        done
    done
    sql -v many="$many" -v few="$few" -v due="$due" -f s6_report.sql >/dev/null
    show
fi
if wants S7; then
    rows=$(scaled 1000000 1000)
    fresh
    sql -v rows="$rows" -f s7_prepare.sql >/dev/null
    sql -f s7_questions.sql
    for round in $(seq 1 "$ROUNDS"); do
        sql -f s7.sql
    done
    sql -v rows="$rows" -f s7_report.sql >/dev/null
    show
fi
if wants S8; then
    rows=$(scaled 1000000 10000)
    fresh
    sql -v rows="$rows" -f s8_prepare.sql >/dev/null
    for round in $(seq 1 "$ROUNDS"); do
        sql -v rows="$rows" -f s8.sql >/dev/null
    done
    sql -v rows="$rows" -f s8_report.sql >/dev/null
    show
fi

if wants N1; then
    many=$(scaled 1000000 100000) few=10000 seeds=2500 seconds=$(scaled 10 1) turns=5
    # make_backlog KEYS: few messages that wait, then many of them, and what a session pays for each
    make_backlog() {
        local copied=0 copies size
        fresh
        sql -v seeds="$seeds" -v keys="$1" -f n1_prepare.sql >/dev/null
        for size in few many; do
            copies=$((${!size} / seeds / 2 - 1))
            sql -c "call bench.copy_messages($copied + 1, $copies)" -c 'vacuum analyze' -c checkpoint
            copied=$copies
            sql -v size=$size -v turns=$turns -v rounds="$ROUNDS" -f n1.sql
        done
        sql -v many="$many" -v few="$few" -v turns=$turns -v keys="$1" -f n1_report.sql >/dev/null
    }
    make_backlog random
    show
    make_backlog rising
    # work_off WAY CLIENTS: how many messages they do in some seconds
    work_off() {
        local before
        before=$(sql -c "select bench.waiting('$1')")
        as_pg env PGHOST="$PGHOST" "$BIN/pgbench" -n -M prepared -c "$2" -j 2 -T "$seconds" -D way="$1" -f n1.pgbench bench >"$LH_TMP/pgbench.log" 2>&1 ||
            { cat "$LH_TMP/pgbench.log"; exit 1; }
        sql -c "insert into bench.sent select '$1 $2 workers', $before - w, $seconds from bench.waiting('$1') w" \
            -c "select 'N1: nothing is left for $1' where bench.waiting('$1') = 0"
    }
    for clients in 1 8; do
        for way in one kept queue all; do work_off $way $clients; done
    done
    sql -v many="$many" -f n1_rates.sql >/dev/null
    show
fi
