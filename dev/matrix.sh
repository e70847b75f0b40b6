#!/bin/bash
# dev/matrix.sh: build and test on the newer PostgreSQL versions that Debian has.
#
#   dev/matrix.sh          PostgreSQL 17 (trixie) and 18 (forky)
#   dev/matrix.sh 18       only this one
#
# Each version lives in a chroot of its own under LH_MATRIX_DIR (default /var/cache/lead_handoff/matrix,
# 2 GB each), made by debootstrap from the mirror of this machine's apt and kept, so that only the
# first run is slow. The chroot runs dev/test.sh on a copy of the tree; the expected output is the same
# for all versions. Needs root. Packages and servers want a /proc: the chroot is entered in namespaces of
# its own, so that the mount and whatever still runs end with the test.
. "$(dirname "$0")/lib.sh"

cache=${LH_MATRIX_DIR:-/var/cache/lead_handoff/matrix}

suite_of() {
    case $1 in
        17) echo trixie ;;
        18) echo forky ;;
        *) echo "dev/matrix.sh: no suite of Debian is known for PostgreSQL $1" >&2; return 1 ;;
    esac
}

# Where this machine's apt gets Debian from, asked of apt itself.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1
}

# make_chroot ROOT SUITE: debootstrap has a script for each suite it knows; a newer one is like sid.
# Becomes ROOT only when complete. (No set -e in here: the caller tests us.)
make_chroot() {
    local root=$1 suite=$2 script=/usr/share/debootstrap/scripts/$2 uri
    need_packages debootstrap
    uri=$(mirror)
    if [ -z "$uri" ]; then as_root apt-get update -qq; uri=$(mirror); fi
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    as_root rm -rf "$root.new"
    as_root debootstrap --variant=minbase "$suite" "$root.new" "$uri" "$script" || return 1
    # no service starts in there, and a testing suite's index may be past its date
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$root.new/usr/sbin/policy-rc.d" >/dev/null
    as_root chmod +x "$root.new/usr/sbin/policy-rc.d"
    printf 'Acquire::Check-Valid-Until "false";\nDpkg::Use-Pty "false";\n' | as_root tee "$root.new/etc/apt/apt.conf.d/90matrix" >/dev/null
    as_root mv "$root.new" "$root"
}

# copy_tree ROOT VERSION: the checkout as it is, uncommitted changes included, and nothing of the last run.
copy_tree() {
    local root=$1 version=$2
    as_root rm -rf "$root/build" "$root/usr/share/postgresql/$version/extension/lead_handoff"*
    as_root mkdir -p "$root/build/lead_handoff" "$root/build/shared"
    git ls-files -z --cached --others --exclude-standard |
        tar --null -T - --ignore-failed-read -cf - 2>/dev/null |
        as_root tar -C "$root/build/lead_handoff" --no-same-owner -xf -
    if [ -d "$LH_DATA" ]; then as_root cp -a "$LH_DATA" "$root/build/shared/data"; fi
}

# test_version VERSION: one line of result, the whole output in a log.
test_version() {
    local version=$1 suite root log result rc=0
    suite=$(suite_of "$version")
    root=$cache/$suite log=$cache/$suite.log
    as_root mkdir -p "$cache"
    if [ ! -d "$root" ]; then
        say "making a chroot of $suite"
        if ! make_chroot "$root" "$suite" 2>&1 | as_root tee "$log" >/dev/null; then
            echo "PostgreSQL $version: no chroot, see $log"
            return 1
        fi
    fi
    copy_tree "$root" "$version" || return 1
    as_root unshare --mount --pid --fork --kill-child --mount-proc="$root/proc" chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LH_PG="$version" \
        /build/lead_handoff/dev/test.sh </dev/null 2>&1 | as_root tee "$log" >/dev/null || rc=$?
    result=$(tail -n 1 "$log")
    if [[ $result != *" passed, "*" failed"* ]]; then result="did not finish"; rc=1; fi
    [ "$rc" -eq 0 ] || cat "$log"
    echo "PostgreSQL $version: $result"
    return "$rc"
}

set -o pipefail
failed=0
for version in ${*:-17 18}; do
    test_version "$version" || failed=1
done
exit "$failed"
