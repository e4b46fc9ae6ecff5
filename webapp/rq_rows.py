"""The row templates of rq-dashboard's pages, compiled to JavaScript that escapes every value.

rq-dashboard compiles them in the browser, which requires a Content-Security-Policy that allows eval, and it
inserts most values as HTML, among them texts that measured servers have sent.
"""

import re
from typing import NamedTuple

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

ROW = re.compile(r'(?<=<script name=")([a-z-]+)(" type="text/template">)(.*?)(?=</script>)', re.DOTALL)
# Underscore's: <% code %>, <%= value %>, <%- escaped value %>.
TAG = re.compile(r"<%([-=]?)(.*?)%>", re.DOTALL)
# How some rows escape a value themselves, which would escape it twice.
ESCAPED, VALUE = re.compile(r"\$\('<div/>'\)\.text\((.+)\)\.html\(\)"), r"\1"


class Compiled(NamedTuple):
    """A page in which each row template is replaced by its name, and the function of each name."""

    html: Markup
    functions: dict[str, Markup]


def compile_rows(page: Markup) -> Compiled:
    """Return the page with its row templates compiled; those without tags are plain HTML and stay."""
    functions = {}

    def replace(match: re.Match[str]) -> str:
        name, middle, template = match.groups()
        if not TAG.search(template):
            return match[0]
        functions[name] = _function(template)
        return f"{name}{middle}{name}"

    return Compiled(Markup(ROW.sub(replace, str(page))), functions)  # noqa: S704  (rendered with escaping)


def _function(template: str) -> Markup:
    """Return a JavaScript function from a row's data to its HTML."""
    statements, end = [], 0
    for tag in TAG.finditer(template):
        kind, code = tag.groups()
        statements.append(_text(template[end : tag.start()]))
        statements.append(f"html += _.escape({ESCAPED.sub(VALUE, code)});" if kind else code)
        end = tag.end()
    statements.append(_text(template[end:]))
    body = "\n".join(statements)
    return Markup(f"function (row) {{ let html = ''; with (row) {{\n{body}\n}} return html; }}")  # noqa: S704


def _text(text: str) -> str:
    return f"html += {htmlsafe_json_dumps(text)};"
