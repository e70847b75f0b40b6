#!/bin/bash
# dev/fuzz.sh: libFuzzer inside a backend, over everything that reads what users or clients send. Ends
# with one line "N passed, N failed"; a target fails with the input that did it, which is shown.
#
#   dev/fuzz.sh                     all targets of test/fuzz/targets.c, ten minutes in all
#   dev/fuzz.sh criteria rules      only these
#   LH_FUZZ_SECONDS=60 ..           in all
#   LH_FUZZ_KEEP=yes ..             put what reached something new into test/fuzz/corpus, and drop there
#                                   what others cover
#   dev/fuzz.sh replay criteria F   what becomes of the input in file F
#
# The extension is built a second time, by clang: with coverage for libFuzzer, its Asserts on, the address
# sanitizer (which guard.h lets see allocations in memory contexts) and that of undefined behaviour, whose
# first complaint is the end. A server with libFuzzer and their runtime preloaded, and a database whose
# functions point at that module, are all there is to it. Each target has a backend of its own.
. "$(dirname "$0")/lib.sh"

SECONDS_IN_ALL=${LH_FUZZ_SECONDS:-600}
export CC=${CC:-clang}

build_packages
need_packages clang libclang-rt-dev
LH_CFLAGS="" CC=gcc build
make_workdir
trap stop_cluster EXIT
cp -a Makefile lead_handoff.control sql src "$LH_TMP/tree/"
mkdir "$LH_TMP/tree/test"
cp -a test/fuzz test/stress "$LH_TMP/tree/test/"
if [ "$(id -u)" = 0 ]; then chown -R "$PG_USER" "$LH_TMP/tree"; fi
cd "$LH_TMP/tree"

runtime() { echo "$("$CC" -print-resource-dir)/lib/linux/libclang_rt.$1-$(uname -m)"; }

say "building for the fuzzer"
flags="-O1 -DUSE_ASSERT_CHECKING -Wno-unknown-warning-option -Wno-ignored-attributes -Wno-ignored-optimization-argument"
as_pg make -s with_llvm=no CC="$CC" PG_CONFIG="$PG_CONFIG" clean
as_pg make -s -j2 with_llvm=no CC="$CC" PG_CONFIG="$PG_CONFIG" lead_handoff.so \
    LH_CFLAGS="$flags -include $PWD/test/fuzz/guard.h -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=alignment -fno-sanitize-recover=all"
as_pg make -s -C test/fuzz with_llvm=no CC="$CC" PG_CONFIG="$PG_CONFIG" LIBFUZZER=yes LH_CFLAGS="$flags -fsanitize=address"
as_pg "$CC" -shared -fPIC -fno-builtin -o preload.so test/fuzz/preload.c \
    -Wl,--whole-archive "$(runtime fuzzer_no_main).a" -Wl,--no-whole-archive -lstdc++ -lpthread
LH_SERVER_ENV=(
    "LD_PRELOAD=$PWD/preload.so $(runtime asan).so"
    ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0:detect_stack_use_after_return=0:quarantine_size_mb=16:handle_segv=0:handle_abort=0:handle_sigill=0:handle_sigbus=0:handle_sigfpe=0)
start_cluster

sql() { psql_q -d fuzz -At -v module="$LH_TMP/tree/test/fuzz/lh_fuzz.so" "$@"; }
psql_q -d postgres -c 'create database fuzz'
sql -c 'create extension lead_handoff' -f test/fuzz/functions.sql
sql -f - <<SQL
create function fuzz.run(target text, log text, options text[]) returns void language c strict as :'module', 'lh_fuzz_run';
alter database fuzz set search_path = criteria_truth, pg_catalog;
alter database fuzz set client_min_messages = error;
alter database fuzz set timezone = 'America/New_York';
alter database fuzz set session_preload_libraries = '$LH_TMP/tree/test/fuzz/lh_fuzz.so';
update pg_proc set probin = '$LH_TMP/tree/lead_handoff.so' where probin = '\$libdir/lead_handoff';
SQL

if [ "${1:-}" = replay ]; then
    cp "$LH_ROOT/$3" "$LH_TMP/tree/input" 2>/dev/null || cp "$3" "$LH_TMP/tree/input"
    chmod 644 "$LH_TMP/tree/input"
    sql -c "select fuzz.replay('$2', pg_read_binary_file('$LH_TMP/tree/input'))"
    exit
fi

most_bytes() { case $1 in contract) echo 4000 ;; *) echo 400 ;; esac; }
dictionary() { case $1 in contract) echo contract.dict ;; *) echo sql.dict ;; esac; }

# libfuzzer TARGET OPTION..: libFuzzer's own command line. Its end is the backend's, so psql always complains.
libfuzzer() {
    sql -c "select fuzz.run('$1', '$LH_TMP/tree/log/$1', array[$(printf "'%s', " "${@:2}") '-rss_limit_mb=0', '-detect_leaks=0'])" >/dev/null 2>&1 || true
}

# a crash takes the server down for a moment
wait_for_server() { until sql -c 'select 1' >/dev/null 2>&1; do sleep 0.2; done; }

# fuzz TARGET SECONDS: run it; 0 if its time went by without a finding
fuzz() {
    as_pg mkdir -p log found "corpus/$1" "test/fuzz/corpus/$1"
    libfuzzer "$1" "-max_total_time=$2" -timeout=10 "-max_len=$(most_bytes "$1")" "-dict=$PWD/test/fuzz/$(dictionary "$1")" \
        -use_value_profile=1 -print_final_stats=1 "-artifact_prefix=$PWD/found/$1-" "$PWD/corpus/$1" "$PWD/test/fuzz/corpus/$1"
    # who refuses everything has tried nothing
    grep -q '^Done ' "log/$1" && grep -q '^accepted [1-9]' "log/$1" && ! ls found/"$1"-* >/dev/null 2>&1
}

# keep TARGET: of the inputs that were there and those that were found, the smallest that reach everything
# reached by any. libFuzzer's merge would start processes like its own; its inner step does what we need:
# it notes the features (edges) of each file of a list.
keep() {
    local kept=$LH_ROOT/test/fuzz/corpus/$1 control=$PWD/log/$1.merge
    find "$PWD/corpus/$1" "$PWD/test/fuzz/corpus/$1" -type f -printf '%s %p\n' | sort -n | awk '{ print $2 }' >files
    { wc -l <files; echo 0; cat files; } | as_pg tee "$control" >/dev/null
    libfuzzer "$1" -merge_inner=1 "-merge_control_file=$control" -use_counters=0 "-max_len=$(most_bytes "$1")"
    awk 'NR == FNR { file[NR - 1] = $0; next }
         $1 == "FT" { new = 0; for (i = 3; i <= NF; i++) if (!seen[$i]++) new = 1; if (new) print file[$2] }' files "$control" >kept
    mkdir -p "$kept.new"
    while read -r file; do cp "$file" "$kept.new/$(sha1sum <"$file" | cut -c1-12)"; done <kept
    rm -rf "$kept"
    mv "$kept.new" "$kept"
    chmod 644 "$kept"/*
    say "$1: kept $(wc -l <kept) of $(wc -l <files) inputs"
}

# What it was, where (our own frames), the bytes, and a copy of them beside the corpus.
show_finding() {
    local file
    if [ ! -e "log/$1" ]; then tail -n 20 "$LH_TMP/server.log"; return; fi
    grep -hE '^FINDING|runtime error|AddressSanitizer: |TRAP|libFuzzer: |^ +#[0-9]+ .* in .*/tree/[^ ]*\.c:' "log/$1" "$LH_TMP/server.log" | sed "s|$LH_TMP/tree/||" | head -n 20
    for file in found/"$1"-*; do
        [ -e "$file" ] || continue
        mkdir -p "$LH_ROOT/test/fuzz/found"
        cp "$file" "$LH_ROOT/test/fuzz/found/"
        head -c 400 "$file" | od -An -c
        echo "to see it again: dev/fuzz.sh replay $1 test/fuzz/found/$(basename "$file")"
    done
}

targets=${*:-$(sed -n 's/^\t{"\([a-z_]*\)", fuzz_.*/\1/p' test/fuzz/targets.c)}
each=$((SECONDS_IN_ALL / $(echo $targets | wc -w)))
passed=0 failed=0
for target in $targets; do
    wait_for_server
    if fuzz "$target" $each; then
        passed=$((passed + 1))
        say "$target: $(grep '^accepted ' "log/$target"), $(sed -n 's/^stat::new_units_added: *//p' "log/$target") new ways"
        [ -z "${LH_FUZZ_KEEP:-}" ] || keep "$target"
    else
        failed=$((failed + 1))
        say "$target: a finding"
        show_finding "$target"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
