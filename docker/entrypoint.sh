#!/bin/sh
# What a container of the image runs: api (if nothing is said), scheduler, worker, migrate, health, or any command.
set -eu
cd "$(dirname "$0")/.."

command=${1:-api}
[ $# -eq 0 ] || shift
case $command in
    # gunicorn's workers show that they are alive by touching files, which belong in memory.
    api) exec python -m webapp.serve --worker-tmp-dir /dev/shm "$@" ;;
    scheduler | worker) exec python -m "jobs.$command" "$@" ;;
    migrate) exec python -m webapp.upgrade "$@" ;;
    health) exec python docker/health.py "$@" ;;
    *) exec "$command" "$@" ;;
esac
