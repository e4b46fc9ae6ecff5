"""A small API server with Secrets, ConfigMaps and volume claims, so that Helm's engine can look them up."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml
from helm_python.config import Config

from tests.deploy import chart

RESOURCES = {
    "secrets": "Secret",
    "configmaps": "ConfigMap",
    "persistentvolumeclaims": "PersistentVolumeClaim",
}
DISCOVERY = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [
        {"name": name, "kind": kind, "namespaced": True, "verbs": ["get"]} for name, kind in RESOURCES.items()
    ],
}
NOT_FOUND = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


class Cluster:
    """What the API server stores; a release that is upgraded replaces its Secrets and ConfigMaps."""

    def __init__(self) -> None:
        self.objects: dict[str, dict] = {}
        self.kubeconfig = ""

    def add(self, resource: str, name: str, data: dict[str, str] | None = None) -> None:
        """Create or replace an object of the namespace prod; a Secret's data is given in clear text."""
        encode = (lambda text: base64.b64encode(text.encode()).decode()) if resource == "secrets" else str
        item = {
            "apiVersion": "v1",
            "kind": RESOURCES[resource],
            "metadata": {"name": name, "namespace": "prod"},
        }
        self._put(resource, {**item, "data": {key: encode(value) for key, value in (data or {}).items()}})

    def remove(self, resource: str, name: str) -> None:
        del self.objects[f"/api/v1/namespaces/prod/{resource}/{name}"]

    def render(self, values: dict) -> list[dict]:
        """Return the objects that `helm upgrade` would apply. Raises HelmError."""
        with Config(namespace="prod", kubeconfig_content=self.kubeconfig) as config:
            files = config.render(chart.chart(), values, name="llm", namespace="prod")
        return chart.parse(files)

    def upgrade(self, values: dict) -> list[dict]:
        """Store the release's Secrets, ConfigMaps and volume claims; returns all of its objects."""
        objects = self.render(values)
        for item in objects:
            if item["kind"] in ("Secret", "ConfigMap"):
                self._put(f"{item['kind'].lower()}s", item)
            if item["kind"] == "StatefulSet":
                self.add("persistentvolumeclaims", f"data-{item['metadata']['name']}-0")
        return objects

    def _put(self, resource: str, item: dict) -> None:
        self.objects[f"/api/v1/namespaces/prod/{resource}/{item['metadata']['name']}"] = item


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Serve an empty cluster until the block ends."""
    cluster = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            found = DISCOVERY if path == "/api/v1" else cluster.objects.get(path)
            body = json.dumps(found or NOT_FOUND).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cluster.kubeconfig = _kubeconfig(server.server_port)
        yield cluster
        server.shutdown()


def _kubeconfig(port: int) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "users": [{"name": "me", "user": {}}],
        }
    )
