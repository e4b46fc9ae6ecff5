"""A real nginx with the configuration of docs/proxy.md, and clients of it."""

import http.client
import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import trustme

from tests.docs.pages import Page
from tests.tools import find
from tests.web import Answer, free_port, read, wait_until

PREFIX = "/llm"
# What surrounds the documented part; every path is below nginx's folder, so that it needs no rights.
AROUND = """
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    access_log off;
    {folders}
{text}
}}
"""
FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def documented() -> str:
    """The configuration that the documentation shows."""
    (block,) = [block for block in Page("docs/proxy.md").blocks() if block.language == "nginx"]
    return block.text


@dataclass
class Nginx:
    """A running nginx, which serves HTTPS on 127.0.0.1 and has a separate folder."""

    port: int
    folder: Path
    process: subprocess.Popen

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.folder / "ca.pem")

    def connect(self, client: str = "127.0.0.1") -> http.client.HTTPSConnection:
        """Return a connection that comes from that address, which begins with 127."""
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=30, context=self._trust, source_address=(client, 0)
        )

    def request(
        self, path: str, method: str = "GET", body: str | None = None, client: str = "127.0.0.1", **headers
    ) -> Answer:
        """Send a request on a new connection; headers are named as in `x_api_key`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(self.connect(client)) as connection:
            connection.request(method, path, body, named)
            return read(connection.getresponse())

    def is_up(self) -> bool:
        assert self.process.poll() is None, (self.folder / "error.log").read_text()
        with suppress(OSError):
            return self.request("/").status > 0
        return False


@contextmanager
def running_nginx(api: str, text: str | None = None) -> Iterator[Nginx]:
    """Run nginx as an ordinary user; `api` is what `server` of its upstream names."""
    folder, port = Path(tempfile.mkdtemp(prefix="llmb-nginx-")), free_port()
    for old, new in {
        "127.0.0.1:8001": api,
        "listen 443": f"listen 127.0.0.1:{port}",
        "server_name bench.example.org": "server_name _",
        "/etc/nginx/bench.example.org": str(folder / "server"),
    }.items():
        text = (text or documented()).replace(old, new)
    folders = " ".join(f"{name}_temp_path {name};" for name in FOLDERS)
    (folder / "nginx.conf").write_text(AROUND.format(folders=folders, text=text))
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    certificate = ca.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    for part in certificate.cert_chain_pems:
        part.write_to_path(folder / "server.pem", append=True)
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
    process = subprocess.Popen(
        [find("nginx"), "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"], user=user, cwd=folder
    )
    nginx = Nginx(port, folder, process)
    try:
        wait_until(nginx.is_up)
        yield nginx
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
