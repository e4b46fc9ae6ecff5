#!/bin/bash
# Initialize PGDATA if it is empty, as the official image does, then run PostgreSQL as the container's user or as 999.
set -euo pipefail

# `-c NAME=VALUE` alone are arguments of the server.
[[ ${1:-} != -* ]] || set -- postgres "$@"
[[ ${1:-} == postgres ]] || exec "$@"

if [[ $(id -u) == 0 ]]; then
    mkdir -p "$PGDATA"
    chown -R postgres "$PGDATA"
    chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi

if [[ ! -s $PGDATA/PG_VERSION ]]; then
    # initdb refuses a user ID without a name.
    if ! getent passwd "$(id -u)" >/dev/null; then
        export NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/etc/group LD_PRELOAD=libnss_wrapper.so
        echo "postgres:x:$(id -u):$(id -g):PostgreSQL:$PGDATA:/bin/false" >"$NSS_WRAPPER_PASSWD"
    fi
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    initdb --username="${POSTGRES_USER:=postgres}" --pwfile=<(echo "${POSTGRES_PASSWORD:?}") --auth-host=scram-sha-256 \
        --auth-local=trust
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    if [[ ${POSTGRES_DB:=$POSTGRES_USER} != postgres ]]; then
        # By the socket alone, so that a health check by TCP fails until the database exists.
        pg_ctl start --wait --options="-c listen_addresses=''"
        createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
        pg_ctl stop --wait
    fi
    unset LD_PRELOAD
fi

exec "$@" -c listen_addresses='*'
