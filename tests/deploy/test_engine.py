"""The check in a container engine: what it changes before it runs something, and when it refuses to run."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.chart import GIVEN, render
from tests.deploy.engine.images import without_start_interval
from tests.deploy.engine.manifests import Volume, pod_template, workloads
from tests.deploy.engine.project import LEFT_OUT, start_order, with_values, without
from tools.env import EXAMPLE
from webapp.settings import ROOT

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
FOLDER = Path("/volumes")
NAME = "llm-llm-benchmark"


@pytest.fixture(scope="module")
def objects():
    return render(GIVEN, name="llm")


def test_without_podman_one_line_says_what_to_install(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.deploy.engine"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("make check-engine: not installed: podman")
    assert "(apt install podman" in line


def test_the_dockerfile_keeps_everything_except_the_start_interval():
    text = (ROOT / "Dockerfile").read_text()

    assert " --start-interval=2s" in text
    assert without_start_interval(text) == text.replace(" --start-interval=2s", "")


def test_the_compose_file_runs_whole_except_for_what_only_a_registry_has():
    services = without(COMPOSE, LEFT_OUT)["services"]

    assert set(COMPOSE["services"]) - set(services) == {"grafana", "prometheus"}
    assert all(COMPOSE["services"][name] == service for name, service in services.items())


def test_services_start_after_those_that_they_depend_on():
    services = {
        "api": {"depends_on": {"migrate": {}, "redis": {}}},
        "migrate": {"depends_on": {"postgres": {}}},
        "redis": {},
        "postgres": {},
    }

    assert start_order(services) == ["postgres", "migrate", "redis", "api"]


def test_settings_replace_the_lines_of_the_example():
    text = with_values(EXAMPLE.read_text(), {"PORT": "18001", "IMAGE": "here"})

    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert [line for line in lines if line.startswith("PORT=")] == ["PORT=18001"]
    assert "IMAGE=here" in lines
    assert len(lines) == len([line for line in EXAMPLE.read_text().splitlines() if line[:1] != "#"]) + 1


def test_servers_are_played_first_and_the_charts_test_last(objects):
    played = [workload.name.removeprefix(NAME) for workload in workloads(objects, FOLDER)]

    assert played[:2] == ["-postgresql", "-redis"]
    assert set(played[2:5]) == {"-api", "-scheduler", "-worker"}
    assert played[5:] == ["-test"]


def test_every_empty_volume_and_claim_is_a_folder_of_its_pod_and_group(objects):
    postgresql = workloads(objects, FOLDER)[0]

    volumes = {volume["name"]: volume["hostPath"]["path"] for volume in postgresql.pod["volumes"]}
    assert volumes == {name: f"/volumes/{NAME}-postgresql/{name}" for name in ("run", "tmp", "shm", "data")}
    assert postgresql.volumes == [Volume(Path(path), 999) for path in volumes.values()]
    assert "volumeClaimTemplates" not in postgresql.manifest["spec"]


def test_nothing_is_left_that_podman_would_misread(objects):
    for workload in workloads(objects, FOLDER):
        assert workload.pod["restartPolicy"] in ("OnFailure", "Never")
        for container in workload.pod["containers"]:
            assert not {"ports", "startupProbe", "livenessProbe", "readinessProbe"} & set(container)
        assert "fieldRef" not in yaml.safe_dump(workload.manifest)


def test_pods_are_found_by_the_services_that_select_them(objects):
    services = {workload.name: workload.services for workload in workloads(objects, FOLDER)}

    assert services == {
        f"{NAME}-postgresql": [f"{NAME}-postgresql"],
        f"{NAME}-redis": [f"{NAME}-redis"],
        f"{NAME}-api": [NAME],
        f"{NAME}-scheduler": [],
        f"{NAME}-worker": [],
        f"{NAME}-test": [],
    }


def test_openshifts_user_runs_every_pod_with_group_0(objects):
    for workload in workloads(objects, FOLDER, uid=1000730000):
        context = workload.pod["securityContext"]

        assert (context["runAsUser"], context["runAsGroup"]) == (1000730000, 0)
        assert context["runAsNonRoot"] is True
        assert all(volume.group == 0 for volume in workload.volumes)


def test_the_rendered_objects_stay_as_they_are(objects):
    before = yaml.safe_dump_all(objects)

    workloads(objects, FOLDER, uid=1)

    assert yaml.safe_dump_all(objects) == before
    assert all(pod_template(item)["spec"] for item in objects if item["kind"] == "Deployment")
