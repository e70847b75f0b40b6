# dev/lib.sh: what the scripts of dev/ share. Source it; it changes to the checkout.
#
# Who runs what: packages and `make install` need root (as_root), a server must not be root (as_pg).
# Everything a script starts lives in one folder under $TMPDIR and ends with the script, unless the
# script says otherwise.

set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
LH_ROOT=$PWD
LH_DATA=${LH_DATA:-$LH_ROOT/../shared/data}
# The server of PG_CONFIG says which major version we are on; without one, LH_PG does.
PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/${LH_PG:-15}/bin/pg_config}
if [ -x "$PG_CONFIG" ]; then LH_PG=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'); fi
LH_PG=${LH_PG:-15}
export LC_ALL=C.UTF-8 PG_CONFIG LH_DATA LH_ROOT

say() { printf '== %s\n' "$*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# The user that may run a server: ourselves, or postgres when we are root.
if [ "$(id -u)" = 0 ]; then
    PG_USER=postgres
    as_pg() { runuser -u postgres -- "$@"; }
else
    PG_USER=$(id -un)
    as_pg() { "$@"; }
fi

# Install what is missing, and only then touch the network.
need_packages() {
    local missing=() p
    for p in "$@"; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    say "installing ${missing[*]}"
    # Debian's postgresql-common would start a cluster of its own; ours are the only ones we want
    if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        as_root mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' | as_root tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build_packages() {
    need_packages gcc libc6-dev make libpsl-dev publicsuffix "postgresql-$LH_PG" "postgresql-server-dev-$LH_PG" "postgresql-$LH_PG-cron"
}

# Build and install into the server of PG_CONFIG. with_llvm=no: bitcode needs clang and nobody here uses it.
build() {
    say "building"
    make -s -j2 with_llvm=no PG_CONFIG="$PG_CONFIG" LH_CFLAGS="${LH_CFLAGS:-}" all
    as_root make -s with_llvm=no PG_CONFIG="$PG_CONFIG" LH_CFLAGS="${LH_CFLAGS:-}" install >/dev/null
}

# A folder that the server's user can write, removed at the end.
make_workdir() {
    LH_TMP=$(mktemp -d "${TMPDIR:-/tmp}/lead_handoff.XXXXXX")
    chmod 755 "$LH_TMP"
    mkdir "$LH_TMP/socket" "$LH_TMP/tree"
    if [ "$(id -u)" = 0 ]; then chown -R "$PG_USER" "$LH_TMP"; fi
}

# start_cluster: a throwaway server on a Unix socket only, pg_cron preloaded, peer and nothing else.
# Sets PGHOST, PGUSER; the caller sets a trap on stop_cluster.
start_cluster() {
    local bin
    bin=$("$PG_CONFIG" --bindir)
    as_pg "$bin/initdb" -D "$LH_TMP/data" -A peer -N -E UTF8 --locale=C.UTF-8 -U "$PG_USER" >"$LH_TMP/initdb.log" 2>&1
    as_pg tee -a "$LH_TMP/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = ''
unix_socket_directories = '$LH_TMP/socket'
shared_preload_libraries = 'pg_cron'
cron.database_name = 'contrib_regression'
cron.use_background_workers = on
max_worker_processes = 20
max_prepared_transactions = 10
wal_level = logical
shared_buffers = '512MB'
max_wal_size = '4GB'
log_min_messages = warning
${LH_CONF:-fsync = off}
CONF
    as_pg env ${LH_SERVER_ENV:+"${LH_SERVER_ENV[@]}"} "$bin/pg_ctl" -D "$LH_TMP/data" -l "$LH_TMP/server.log" -w -s start
    PGHOST=$LH_TMP/socket
    PGUSER=$PG_USER
    export PGHOST PGUSER
}

stop_cluster() {
    [ -d "$LH_TMP/data" ] && as_pg "$("$PG_CONFIG" --bindir)/pg_ctl" -D "$LH_TMP/data" -m immediate -s stop >/dev/null 2>&1
    rm -rf "$LH_TMP"
}

psql_q() { as_pg env PGHOST="$PGHOST" "$("$PG_CONFIG" --bindir)/psql" -X -q -v ON_ERROR_STOP=1 "$@"; }
