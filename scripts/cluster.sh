# A private PostgreSQL cluster and rdc's own user; sourced after lib.sh by
# scripts/run and by the system tests.
#
# As root, PostgreSQL runs as the user postgres and rdc as the system user rdc;
# else both as the caller. The cluster listens on one Unix socket, in a folder
# that only these users may enter, and knows two roles: postgres, its
# superuser, and rdc, which owns the database rdc and may create roles.
# shellcheck shell=bash

SERVICE_USER=rdc

# users_prepare: the system user of rdc, when root.
users_prepare() {
    [ "$(id -u)" = 0 ] || return 0
    id -u "$SERVICE_USER" >/dev/null 2>&1 ||
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin "$SERVICE_USER"
}

# run_as USER COMMAND...: as that user when root, else as the caller. The
# working folder is /, which every user may enter; so paths must be absolute.
run_as() {
    local user=$1
    shift
    cd / || return
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid="$user" --regid="$user" --init-groups -- "$@"
    else
        exec "$@"
    fi
}
as_service() { (run_as "$SERVICE_USER" "$@"); }
as_postgres() { (run_as postgres "$@"); }

hash_of() { printf '%s' "$1" | sha256sum | cut -c1-10; }

# reachable FOLDER: both users may enter it.
reachable() {
    as_service test -x "$1" && as_postgres test -x "$1"
}

# runtime_folder DATA: where the sockets lie. Short, since the path of a Unix
# socket has at most 107 bytes.
runtime_folder() {
    if [ "$(id -u)" = 0 ]; then
        echo "/run/rdc-$(hash_of "$1")"
    else
        echo "/tmp/rdc-$(id -u)-$(hash_of "$1")"
    fi
}

# runtime_prepare FOLDER: makes it, with the right owner, and refuses one that
# somebody else has put there.
runtime_prepare() {
    local dir=$1 owner mode=700
    if [ "$(id -u)" = 0 ]; then
        owner=postgres mode=750
        [ -e "$dir" ] || install -d -o postgres -g "$SERVICE_USER" -m $mode "$dir"
    else
        owner=$(id -un)
        [ -e "$dir" ] || mkdir -m $mode "$dir"
    fi
    if [ -L "$dir" ] || [ "$(stat -c %U:%a "$dir")" != "$owner:$mode" ]; then
        die "$dir is not the folder of $owner with mode $mode; remove it"
    fi
}

# --- the cluster, in DATA/pg ------------------------------------------------

# pg_bin DATA: the programs of the version that made the cluster, else the newest.
pg_bin() {
    local version
    version=$(cat "$1/pg/PG_VERSION" 2>/dev/null ||
        (cd /usr/lib/postgresql && printf '%s\n' * | sort -V | tail -1))
    [ -x "/usr/lib/postgresql/$version/bin/initdb" ] ||
        die "PostgreSQL $version is not installed"
    echo "/usr/lib/postgresql/$version/bin"
}

cluster_running() {
    [ -f "$1/pg/PG_VERSION" ] &&
        as_postgres "$(pg_bin "$1")/pg_ctl" -D "$1/pg" status >/dev/null 2>&1
}

cluster_init() {
    local data=$1 log me
    me=$(id -un)
    log=$(mktemp)
    say "creating a PostgreSQL cluster in $data/pg"
    if [ "$me" = root ]; then
        install -d -o postgres -g postgres -m 700 "$data/pg"
    fi
    as_postgres "$(pg_bin "$data")/initdb" -D "$data/pg" -U postgres --auth=peer --encoding=UTF8 \
        --locale=C.UTF-8 --data-checksums >"$log" 2>&1 || {
        cat "$log" >&2
        die "initdb failed"
    }
    rm -f "$log"
    # Peer: the operating system says who connects. root and postgres may be
    # either role; rdc only itself.
    as_postgres tee "$data/pg/pg_hba.conf" >/dev/null <<'HBA'
# type database user method
local  all      all  peer map=rdc
HBA
    {
        echo "# map system-user role"
        for user in postgres root "$me"; do
            echo "rdc $user postgres"
            echo "rdc $user rdc"
        done | sort -u
        [ "$me" != root ] || echo "rdc $SERVICE_USER rdc"
    } | as_postgres tee "$data/pg/pg_ident.conf" >/dev/null
}

# For many small rows: checkpoints by time rather than by volume, pages that are
# logged whole compressed, no plan compiled. fsync, full_page_writes and
# synchronous_commit stay on: rdc insists.
CLUSTER_SETTINGS="-c shared_buffers=256MB -c max_wal_size=4GB -c wal_compression=lz4 -c jit=off"

# cluster_start DATA SOCKETS: starts it and makes role and database.
cluster_start() {
    local data=$1 sockets=$2 log=$1/pg/server.log
    runtime_prepare "$sockets"
    [ -f "$data/pg/PG_VERSION" ] || cluster_init "$data"
    cluster_running "$data" ||
        as_postgres "$(pg_bin "$data")/pg_ctl" -D "$data/pg" -l "$log" -w -t 120 -s \
            -o "$CLUSTER_SETTINGS -c listen_addresses='' -c unix_socket_directories='$sockets'" start 9>&- || {
        tail -20 "$log" >&2
        die "PostgreSQL did not start; its log is $log"
    }
    cluster_sql "$data" "$sockets" <<'SQL'
select 'create role rdc login nosuperuser createrole nobypassrls'
 where not exists (select from pg_roles where rolname = 'rdc') \gexec
select 'create database rdc owner rdc template template0 encoding ''UTF8'''
 where not exists (select from pg_database where datname = 'rdc') \gexec
SQL
}

# cluster_sql DATA SOCKETS: runs standard input as the superuser.
cluster_sql() {
    as_postgres "$(pg_bin "$1")/psql" -X -q -v ON_ERROR_STOP=1 -h "$2" -U postgres -d postgres
}

cluster_stop() {
    cluster_running "$1" || return 0
    as_postgres "$(pg_bin "$1")/pg_ctl" -D "$1/pg" -w -t 120 -s -m fast stop
}

# --- processes by their own pid ---------------------------------------------

# A pid may be given to another process: its start time tells.
process_birth() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

pid_write() { echo "$1 $(process_birth "$1")" >"$2"; }

# pid_read FILE: the pid, if that very process still runs.
pid_read() {
    local pid birth
    read -r pid birth 2>/dev/null <"$1" || return 1
    [ -n "$birth" ] && [ "$(process_birth "$pid")" = "$birth" ] && echo "$pid"
}

# process_end PID SECONDS: TERM, and KILL when that did not help in time.
process_end() {
    local pid=$1 rounds=$(($2 * 10)) birth
    birth=$(process_birth "$pid")
    kill -TERM "$pid" 2>/dev/null || return 0
    while [ "$(process_birth "$pid")" = "$birth" ] && [ "$(ps -o stat= -p "$pid" | cut -c1)" != Z ]; do
        if [ $((rounds--)) -le 0 ]; then
            say "process $pid did not end in $2 s; killing it"
            kill -KILL "$pid" 2>/dev/null || true
            return 0
        fi
        sleep 0.1
    done
}
