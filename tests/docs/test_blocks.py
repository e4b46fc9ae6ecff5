"""Each sh, console and python block does what its page says, or has the reason why it is not run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from llm_measure.mock_server.behaviour import Behaviour
from llm_measure.mock_server.process import running_mock_server
from tests.docs.pages import PAGES, README, Block, Page
from tests.docs.reader import Reader, examples, shows
from tests.web import free_port

RUN = ("sh", "console", "python")
NOT_RUN = ("text", "mermaid", "nginx")  # tests/deploy/test_nginx.py runs nginx
PARSED = {
    "json": json.loads,
    "jsonl": lambda text: [json.loads(line) for line in text.splitlines()],
    "yaml": yaml.safe_load,
}
NOTES = {"not run", "stays up", "numbers vary", "file", "notebook"}
BLOCKS = [block for page in PAGES for block in page.blocks()]


@pytest.fixture
def reader(folder: Path) -> Iterator[Reader]:
    """A reader who has an endpoint at port 8000, and every file that the pages show."""
    with running_mock_server(Behaviour(ttft=0.01, itl=0.001)) as url:
        endpoint = url.removesuffix("/v1").rpartition(":")[2]
        ports = {port: str(free_port()) for port in ("8001", "8090", "8091", "8092")} | {"8000": endpoint}
        settings = {"PORT": ports["8001"], "BENCHMARK_FILE": "benchmark.yml", "VLLM_KEY": "any"}
        reader = Reader(folder / "docs", ports, **settings)
        for block in BLOCKS:
            if "file" in block.notes:
                reader.write(block)
        yield reader
        for page in reversed(PAGES):
            reader.end(page.name)


@pytest.mark.timeout(300)
def test_each_block_does_what_its_page_says(reader, subtests):
    for page in PAGES:
        reader.forget()
        for block in page.blocks():
            if block.language in RUN and "not run" not in block.notes:
                with subtests.test(block.where):
                    reader.follow(block)
        if page is not README:  # whose servers all other pages use
            reader.end(page.name)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_each_block_is_of_a_known_kind(block: Block):
    assert block.language in (*RUN, *NOT_RUN, *PARSED)
    assert set(block.notes) <= NOTES
    assert block.notes.get("not run") != "", "say why"
    if block.language in PARSED:
        PARSED[block.language](block.text)
    if block.language == "console":
        assert block.text.startswith("$ ")


def test_what_is_shown_is_compared_but_for_what_is_left_out():
    assert examples("$ one\n1\n2\n$ two\n") == [("one", "1\n2"), ("two", "")]
    assert shows("a ... c", "a b\nb  c")
    assert not shows("a ... c", "a b")
    assert not shows("1 a", "2 a")
    assert shows("┏━━┓ 1.5 a", "┏━━━━┓ 20   a\n", numbers_vary=True)
    assert not shows("1 a", "2 b", numbers_vary=True)


def test_notes_are_those_directly_above_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.docs.pages.ROOT", tmp_path)
    (tmp_path / "page.md").write_text(
        "<!-- notebook -->\n\ntext\n\n<!-- not run: why -->\n```sh\nx\n```\n```sh\ny\n```\n"
    )
    assert [(block.text, block.notes) for block in Page("page.md").blocks()] == [
        ("x\n", {"not run": "why"}),
        ("y\n", {}),
    ]
