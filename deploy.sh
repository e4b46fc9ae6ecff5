#!/usr/bin/env bash
# Bring LLM Benchmark to a Kubernetes cluster, or to a new version there: helm upgrade --install with .env as values.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'END'
usage: ./deploy.sh [--dry-run] [--release NAME] [--namespace NAME] [--image REPOSITORY[:TAG|@DIGEST]]
                   [--secret NAME]... [--env-file FILE] [--values FILE]... [--timeout DURATION]

Settings come from the environment, else from the file (.env). API_KEY must be there. With POSTGRES_HOST or REDIS_HOST
the release uses that server, else a small one of its own, whose password must be there, too. BENCHMARK_FILE is
sent along; --secret names a further setting that is secret, such as the key of an endpoint in it. All reach Helm by
a pipe: never on a command line, never in a file. --values adds a file of values of yours.

--dry-run shows what would be sent, with secrets hidden: by the cluster if it can be reached, else rendered here.
END
}

fail() {
    echo "deploy.sh: $*" >&2
    exit 2
}

release=llm-benchmark namespace=llm-benchmark image=${IMAGE:-} env_file=.env timeout=10m dry_run='' hide=''
extra_values=() extra_secrets=()
while [ $# -gt 0 ]; do
    case $1 in
        --dry-run) dry_run=yes; shift; continue ;;
        -h | --help) usage; exit ;;
    esac
    [ $# -ge 2 ] || { usage >&2; fail "$1: unknown, or without its value"; }
    case $1 in
        --release) release=$2 ;;
        --namespace) namespace=$2 ;;
        --image) image=$2 ;;
        --secret) extra_secrets+=("$2") ;;
        --env-file) env_file=$2 ;;
        --values) [ -r "$2" ] || fail "--values $2: there is no such file"; extra_values+=(--values "$2") ;;
        --timeout) timeout=$2 ;;
        *) usage >&2; fail "$1: there is no such option" ;;
    esac
    shift 2
done
command -v helm >/dev/null || fail "helm is not here; https://helm.sh/docs/intro/install"

# Whether the environment or the file names the setting, be it empty.
has() {
    [ -n "${!1+set}" ] || grep -qs "^$1=" "$env_file"
}

# A setting's value, empty where there is none. The file is read, not run.
setting() {
    if [ -n "${!1+set}" ]; then
        printf '%s' "${!1}"
        return
    fi
    has "$1" || return 0
    local line
    line=$(grep "^$1=" "$env_file" | tail -n 1)
    line=${line#*=}
    line=${line%$'\r'}
    case $line in
        \"*\" | \'*\') line=${line#?} line=${line%?} ;;
        \"*\"\ *\#*) line=${line#?} line=${line%\"\ *} ;;
        \'*\'\ *\#*) line=${line#?} line=${line%\'\ *} ;;
        *) line=${line%% #*} ;;
    esac
    printf '%s' "$line"
}

# That text as a value of YAML; hidden where it is a secret that is only to be shown.
quoted() {
    local text=$1
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    text=${text//$'\r'/\\r}
    text=${text//$'\t'/\\t}
    printf '"%s"' "$text"
}

secret() {
    if [ "$hide" ]; then quoted "$hide"; else quoted "$(setting "$1")"; fi
}

is_set() {
    [ -n "$(setting "$1")" ]
}

required() {
    is_set "$1" || fail "$1 is empty: set it in $env_file or in the environment${2:-}"
}

whole_number() {
    ! is_set "$1" || [[ $(setting "$1") =~ ^[0-9]+$ ]] || fail "$1=$(setting "$1"): must be a whole number"
}

check_settings() {
    required API_KEY
    is_set POSTGRES_HOST || required POSTGRES_PASSWORD ', or name your server by POSTGRES_HOST'
    is_set REDIS_HOST || required REDIS_PASSWORD ', or name your server by REDIS_HOST'
    whole_number POSTGRES_PORT
    whole_number REDIS_PORT
    local name
    for name in ${extra_secrets[@]+"${extra_secrets[@]}"}; do required "$name"; done
    ! is_set BENCHMARK_FILE || [ -r "$(setting BENCHMARK_FILE)" ] ||
        fail "BENCHMARK_FILE=$(setting BENCHMARK_FILE): there is no such file"
}

# What stands under the name of a server in the chart's values.
server() {
    local prefix=$1
    if is_set "${prefix}_HOST"; then
        echo "  enabled: false"
        echo "  host: $(quoted "$(setting "${prefix}_HOST")")"
    else
        echo "  enabled: true"
    fi
    if is_set "${prefix}_PORT"; then echo "  port: $(setting "${prefix}_PORT")"; fi
    if is_set "${prefix}_PASSWORD"; then echo "  password: $(secret "${prefix}_PASSWORD")"; fi
}

image_values() {
    local repository=${image%@*} name=${image##*/}
    echo "image:"
    if [[ $image == *@* ]]; then
        echo "  digest: $(quoted "${image#*@}")"
    elif [[ $name == *:* ]]; then
        repository=${image%:*}
        echo "  tag: $(quoted "${name#*:}")"
    fi
    echo "  repository: $(quoted "$repository")"
}

values() {
    local name
    if [ "$image" ]; then image_values; fi
    echo "apiKey: $(secret API_KEY)"
    if is_set SECRET_KEY; then echo "secretKey: $(secret SECRET_KEY)"; fi
    echo "postgresql:"
    server POSTGRES
    if is_set POSTGRES_USER; then echo "  user: $(quoted "$(setting POSTGRES_USER)")"; fi
    if is_set POSTGRES_DB; then echo "  database: $(quoted "$(setting POSTGRES_DB)")"; fi
    if is_set POSTGRES_SSLMODE; then echo "  sslmode: $(quoted "$(setting POSTGRES_SSLMODE)")"; fi
    echo "redis:"
    server REDIS
    case $(setting REDIS_SSL) in 1 | true | yes | on) echo "  ssl: true" ;; esac
    echo "config:"
    for name in SCHEDULE_INTERVAL POINTS_PER_RUN RETENTION_DAYS ROLLUP_RETENTION_DAYS MAX_RETRIES RETRY_DELAY LOG_LEVEL \
        SELF_CHECK_INTERVAL PUBLIC_DASHBOARD METRICS_PUBLIC; do
        if is_set "$name"; then echo "  $name: $(quoted "$(setting "$name")")"; fi
    done
    # Set but empty means fresh randomness.
    if has SEED; then echo "  SEED: $(quoted "$(setting SEED)")"; fi
    if is_set GRAFANA_DB_PASSWORD; then
        echo "grafana: {reader: {enabled: true, password: $(secret GRAFANA_DB_PASSWORD)}}"
    fi
    if [ ${#extra_secrets[@]} -gt 0 ]; then
        echo "extraSecrets:"
        for name in "${extra_secrets[@]}"; do echo "  $name: $(secret "$name")"; done
    fi
    if is_set BENCHMARK_FILE; then
        echo "benchmarkFile: |"
        sed 's/^/  /' "$(setting BENCHMARK_FILE)"
    fi
}

# The values go by a pipe, so they stand in no list of processes.
send() {
    values | helm "$@" "$release" ./helm --namespace "$namespace" \
        ${extra_values[@]+"${extra_values[@]}"} --values -
}

check_settings
if [ -z "$dry_run" ]; then
    send upgrade --install --create-namespace --atomic --wait --timeout "$timeout"
elif helm list --namespace "$namespace" >/dev/null 2>&1; then
    send upgrade --install --dry-run=server --hide-secret
else
    echo "deploy.sh: no cluster can be reached, so this is rendered here" >&2
    # As long as the longest that a secret must be.
    hide=hidden-hidden-hidden-hidden-hidden
    send template
fi
