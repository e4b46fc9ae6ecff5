"""Workers per region in the chart: a Deployment each, which scales by the region's queue."""

from functools import cache

import kubernetes_validate
import pytest
from helm_python.errors import HelmError

from tests.deploy.chart import EVERYTHING, chart, component, matches, of_kind, pods, render
from webapp.queue.queues import queue_name

SOMEWHERE = {"topology.kubernetes.io/region": "eu-west-1"}
REGIONS = [{"name": "eu", "replicas": 2, "nodeSelector": SOMEWHERE}, {"name": "us"}]
WORKER = {**EVERYTHING["worker"], "regions": REGIONS, "nodeSelector": {"disk": "ssd"}}
VALUES = {**EVERYTHING, "worker": WORKER}
FOREIGN = ("ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PodMonitor", "PrometheusRule")
WORKERS = {"worker": None, "worker-eu": "eu", "worker-us": "us"}


@cache
def objects() -> list[dict]:
    return render(VALUES)


def container(name: str) -> dict:
    """The container of the component's pods."""
    (found,) = component(objects(), "Deployment", name)["spec"]["template"]["spec"]["containers"]
    return found


def test_each_region_has_workers_that_know_it_next_to_those_without_one():
    for name, region in WORKERS.items():
        variables = {each["name"]: each.get("value") for each in container(name)["env"]}
        assert variables.get("REGION") == region
        assert variables.keys() - {"REGION"} == {each["name"] for each in container("worker")["env"]}
    for item in objects():
        if item["kind"] not in FOREIGN:
            kubernetes_validate.validate(item, "1.30", strict=True)


def test_a_region_has_the_values_of_all_workers_except_for_its_own():
    fixed = render({**VALUES, "worker": {**WORKER, "replicas": 3, "keda": {"enabled": False}}})
    specs = {name: component(fixed, "Deployment", name)["spec"] for name in WORKERS}

    assert [spec["replicas"] for spec in specs.values()] == [3, 2, 3]
    placed = [spec["template"]["spec"]["nodeSelector"] for spec in specs.values()]
    assert placed == [{"disk": "ssd"}, {"disk": "ssd", **SOMEWHERE}, {"disk": "ssd"}]


def test_each_deployment_selects_its_own_pods_alone():
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects()).items()}
    for name in WORKERS:
        selector = component(objects(), "Deployment", name)["spec"]["selector"]
        assert [pod for pod in labels if matches(selector, labels[pod])] == [f"llm-llm-benchmark-{name}"]


def test_keda_scales_each_region_by_its_queue():
    for name, region in WORKERS.items():
        scaled = component(objects(), "ScaledObject", name)["spec"]
        assert scaled["scaleTargetRef"]["name"] == f"llm-llm-benchmark-{name}"
        assert scaled["triggers"][0]["metadata"]["listName"] == f"rq:queue:{queue_name(region)}"
    assert len(of_kind(objects(), "TriggerAuthentication")) == 1


def test_the_workers_of_a_region_are_protected_admitted_and_scraped_as_all_are():
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(objects()).items()}
    (monitor,) = of_kind(objects(), "PodMonitor").values()
    policies = of_kind(objects(), "NetworkPolicy")
    (rule,) = policies["llm-llm-benchmark-redis"]["spec"]["ingress"]
    own = [source["podSelector"] for source in rule["from"] if "podSelector" in source]
    for name in WORKERS:
        pod = labels[f"llm-llm-benchmark-{name}"]
        assert matches(monitor["spec"]["selector"], pod)
        assert any(matches(selector, pod) for selector in own)
        assert (
            policies[f"llm-llm-benchmark-{name}"]["spec"]["egress"]
            == (policies["llm-llm-benchmark-worker"]["spec"]["egress"])
        )
        assert matches(component(objects(), "PodDisruptionBudget", name)["spec"]["selector"], pod)


@pytest.mark.parametrize(
    "wrong",
    [
        {"worker": {"regions": [{"name": "EU"}]}},
        {"worker": {"regions": [{"replicas": 1}]}},
        {"worker": {"regions": [{"name": "eu", "resources": {}}]}},
        {"config": {"REGION": "eu"}},
        {"extraEnv": [{"name": "REGION", "value": "eu"}]},
    ],
)
def test_a_region_that_is_wrong_or_in_the_wrong_place_is_refused(wrong):
    with pytest.raises(HelmError):
        chart().render(wrong, name="llm", namespace="prod")


def test_names_stay_valid_for_long_names_of_regions():
    regions = [{"name": f"{'r' * 30}{number}"} for number in range(2)]
    for item in render({"worker": {"regions": regions}}):
        assert len(item["metadata"]["name"]) <= 63
