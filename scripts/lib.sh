# Shared by scripts/*; sourced, not run. Sets ROOT, the checkout. Everything
# here works from any folder, as root or as a user, and asks nothing.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
export LC_ALL=C.UTF-8
# ccache asks the compiler which headers it read, rather than run the preprocessor first: a
# build that finds nothing in the cache takes a tenth longer than without one, not half.
export CCACHE_DEPEND=1

say() { printf '%s\n' "$*" >&2; }

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# conf_get KEY: its value in the file $CONF.
conf_get() { sed -n "s/^$1 *= *//p" "$CONF" 2>/dev/null | tail -1; }

# --- packages ---------------------------------------------------------------

# packages_of SECTION...: the names in these sections of tools/packages.txt.
packages_of() {
    local wanted=" $* "
    awk -v wanted="$wanted" '
        /^# \[/ { gsub(/[^a-z]/, "", $2); on = index(wanted, " " $2 " "); next }
        /^#/ || /^$/ { next }
        on && !seen[$1]++ { print $1 }' "$ROOT/tools/packages.txt"
}

packages_missing() {
    local names installed
    names=$(packages_of "$@")
    # shellcheck disable=SC2086
    installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $names 2>/dev/null |
        sed -n 's/^ii *//p')
    comm -23 <(sort <<<"$names") <(sort <<<"$installed")
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        die "must run as root: $* (no sudo here)"
    fi
}

# The services that come with packages are neither started nor given a
# cluster: rdc makes its own. Both files are removed after the installation.
APT_POLICY=/usr/sbin/policy-rc.d
APT_CLUSTER=/etc/postgresql-common/createcluster.d/rdc.conf

services_hold() {
    local files=""
    if [ ! -e "$APT_POLICY" ]; then
        as_root sh -c "printf '#!/bin/sh\n# made by rdc, for the time of an installation\ncase \"\$1\" in postgresql*|orthanc*) exit 101 ;; esac\nexit 0\n' >$APT_POLICY && chmod 755 $APT_POLICY"
        files=$APT_POLICY
    fi
    if [ ! -e /usr/lib/postgresql ]; then
        as_root sh -c "mkdir -p ${APT_CLUSTER%/*} && echo 'create_main_cluster = false' >$APT_CLUSTER"
        files="$files $APT_CLUSTER"
    fi
    HELD_FILES=$files
}

services_release() {
    # shellcheck disable=SC2086
    [ -z "${HELD_FILES:-}" ] || as_root rm -f $HELD_FILES
    HELD_FILES=""
}

apt_quiet() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold "$@" </dev/null
}

# packages_install SECTION...: quick when all are there.
packages_install() {
    local missing log
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "needs Debian 12 (apt-get), to install: ${missing//$'\n'/ }"
    say "installing packages: ${missing//$'\n'/ }"
    log=$(mktemp)
    services_hold
    # The lists of a fresh machine are missing, those of an old one may name
    # versions that are gone: so update when the first try fails.
    # shellcheck disable=SC2086
    if ! apt_quiet install --no-install-recommends $missing >"$log" 2>&1; then
        if ! { apt_quiet update && apt_quiet install --no-install-recommends $missing; } >"$log" 2>&1; then
            services_release
            tail -20 "$log" >&2
            die "apt-get install failed; the whole output is in $log"
        fi
    fi
    services_release
    rm -f "$log"
    missing=$(packages_missing "$@")
    [ -z "$missing" ] || die "still missing after the installation: ${missing//$'\n'/ }"
}

# --- build ------------------------------------------------------------------

# configure_preset PRESET: nothing when it was done before.
configure_preset() {
    [ ! -f "$ROOT/build/$1/build.ninja" ] || return 0
    say "configuring build/$1"
    if ! (cd "$ROOT" && cmake --preset "$1" >"$ROOT/build/.configure-$1.log" 2>&1); then
        tail -30 "$ROOT/build/.configure-$1.log" >&2
        die "cmake failed for preset $1"
    fi
}

# build_preset PRESET [NINJA-ARGUMENT...]: quiet when there is nothing to do.
build_preset() {
    local preset=$1 dir="$ROOT/build/$1"
    shift
    configure_preset "$preset"
    if [ -t 2 ]; then
        ninja -C "$dir" "$@" >&2 || die "the build of preset $preset failed"
    else
        # Without a terminal ninja prints a line per file: keep only failures.
        ninja -C "$dir" --quiet "$@" 2>&1 | sed '/^ninja: no work to do/d; /^-- /d' >&2 ||
            die "the build of preset $preset failed"
    fi
}
