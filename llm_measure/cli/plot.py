"""--plot of llm-measure run: checked before the measurement, drawn after it."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from llm_measure.cli.errors import CommandError

ENDINGS = (".svg", ".png", ".html")


def check(path: Path) -> None:
    """Raise CommandError if the file's ending is unknown, or Matplotlib is not installed."""
    if path.suffix.lower() not in ENDINGS:
        raise CommandError(
            f"--plot {path}: unknown format; expected a name that ends with {', '.join(ENDINGS)}"
        )
    if find_spec("matplotlib") is None:
        raise CommandError("--plot: needs Matplotlib; expected pip install '.[plot]' in a clone")


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Draw the report, the JSON document, into the file; OSError if it cannot be written."""
    from llm_measure.report.drawing import figures, html  # noqa: PLC0415
    from llm_measure.report.drawing.kinds import drawing  # noqa: PLC0415

    drawn = drawing(found)
    if path.suffix.lower() == ".html":
        path.write_text(html.page(drawn, found), encoding="utf-8")
    else:
        figures.save(drawn, path)
