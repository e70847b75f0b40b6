#!/bin/bash
# dev/demo.sh: the first session on a throwaway cluster, with six months of a made-up CRM.
#
#   dev/demo.sh         install what is missing, build, start, run, show; the server stays up
#   dev/demo.sh stop    stop that server and remove everything of it
#
#   LH_DEMO_LEADS       how many leads (20000)
#   LH_DEMO_STEP        how much time passes between two ticks ('4 hours')
#   LH_DEMO_DIR         where the server lives (/tmp/lead_handoff-demo.UID)
#
# The server listens on a Unix socket in that folder only. Running it again starts from nothing.
. "$(dirname "$0")/lib.sh"

LH_TMP=${LH_DEMO_DIR:-/tmp/lead_handoff-demo.$(id -u)}
LEADS=${LH_DEMO_LEADS:-20000}
STEP=${LH_DEMO_STEP:-4 hours}
SECONDS=0

# A folder of that name that we did not make is none of our business.
owned() {
    [ -f "$LH_TMP/made-by-demo" ] && [ ! -L "$LH_TMP" ] && [ -O "$LH_TMP/made-by-demo" ]
}

stop_demo() {
    [ -e "$LH_TMP" ] || return 0
    owned || { echo "$LH_TMP exists and is not of this demo; remove it or set LH_DEMO_DIR" >&2; exit 1; }
    stop_cluster || true        # it may be dead already
    rm -rf "$LH_TMP"
}

if [ "${1:-}" = stop ]; then
    if [ -e "$LH_TMP" ]; then stop_demo; say "stopped, $LH_TMP removed"; else say "no demo is running"; fi
    exit
fi

demo_psql() { psql_q -d demo "$@"; }

build_packages
build
stop_demo
mkdir -m 755 "$LH_TMP"
touch "$LH_TMP/made-by-demo"
mkdir "$LH_TMP/socket"
if [ "$(id -u)" = 0 ]; then chown "$PG_USER" "$LH_TMP" "$LH_TMP/socket"; fi
trap 'stop_demo; echo "the demo failed; nothing of it is left" >&2' EXIT

say "starting a server in $LH_TMP"
# jit compiles for longer than the demo's statements run
LH_CONF=$'fsync = off\njit = off\ncron.database_name = demo' start_cluster
psql_q -d postgres -c 'create database demo'

say "making $LEADS leads and what they will do"
{ echo "set demo.leads = $LEADS;"; cat demo/[0-9]*.sql; } | demo_psql

say "the first session"
demo_psql -e <demo/session.sql 2>&1 | fold -s -w 120

say "six months pass, $STEP at a time"
demo_psql -c 'alter database demo set lead_handoff.inline_limit = 0'
for day in 2026-02-01 2026-03-01 2026-04-01 2026-05-01 2026-06-01 2026-07-01; do
    demo_psql -c "call demo.run('$day', '$STEP')"
    demo_psql -At -c "select format('   %s: %s leads, %s activities, %s handed over, %s accepted, %s won; %s s so far', '$day',
        (select count(*) from handoff.lead), (select count(*) from handoff.activity),
        count(*) filter (where leg = 'mql_to_sdr'), count(accepted_at) filter (where leg = 'mql_to_sdr'),
        count(won_at) filter (where leg = 'sdr_to_ae'), $SECONDS) from handoff.handoff"
done
demo_psql -c "alter database demo set lead_handoff.view_time = '2026-07-01 00:00:00+00'" -c 'analyze'

demo_psql <demo/check.sql
demo_psql <demo/show.sql

say "who calls tick() from now on"
# in one transaction: the demo's time stands still at its last day, for the jobs as for the views
{ cat demo/jobs.sql; echo 'alter database demo set lead_handoff.enabled = off;'; } |
    demo_psql -1 -e -f - 2>&1 | fold -s -w 120
say "done in $SECONDS seconds"

trap - EXIT
connect="$("$PG_CONFIG" --bindir)/psql -h $PGHOST -d demo"
if [ "$(id -u)" = 0 ]; then connect="runuser -u $PG_USER -- $connect"; fi
cat <<END

The server is still running, for you to look around:

    $connect

pg_cron calls handoff.tick() there every minute, which does nothing: lead_handoff.enabled is off in that database, so that
time stands still at the demo's last day. Try  set lead_handoff.enabled = on; select * from handoff.tick('2026-07-02');

and keeps running until

    $LH_ROOT/dev/demo.sh stop

END
