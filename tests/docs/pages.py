"""The documentation as data: each page's code blocks, headings, links and tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from webapp.settings import ROOT

COMMENT = re.compile(r"<!-- ([a-z ]+?)(?:: (.+?))? -->\s*")
SOURCE = re.compile(r'(?:src|srcset)="([^"]+)"')
MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A fenced code block; `notes` are the comments directly above it, as name and text."""

    page: str
    line: int
    language: str
    text: str
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One Markdown file, named by its path from the project's folder."""

    name: str

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def _tokens(self) -> list[Token]:
        return MARKDOWN.parse(self.text)

    def blocks(self) -> Iterator[Block]:
        """The fenced code blocks, in order."""
        notes: dict[str, str] = {}
        for token in self._tokens:
            if token.type == "fence":
                yield Block(self.name, token.map[0] + 1, token.info, token.content, notes)
            comment = COMMENT.fullmatch(token.content) if token.type == "html_block" else None
            notes = {**notes, comment[1]: comment[2] or ""} if comment else {}

    def anchors(self) -> set[str]:
        """The headings' anchors, as GitHub makes them."""
        return {_anchor(inside.content) for _, inside in self._headings()}

    def links(self) -> Iterator[str]:
        """Where links and pictures lead."""
        for token in self._tokens:
            if token.type == "html_block":
                yield from SOURCE.findall(token.content)
            for child in token.children or ():
                target = child.attrGet("href") or child.attrGet("src")
                if target:
                    yield str(target)

    def names(self, heading: str, number: int = 0) -> set[str]:
        """What is set as code in the first column of a table: the one with that number below the heading."""
        start = next(at for at, inside in self._headings() if inside.content == heading)
        tables = [at for at in range(start, len(self._tokens)) if self._tokens[at].type == "table_open"]
        names = set()
        for row, cell, inside in zip(
            *(self._tokens[tables[number] + skip :] for skip in range(3)), strict=False
        ):
            if row.type == "table_close":
                break
            if (row.type, cell.type) == ("tr_open", "td_open"):
                names |= {child.content for child in inside.children or () if child.type == "code_inline"}
        return names

    def _headings(self) -> Iterator[tuple[int, Token]]:
        for at, (before, token) in enumerate(pairwise(self._tokens)):
            if before.type == "heading_open":
                yield at, token


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


README = Page("README.md")
DOCS = [Page(str(path.relative_to(ROOT))) for path in sorted((ROOT / "docs").glob("*.md"))]
PAGES = [README, *DOCS]
