"""README and docs: links lead somewhere, and tables list exactly what exists."""

import re
from urllib.parse import urlsplit

import pytest
import yaml

from llm_measure.cli import main
from llm_measure.metrics import METRICS
from llm_measure.records import ERROR_CLASSES
from tests.docs.pages import DOCS, PAGES, README, Page
from tests.docs.test_blocks import NOTES
from webapp import create_app
from webapp.plan.llm_schema import LLMSchema
from webapp.plan.rules import RuleSchema
from webapp.plan.workload_schema import WorkloadSchema
from webapp.settings import ROOT, Settings

LINKED = [*PAGES, Page("helm/README.md")]
MOST_LINES = 200


def test_the_readme_is_short():
    assert len(README.text.splitlines()) <= MOST_LINES


def test_the_index_lists_each_page():
    index = Page("docs/README.md")
    linked = {f"docs/{link}" for link in index.links()}
    assert linked >= {page.name for page in DOCS if page != index}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_links_and_anchors_lead_somewhere(page):
    for link in page.links():
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (page.path.parent / parts.path).resolve() if parts.path else page.path
        assert target.exists(), link
        if parts.fragment:
            assert parts.fragment in Page(str(target.relative_to(ROOT))).anchors(), link


class Recorder(dict):
    """An environment that notes which names are read."""

    def __init__(self, **values: str):
        super().__init__(**values)
        self.read: set[str] = set()

    def get(self, name, default=None):
        self.read.add(name)
        return super().get(name, default)

    def __contains__(self, name):
        self.read.add(name)
        return super().__contains__(name)


REQUIRED = {"API_KEY": "key", "POSTGRES_HOST": "host", "REDIS_HOST": "host"}


def test_the_settings_are_those_that_are_read():
    environment = Recorder(**REQUIRED)
    Settings.from_env(environment)
    page = Page("docs/install.md")
    assert page.names("Settings") == environment.read
    example = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert example <= page.names("Settings") | page.names("Settings", 1)


def options(command: str) -> set[str]:
    return {option for parameter in main.commands[command].params for option in parameter.opts} - {"--help"}


def alerts() -> set[str]:
    (group,) = yaml.safe_load((ROOT / "helm" / "files" / "alerts.yml").read_text())["groups"]
    return {rule["alert"] for rule in group["rules"]}


def make_targets() -> set[str]:
    return set(re.findall(r"^([\w-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("page", "heading", "number", "existing"),
    [
        ("measure.md", "Options", 0, options("run")),
        ("mock-server.md", "Mock server", 0, options("mock-server")),
        ("metrics.md", "Metrics", 0, {metric.name for metric in METRICS}),
        ("metrics.md", "Failed requests", 0, set(ERROR_CLASSES)),
        ("benchmark-file.md", "Fields", 0, set(LLMSchema().fields)),
        ("benchmark-file.md", "Fields", 1, set(WorkloadSchema().fields)),
        ("benchmark-file.md", "Fields", 2, set(RuleSchema().fields)),
        ("monitor.md", "Prometheus", 1, alerts()),
        ("contribute.md", "Commands", 0, make_targets()),
        ("contribute.md", "Tests", 0, NOTES),
    ],
)
def test_a_table_lists_what_exists(page, heading, number, existing):
    listed = Page(f"docs/{page}").names(heading, number)
    assert {re.sub("^make | [A-Z].*", "", name) for name in listed} == existing


def test_the_api_page_lists_each_request():
    app = create_app(Settings.from_env(REQUIRED))
    spec = app.test_client().get("/openapi.json").json
    wanted = {path for path in spec["paths"] if path.startswith("/api/")}
    listed = {name.split(" ")[-1] for name in Page("docs/api.md").names("Overview") if "/" in name}
    assert listed == wanted


def test_the_layout_names_files_that_exist():
    (layout,) = [block for block in Page("docs/design.md").blocks() if block.language == "text"]
    folder = ROOT
    for line in layout.text.splitlines():
        named = re.findall(r"[\w.-]+(?:/|\.py|\.sh|\.yml)", line)
        if not line.startswith(" ") and named:
            folder = ROOT / named[0]
        lost = [name for name in named if not (folder / name).exists() and not (ROOT / name).exists()]
        assert not lost, line


def test_every_test_that_the_attempt_list_names_exists():
    named = set(re.findall(r"`([\w/]+\.py)`", Page("docs/security.md").text))

    assert len(named) > 20
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []
