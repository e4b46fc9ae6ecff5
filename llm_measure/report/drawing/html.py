"""A drawing as an HTML page in one file: inline pictures, the table and the facts; light and dark."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from llm_measure.report.drawing import figures, palette
from llm_measure.report.drawing.record import Drawing, Panel
from llm_measure.text import printable

DARK = {
    palette.INK: "#eceae5",
    palette.MUTED: "#a3a098",
    palette.GRID: "#2c3034",
    palette.BOUND: "#f39a95",
    **dict(zip(palette.LINES, ("#6cc7bb", "#f0a05e", "#a9adf5", "#ef8fc4"), strict=True)),
}
VARIABLES = {color: f"--c{number}" for number, color in enumerate(palette.colors())}
STYLE = """
:root{color-scheme:light dark;--paper:#faf9f6;LIGHT}
@media (prefers-color-scheme:dark){:root{--paper:#131517;DARK}}
body{margin:0 auto;max-width:72rem;padding:1.5rem;background:var(--paper);color:var(INK)}
body{font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin-top:2rem}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(28rem,100%),1fr));gap:1rem}
figure{margin:0}figure svg{display:block;width:100%;height:auto}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.8125rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .5rem;border-bottom:1px solid var(GRID);text-align:right}
td{white-space:nowrap}th{color:var(MUTED);font-weight:500}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1.5rem}
dt{color:var(MUTED)}dd{margin:0;overflow-wrap:anywhere}
@media print{figure,tr{break-inside:avoid}}
"""


def page(drawing: Drawing, found: Mapping[str, Any]) -> str:
    """Return the page of a report, the JSON document; it loads nothing and runs no script."""
    title = _text(drawing.title)
    notes = "".join(f"<li>{_text(note)}</li>" for note in drawing.notes)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_style()}</style></head><body><main><h1>{title}</h1>"
        f'<div class="panels">{"".join(map(_figure, drawing.panels))}</div>'
        f"<h2>Levels</h2>{_table(drawing.columns, drawing.rows)}"
        + (f"<h2>Notes</h2><ul>{notes}</ul>" if notes else "")
        + f"<h2>Facts</h2><dl>{''.join(_facts(found))}</dl></main></body></html>\n"
    )


def _style() -> str:
    style = STYLE.strip()
    for name, values in (("LIGHT", {color: color for color in VARIABLES}), ("DARK", DARK)):
        style = style.replace(name, ";".join(f"{VARIABLES[color]}:{to}" for color, to in values.items()))
    for name in ("INK", "MUTED", "GRID"):
        style = style.replace(f"({name})", f"({VARIABLES[getattr(palette, name)]})")
    return style


def _figure(panel: Panel) -> str:
    picture = figures.svg(panel)
    for color, variable in VARIABLES.items():
        picture = picture.replace(color, f"var({variable})")
    label = _text(f"{panel.title}; the values are in the table below")
    labelled = picture.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    return f"<figure>{labelled}</figure>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Levels">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _facts(found: Mapping[str, Any]) -> Iterable[str]:
    endpoint, levels = found["endpoint"], found["levels"]
    facts = {
        "Endpoint": endpoint["base_url"],
        "Model": endpoint["model"],
        "API": endpoint["api"],
        **found["workload"],
        "Started": levels[0]["started_at"],
        "Clock": levels[0]["clock"],
        "HTTP version": levels[0]["http_version"],
    }
    for name, value in facts.items():
        if value not in (None, {}, ""):
            shown = value if isinstance(value, str) else json.dumps(value)
            yield f"<dt>{_text(name)}</dt><dd>{_text(shown)}</dd>"


def _text(text: str) -> str:
    return escape(printable(text))
