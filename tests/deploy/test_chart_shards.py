"""Workers for the levels that several of them share, which the chart finds in the benchmark file."""

import pytest

from tests.deploy.chart import GIVEN, component, render

FILE = """
llms: []
workloads:
  - {name: chat, concurrency: 8}
  - {name: crowd, concurrency: 4000, requests: 40000, shards: 3}
  - {name: far, concurrency: 4000, requests: 40000, shards: 6, regions: [eu, us]}
"""
REGIONS = [{"name": "eu"}, {"name": "us", "replicas": 8}, {"name": "asia"}]
COMPONENTS = ("worker", "worker-eu", "worker-us", "worker-asia")


def replicas(file: str = FILE, **changes: object) -> list[int]:
    """The number of workers without a region, and of those of each region."""
    worker = {"replicas": 1, "regions": REGIONS, **changes}
    objects = render({**GIVEN, "benchmarkFile": file, "worker": worker})
    return [component(objects, "Deployment", name)["spec"]["replicas"] for name in COMPONENTS]


def test_workers_are_as_many_as_the_shards_of_a_level_that_is_measured_where_they_are():
    assert replicas() == [3, 6, 8, 1]


def test_where_the_workers_of_a_release_run_elsewhere_it_starts_none():
    assert replicas(replicas=0) == [0, 0, 8, 0]


def test_keda_keeps_that_number_of_workers_and_may_add_to_them():
    keda = {"enabled": True, "minReplicas": 2, "maxReplicas": 5}
    worker = {"keda": keda, "regions": REGIONS}
    objects = render({**GIVEN, "benchmarkFile": FILE, "worker": worker})

    scaled = [component(objects, "ScaledObject", name)["spec"] for name in COMPONENTS]
    bounds = [(spec["minReplicaCount"], spec["maxReplicaCount"]) for spec in scaled]
    assert bounds == [(3, 5), (6, 6), (6, 6), (2, 5)]


def test_a_file_in_a_config_map_that_is_not_the_charts_is_not_read():
    values = {**GIVEN, "benchmarkFile": FILE, "existingBenchmarkConfigMap": "mine", "worker": {"replicas": 1}}

    assert component(render(values), "Deployment", "worker")["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    "file",
    [
        "workloads: {",
        "- chat",
        "workloads: chat",
        "workloads: [chat]",
        "workloads: [{regions: eu}, {shards: few}]",
        "",
    ],
)
def test_the_faults_of_a_file_are_left_to_those_who_report_them(file):
    assert replicas(file) == [1, 1, 8, 1]
