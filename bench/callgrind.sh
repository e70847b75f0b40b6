#!/bin/bash
# bench/callgrind.sh: instructions of a rulebook, counted by callgrind in a single-user server.
#
# Times move with the machine and its neighbours; these counts move with the code only, by a per mille or
# so. Of a search they are those above the scan that deforms the row, as in S2. bench/callgrind.txt has the last ones that
# were committed: run this before and after a change, and commit what it prints with it.
. "$(dirname "$0")/../dev/lib.sh"

build_packages
need_packages valgrind
build
make_workdir
trap stop_cluster EXIT
cp -a bench "$LH_TMP/tree/"
gcc -O2 -g -fPIC -shared -Wl,-Bsymbolic -DHAVE_CALLGRIND -Isrc -I"$("$PG_CONFIG" --includedir-server)" \
    -o "$LH_TMP/tree/s2.so" bench/s2.c src/rules/*.o src/json.o -lm
if [ "$(id -u)" = 0 ]; then chown -R "$PG_USER" "$LH_TMP/tree"; fi
start_cluster
cd "$LH_TMP/tree/bench"

rows=2000
BIN=$("$PG_CONFIG" --bindir)
psql_q -d postgres -c 'create database bench'
psql_q -d bench -f lib.sql >/dev/null 2>&1
psql_q -d bench -v library="$LH_TMP/tree/s2.so" -f s2_books.sql >/dev/null
psql_q -d bench -c "call bench.make_table('rows', 'unlogged')" \
    -c "do \$\$ begin execute 'insert into bench.rows select ' || bench.expressions() || ' from generate_series(1, $rows) g'; end \$\$" \
    -c 'vacuum analyze bench.rows' -c checkpoint
as_pg "$BIN/pg_ctl" -D "$LH_TMP/data" -m fast -s stop
as_pg sed -i '/^shared_preload_libraries/d; /^cron\./d; s/^shared_buffers.*/shared_buffers = 64MB/' "$LH_TMP/data/postgresql.conf"

# Everything twice: what the first run loads and looks up is not counted.
{
    for _ in 1 2; do
        for book in 'route 1000' 'route 10000' 'score 100' 'segments 100000' 'ranges 10000'; do
            echo "select bench.book_load('$book', 'bench.rows', 'select criteria from bench.rule where book = ''$book'' order by ord', true)"
            case $book in score*) all=true ;; *) all=false ;; esac
            echo "select bench.book_scan(null, false, 'bench.rows'), bench.book_scan('$book', $all, 'bench.rows')"
        done
    done
} >"$LH_TMP/tree/statements"
say "counting"
as_pg env TMPDIR="$LH_TMP/tree" valgrind --tool=callgrind --callgrind-out-file="$LH_TMP/tree/out" \
    "$BIN/postgres" --single -D "$LH_TMP/data" bench <"$LH_TMP/tree/statements" >"$LH_TMP/tree/log" 2>&1 || { tail "$LH_TMP/tree/log"; exit 1; }

# Each dump says who asked for it, "Client Request: book/what/how many", and its total.
ls -v "$LH_TMP"/tree/out.* | xargs cat | awk '
    /^desc: Trigger: Client Request: / { sub(/^desc: Trigger: Client Request: /, ""); label = $0 }
    /^(totals|summary): / && label { count[label] = $2; label = "" }
    END {
        for (l in count) if (l ~ /^deform/) { split(l, part, "/"); floor = count[l] / part[3] }
        for (l in count) {
            split(l, part, "/")
            if (part[2] == "compile") printf "%-16s %-24s %8d instructions\n", part[1], "compile, a rule", count[l] / part[3]
            else if (part[2] == "scan") printf "%-16s %-24s %8d instructions\n", "40 columns", "scan and deform, a lead", floor
            else printf "%-16s %-24s %8d instructions\n", part[1], part[2] == "all" ? "all that are true, a lead" : "first, a lead", count[l] / part[3] - floor
        }
    }' | sort
