# A PostgreSQL server for tests and measurements, made anew and gone afterwards; to be sourced by bash. Nothing that runs
# already is used or touched. Expects $scratch, a directory through which the user postgres may pass.

postgres_pid=

# The newest PostgreSQL server that is installed; Debian keeps its programs out of PATH.
postgres_bin() {
    local found
    found=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -n 1)
    [[ -n $found ]] && dirname "$found"
}

# start_postgres OPTION…: makes a server in $scratch/postgres and starts it with these options. Sets postgres_url.
start_postgres() {
    local bin port password directory=$scratch/postgres as_user=()
    bin=$(postgres_bin) || return
    # PostgreSQL refuses to run as root
    ((EUID != 0)) || as_user=(setpriv --reuid=postgres --regid=postgres --init-groups)
    mkdir -m 700 "$directory" || return
    # from the kernel: nobody else on this machine gets in
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    (umask 077 && echo "$password" >"$directory/password") || return
    ((EUID != 0)) || chown -R postgres: "$directory" || return
    "${as_user[@]}" "$bin/initdb" -D "$directory/data" -U postgres -E UTF8 --locale=C --auth=scram-sha-256 \
        --pwfile="$directory/password" >"$scratch/initdb.log" 2>&1 || { cat "$scratch/initdb.log"; return 1; }
    port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])') || return
    # exec, so that the process that is stopped later is the server itself
    (
        cd "$directory/data"
        exec "${as_user[@]}" "$bin/postgres" -D "$directory/data" -p "$port" -c listen_addresses=127.0.0.1 \
            -c unix_socket_directories= "$@"
    ) >"$scratch/postgres.log" 2>&1 </dev/null &
    postgres_pid=$!
    for _ in {1..100}; do
        if "$bin/pg_isready" -q -h 127.0.0.1 -p "$port"; then
            postgres_url="postgres://postgres:$password@127.0.0.1:$port/postgres"
            echo "PostgreSQL $("$bin/postgres" --version | cut -d' ' -f3) listens on port $port"
            return 0
        fi
        kill -0 "$postgres_pid" 2>/dev/null || break
        sleep 0.1
    done
    cat "$scratch/postgres.log"
    return 1
}

stop_postgres() {
    if [[ -n $postgres_pid ]]; then
        # fast shutdown: connections that are left are cut
        kill -INT "$postgres_pid" 2>/dev/null || true
        wait "$postgres_pid" 2>/dev/null || true
    fi
}
