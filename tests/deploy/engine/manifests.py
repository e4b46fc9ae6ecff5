"""The chart's manifests as `podman play kube` of podman 4.3 can run them; REWRITINGS names every change.

Only data is changed here; the folders that replace volumes are described, not created.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

REWRITINGS = (
    "Service: hostAliases of the first pod that it selects, as podman knows no Services; values set its port",
    "StatefulSet: a Deployment; its volume claim: a folder of this machine",
    "emptyDir: a folder of this machine; podman 4.3 would share one volume between all pods",
    "Secret: a secret of podman as JSON, which is how podman 4.3 reads it for environment variables",
    "spec.nodeName: the text 'node'; podman 4.3 does not know this field",
    "fsGroup: the group of those folders; podman 4.3 adds no supplementary group",
    "restartPolicy: OnFailure, since podman 4.3 would start init containers again after their success",
    "ports: left out, since podman 4.3 would publish each on this machine",
    "probes: readiness is checked once, by the probe's or the image's command; podman ignores it",
    "ServiceAccount, PodDisruptionBudget: left out, since there is no API server",
)
# What the image's HEALTHCHECK runs, as a probe by HTTP or TCP would ask.
HEALTH = ["/app/docker/entrypoint.sh", "health"]
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
PLAYED = ("Deployment", "StatefulSet", "Pod")


@dataclass
class Volume:
    """A folder that replaces a volume, with the group that may write it."""

    path: Path
    group: int


@dataclass
class Workload:
    """One manifest for `podman play kube`, and what it needs."""

    name: str
    manifest: dict
    services: list[str]  # that select its pods
    ready: list[str] | None  # the command that succeeds when it is ready; None for what ends
    volumes: list[Volume] = field(default_factory=list)

    @property
    def pod(self) -> dict:
        """The pod's spec."""
        return pod_template(self.manifest)["spec"]


def workloads(objects: list[dict], folder: Path, uid: int | None = None) -> list[Workload]:
    """Return what is to be played: servers first, then the product, then the chart's test.

    `uid` replaces every user ID as an OpenShift namespace does: that user, group 0, in every pod.
    """
    found = [_workload(item, objects, folder, uid) for item in objects if item["kind"] in PLAYED]
    kinds = {item["metadata"]["name"]: item["kind"] for item in objects if item["kind"] in PLAYED}
    return sorted(
        found, key=lambda workload: ("StatefulSet", "Deployment", "Pod").index(kinds[workload.name])
    )


def pod_template(item: dict) -> dict:
    """Return the part of a manifest that has a pod's metadata and spec."""
    return item if item["kind"] == "Pod" else item["spec"]["template"]


def of_kind(objects: Iterable[dict], kind: str) -> Iterator[dict]:
    """Yield the objects of a kind."""
    return (item for item in objects if item["kind"] == kind)


def _workload(item: dict, objects: list[dict], folder: Path, uid: int | None) -> Workload:
    item = deepcopy(item)
    name = item["metadata"]["name"]
    template = pod_template(item)
    pod = template["spec"]
    if uid is not None:
        pod["securityContext"] |= {"runAsUser": uid, "runAsGroup": 0, "fsGroup": uid}
    probe = pod["containers"][0].get("readinessProbe")
    ready = probe and probe.get("exec", {}).get("command", HEALTH)
    for container in pod["containers"]:
        _rewrite(container)
    pod.setdefault("restartPolicy", "OnFailure")
    volumes = _volumes(item, pod, folder / name)
    services = [
        service["metadata"]["name"]
        for service in of_kind(objects, "Service")
        if service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    ]
    if item["kind"] == "StatefulSet":
        item["kind"] = "Deployment"
    return Workload(name, item, services, ready, volumes)


def _rewrite(container: dict) -> None:
    for name in ("ports", *PROBES):
        container.pop(name, None)
    for variable in container.get("env", ()):
        if variable.get("valueFrom", {}).get("fieldRef") == {"fieldPath": "spec.nodeName"}:
            del variable["valueFrom"]
            variable["value"] = "node"


def _volumes(item: dict, pod: dict, folder: Path) -> list[Volume]:
    """Replace empty volumes and claims by folders; returns these."""
    context = pod["securityContext"]
    claims = item["spec"].pop("volumeClaimTemplates", [])
    kept = [volume for volume in pod.get("volumes", []) if "emptyDir" not in volume]
    names = [volume["name"] for volume in pod.get("volumes", []) if "emptyDir" in volume]
    names += [claim["metadata"]["name"] for claim in claims]
    pod["volumes"] = kept + [
        {"name": name, "hostPath": {"path": str(folder / name), "type": "Directory"}} for name in names
    ]
    return [Volume(folder / name, context.get("runAsGroup", 0)) for name in names]
