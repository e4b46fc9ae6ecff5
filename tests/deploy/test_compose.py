"""The Compose file: what it publishes, what it waits for, and that its parts fit the project."""

import json
import re

import pytest
import yaml

from webapp.settings import ROOT

TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
EXAMPLE = (ROOT / ".env.example").read_text()
OURS = ("migrate", "api", "scheduler", "worker", "grafana-reader")
ONCE = ("migrate", "grafana-reader")


def test_all_that_is_needed_starts_by_default_and_prometheus_on_request():
    assert set(SERVICES) == {*OURS, "postgres", "redis", "grafana", "prometheus"}
    assert {name for name, service in SERVICES.items() if "profiles" in service} == {"prometheus"}


def test_only_what_people_look_at_is_published_and_only_on_this_machine():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {
        "api": ["127.0.0.1:${PORT:-8001}:8001"],
        "grafana": ["127.0.0.1:3000:3000"],
        "prometheus": ["127.0.0.1:9090:9090"],
    }


def test_the_servers_can_be_reached_from_inside_only():
    assert COMPOSE["networks"]["backend"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["backend"]


@pytest.mark.parametrize("name", ["api", "scheduler", "worker"])
def test_each_process_waits_for_migrated_servers(name):
    assert SERVICES[name]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }


def test_what_is_waited_for_has_a_health_check():
    dockerfile = (ROOT / "Dockerfile").read_text()
    for service in SERVICES.values():
        for name, wish in service.get("depends_on", {}).items():
            if wish["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name] or (name in OURS and "HEALTHCHECK" in dockerfile)


@pytest.mark.parametrize("name", OURS)
def test_our_containers_are_locked_in(name):
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["command"][-1] == name


def test_every_container_has_limits_and_bounded_logs():
    for name, service in SERVICES.items():
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"]), name
        assert service["logging"]["options"]["max-size"], name
        assert service["restart"] == ("no" if name in ONCE else "unless-stopped"), name


def test_the_worker_is_given_the_time_of_a_whole_run_and_has_no_name_of_its_own():
    assert SERVICES["worker"]["stop_grace_period"] == "630s"
    assert "container_name" not in TEXT


def test_every_variable_stands_in_the_example_and_no_secret_has_a_default():
    names = {
        "IMAGE",
        "PORT",
        "WEB_CONCURRENCY",
        "METRICS_PUBLIC",
        "BENCHMARK_FILE",
        *re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE),
    }
    used = re.findall(r"(?<!\$)\$\{([A-Z_]+)(:?[-+?]?)", TEXT)

    assert {name for name, _ in used} <= names
    for name, kind in used:
        if name == "API_KEY" or name.endswith("PASSWORD"):
            assert kind == ":?", name


def test_each_file_that_is_mounted_is_there():
    paths = re.findall(r"- (\./[^:]+):", TEXT)

    assert len(paths) >= 4
    for path in paths:
        assert (ROOT / path).exists(), path


def test_grafana_has_all_that_its_provisioning_asks_for():
    folder = ROOT / "public" / "grafana" / "provisioning"
    wanted = re.findall(
        r"^[^#]*\$([A-Z_]+)", (folder / "datasources" / "llm-benchmark.yaml").read_text(), re.MULTILINE
    )
    (provider,) = yaml.safe_load((folder / "dashboards" / "llm-benchmark.yaml").read_text())["providers"]
    grafana = SERVICES["grafana"]
    dashboards = [mount.split(":")[1] for mount in grafana["volumes"] if "Dashboard" in mount]

    assert wanted
    assert set(wanted) <= set(grafana["environment"])
    assert len(dashboards) == 2
    assert all(path.startswith(provider["options"]["path"]) for path in dashboards)


def test_prometheus_asks_the_processes_at_their_ports_with_the_key():
    config = yaml.safe_load((ROOT / "public" / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    (discovery,) = jobs["llm-benchmark-jobs"]["dns_sd_configs"]

    assert set(discovery["names"]) <= set(SERVICES)
    assert str(discovery["port"]) == COMPOSE["x-app"]["environment"]["METRICS_PORT"]
    assert jobs["llm-benchmark-api"]["static_configs"] == [{"targets": ["api:8001"]}]
    assert COMPOSE["secrets"]["api_key"] == {"environment": "API_KEY"}
    assert json.dumps(config).count("/run/secrets/api_key") == 2
