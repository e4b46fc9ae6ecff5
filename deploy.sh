#!/usr/bin/env bash
# Install or upgrade LLM Benchmark on a Kubernetes cluster: helm upgrade --install, with .env as values.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
    cat <<'END'
usage: ./deploy.sh [--dry-run] [--release NAME] [--namespace NAME] [--image REPOSITORY[:TAG|@DIGEST]]
                   [--secret NAME]... [--env-file FILE] [--values FILE]... [--timeout DURATION]

Settings come from the environment or, if unset there, from the env file (.env). API_KEY is required; `make env` fills
in secrets. Without POSTGRES_HOST or DATABASE_URL, and without REDIS_HOST, REDIS_URL or REDIS_SENTINELS, the release
includes a small server, whose password is required.
Secrets, settings and the file named by BENCHMARK_FILE reach Helm through a pipe: never on a command line, never on disk.

  --dry-run           show what would be sent, with secrets hidden; rendered locally if no cluster is reachable
  --release NAME      name of the release (default: llm-benchmark)
  --namespace NAME    namespace, created if missing (default: llm-benchmark)
  --image IMAGE       image to run (default: IMAGE in the environment, else the chart's)
  --secret NAME       secret setting of the workers, such as the API key of an endpoint; repeatable
  --env-file FILE     file with the settings (default: .env)
  --values FILE       additional values for the chart, overridden by the settings; repeatable
  --timeout DURATION  time to wait for the pods before rolling back (default: 10m)
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
    [ $# -ge 2 ] || { usage >&2; fail "$1: unknown option or missing value"; }
    case $1 in
        --release) release=$2 ;;
        --namespace) namespace=$2 ;;
        --image) image=$2 ;;
        --secret) extra_secrets+=("$2") ;;
        --env-file) env_file=$2 ;;
        --values) [ -r "$2" ] || fail "--values $2: file not found or not readable"; extra_values+=(--values "$2") ;;
        --timeout) timeout=$2 ;;
        *) usage >&2; fail "$1: unknown option" ;;
    esac
    shift 2
done
command -v helm >/dev/null || fail "helm: command not found; see https://helm.sh/docs/intro/install"

# The format of .env, as in webapp/settings/env_file.py, by bytes.
LC_ALL=C
space='[[:space:]]*' comment='([[:space:]]+#.*)?'
no_value="^$space((export[[:space:]]+)?[A-Za-z_][A-Za-z0-9_.-]*$space|#.*)?\$"
assignment="^$space(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_.-]*)$space=$space(.*)\$"
single_quoted="^'(([^'\\\\]|\\\\[^\\\\])*)'$comment$space\$"
double_quoted='^"(([^"\$]|\\["\$])*)"'"$comment$space\$"
plain=$'^([^\'"#$[:space:]][^$\t]*)?$'

# Set from_NAME for each line NAME=value of the file, which is parsed, never executed.
read_env_file() {
    local line text value name number=0
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1)) line=${line#$'\xef\xbb\xbf'}
        [[ ! $line =~ $no_value ]] || continue
        [[ $line =~ $assignment ]] || fail "$env_file line $number: expected NAME=value"
        name=${BASH_REMATCH[2]} text=${BASH_REMATCH[3]}
        value=${text%% #*} value=${value%"${value##*[![:space:]]}"}
        if [[ $text =~ $single_quoted ]]; then
            value=${BASH_REMATCH[1]//\\\'/\'}
        elif [[ $text =~ $double_quoted ]]; then
            value=$(printf '%s' "${BASH_REMATCH[1]}" | sed 's/\\\(.\)/\1/g')
        elif [[ ! $value =~ $plain ]]; then
            fail "$env_file line $number: $name is quoted in a way that programs read differently;" \
                "expected 'text' in single quotes, or \"text\" in double quotes with \\ before each \", \$ and \\"
        fi
        printf -v "from_${name//[.-]/_}" '%s' "$value"
    done <"$env_file"
}

# Print the name of the shell variable with the setting, from the environment or else the file.
variable() {
    if [ -n "${!1+set}" ]; then echo "$1"; else echo "from_$1"; fi
}

# Whether the environment or the file has the setting, even if it is empty.
has() {
    local name
    name=$(variable "$1")
    [ -n "${!name+set}" ]
}

# Print a setting's value, or nothing if it is unset.
setting() {
    local name
    name=$(variable "$1")
    printf '%s' "${!name-}"
}

# Print the text as a double-quoted YAML string.
quoted() {
    local text=$1
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/\\n}
    text=${text//$'\r'/\\r}
    text=${text//$'\t'/\\t}
    printf '"%s"' "$text"
}

# Print the parts of a setting, which commas separate, as YAML strings with commas between them.
quoted_list() {
    local part parts separator=''
    IFS=', ' read -r -a parts <<<"$(setting "$1")"
    for part in "${parts[@]}"; do
        printf '%s%s' "$separator" "$(quoted "$part")"
        separator=', '
    done
}

# Print the setting as a YAML string, or the placeholder of a local dry run.
secret() {
    if [ "$hide" ]; then quoted "$hide"; else quoted "$(setting "$1")"; fi
}

is_set() {
    [ -n "$(setting "$1")" ]
}

# Whether the settings name a server of POSTGRES or REDIS outside the release; the second argument is its URL's setting.
is_external() {
    is_set "$1_HOST" || is_set "$2" || { [ "$1" = REDIS ] && is_set REDIS_SENTINELS; }
}

required() {
    is_set "$1" || fail "$1: empty; expected a value in $env_file or the environment${2:-}"
}

whole_number() {
    ! is_set "$1" || [[ $(setting "$1") =~ ^[0-9]+$ ]] || fail "$1=$(setting "$1"): expected a whole number"
}

# Only its owner may read a file with secrets, whoever made it.
protect() {
    if [ -f "$env_file" ] && [ -O "$env_file" ]; then chmod go= "$env_file"; fi
}

check_settings() {
    local hint=" (run \`make env\` to fill in secrets)"
    required API_KEY "$hint"
    is_external POSTGRES DATABASE_URL || required POSTGRES_PASSWORD "$hint, or your own server in POSTGRES_HOST"
    is_external REDIS REDIS_URL || required REDIS_PASSWORD "$hint, or your own server in REDIS_HOST"
    local name
    for name in POSTGRES_PORT REDIS_PORT WEB_CONCURRENCY POSTGRES_POOL_SIZE REDIS_DB; do whole_number "$name"; done
    for name in POSTGRES_SSLROOTCERT POSTGRES_SSLCERT POSTGRES_SSLKEY REDIS_SSL_CA REDIS_SSL_CERT REDIS_SSL_KEY; do
        [ ${#extra_values[@]} -gt 0 ] || ! is_set "$name" || [ "$(setting "$name")" = system ] ||
            fail "$name: the file stays on this machine; expected --values FILE with the chart's postgresql.tls or redis.tls"
    done
    for name in ${extra_secrets[@]+"${extra_secrets[@]}"}; do required "$name"; done
    ! is_set BENCHMARK_FILE || [ -r "$(setting BENCHMARK_FILE)" ] ||
        fail "BENCHMARK_FILE=$(setting BENCHMARK_FILE): file not found or not readable"
}

# Print the chart's values for a server, POSTGRES or REDIS: its URL's setting, then pairs of setting and value's name.
server() {
    local prefix=$1 url=$2
    shift 2
    if is_set "$url"; then echo "  url: $(secret "$url")"; fi
    if is_external "$prefix" "$url"; then echo "  enabled: false"; else echo "  enabled: true"; fi
    if is_set "${prefix}_PORT"; then echo "  port: $(setting "${prefix}_PORT")"; fi
    if is_set "${prefix}_PASSWORD"; then echo "  password: $(secret "${prefix}_PASSWORD")"; fi
    while [ $# -gt 0 ]; do
        if is_set "$1"; then echo "  $2: $(quoted "$(setting "$1")")"; fi
        shift 2
    done
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
    server POSTGRES DATABASE_URL POSTGRES_HOST host POSTGRES_USER user POSTGRES_DB database POSTGRES_SSLMODE sslmode
    if is_set POSTGRES_POOL_SIZE; then echo "  poolSize: $(setting POSTGRES_POOL_SIZE)"; fi
    echo "redis:"
    server REDIS REDIS_URL REDIS_HOST host REDIS_USER user REDIS_PREFIX prefix \
        REDIS_SENTINEL_NAME sentinelName REDIS_SENTINEL_USER sentinelUser
    if is_set REDIS_DB; then echo "  database: $(setting REDIS_DB)"; fi
    if is_set REDIS_SENTINELS; then echo "  sentinels: [$(quoted_list REDIS_SENTINELS)]"; fi
    if is_set REDIS_SENTINEL_PASSWORD; then echo "  sentinelPassword: $(secret REDIS_SENTINEL_PASSWORD)"; fi
    case $(setting REDIS_SSL) in 1 | true | yes | on) echo "  ssl: true" ;; esac
    if is_set WEB_CONCURRENCY; then echo "api: {processes: $(setting WEB_CONCURRENCY)}"; fi
    echo "config:"
    for name in SCHEDULE_INTERVAL POINTS_PER_RUN RETENTION_DAYS ROLLUP_RETENTION_DAYS MAX_RETRIES RETRY_DELAY \
        MIGRATION_TIMEOUT LOG_LEVEL SELF_CHECK_INTERVAL MEASUREMENTS_PER_HOST PUBLIC_DASHBOARD METRICS_PUBLIC \
        WATCH_MIN_CHANGE WATCH_FAILED_RUNS WATCH_MAX_ERROR_RATE WATCH_MIN_SLO_ATTAINMENT WATCH_COOL_DOWN \
        URL_PREFIX TRUSTED_PROXIES FRAME_ANCESTORS KEEPALIVE; do
        if is_set "$name"; then echo "  $name: $(quoted "$(setting "$name")")"; fi
    done
    # Empty is a value: fresh randomness at each run.
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

# The values go through a pipe, so that they appear in no list of processes.
send() {
    values | helm "$@" "$release" ./helm --namespace "$namespace" \
        ${extra_values[@]+"${extra_values[@]}"} --values -
}

protect
[ ! -e "$env_file" ] || read_env_file
check_settings
if [ -z "$dry_run" ]; then
    send upgrade --install --create-namespace --atomic --wait --timeout "$timeout"
elif helm list --namespace "$namespace" >/dev/null 2>&1; then
    send upgrade --install --dry-run=server --hide-secret
else
    echo "deploy.sh: cluster unreachable; rendering locally" >&2
    # Long enough for SECRET_KEY, which must have 32 characters.
    hide=hidden-hidden-hidden-hidden-hidden
    send template
fi
