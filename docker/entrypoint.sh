#!/bin/sh
# Run one of the image's commands: api (the default), scheduler, worker, migrate, health, llm-measure, or any other.
set -eu
cd "$(dirname "$0")/.."

command=${1:-api}
[ $# -eq 0 ] || shift
case $command in
    # gunicorn's workers report that they are alive by touching files, which should be in memory.
    api) exec python -m webapp.serve --worker-tmp-dir /dev/shm "$@" ;;
    scheduler | worker) exec python -m "jobs.$command" "$@" ;;
    migrate) exec python -m webapp.upgrade "$@" ;;
    llm-measure) exec python -m llm_measure "$@" ;;
    health) exec python -m docker.health "$@" ;;
    *) exec "$command" "$@" ;;
esac
