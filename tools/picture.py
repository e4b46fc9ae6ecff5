"""Draw public/dashboard.png: LLM_Performance_Dashboard with data from a running API.

python -m tools.picture URL

The bars are responses of the API at URL, requested and sorted as the dashboard's JSON specifies.
They are drawn by Matplotlib, not by Grafana. Requires the dependency group `picture`, and API_KEY in the
settings.
"""

import argparse
import json
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from tools import dashboards
from webapp.settings import Settings, SettingsError, exit_for

NAME = "LLM_Performance_Dashboard"
PICTURE = dashboards.PUBLIC / "dashboard.png"
WIDTH, HEIGHT, DPI = 12.8, 7.2, 125
COLUMNS = 24
# Grafana's dark theme.
PAGE, PANEL, EDGE, TEXT, QUIET = "#111217", "#181b1f", "#2c3036", "#d8d9da", "#8e8e98"
GREEN, YELLOW, RED = "#73bf69", "#fade2a", "#f2495c"
SCHEMES = {
    "continuous-GrYlRd": LinearSegmentedColormap.from_list("GrYlRd", [GREEN, YELLOW, RED]),
    "continuous-RdYlGr": LinearSegmentedColormap.from_list("RdYlGr", [RED, YELLOW, GREEN]),
}
LOCAL = ("127.0.0.1", "localhost")
UNITS = {"s": "s", "reqps": "req/s"}


def main() -> None:
    """Request the rankings and write the picture."""
    parser = argparse.ArgumentParser(prog="python -m tools.picture", description="Draw the dashboard.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8001", help="URL of the API")
    url = parser.parse_args().url.rstrip("/")
    try:
        key = Settings.from_env().api_keys[0]
    except SettingsError as error:
        exit_for(error)
    try:
        draw(dashboards.read(NAME), url, key, PICTURE)
    except (OSError, LookupError) as error:
        print(f"picture: {url}: no rankings: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    print(f"wrote {PICTURE}")


def draw(dashboard: dict[str, Any], url: str, key: str, picture: Path) -> None:
    """Draw all panels, which must be bar charts, at their positions in the dashboard."""
    matplotlib.rcParams.update({"font.family": "DejaVu Sans", "font.size": 11, "text.color": TEXT})
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor=PAGE)
    panels = dashboards.panels(dashboard)
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure.text(0.016, 0.951, dashboard["title"], size=16, weight="bold", va="center")
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    figure.text(0.984, 0.951, now, size=10, color=QUIET, ha="right", va="center")
    for panel in panels:
        (target,) = panel["targets"]
        response = _get(url + target["url"], key)
        _draw_panel(figure, panel, rows, dashboards.sort(panel, dashboards.select(target, response)))
    figure.savefig(picture, dpi=DPI, facecolor=PAGE, metadata={"Software": "Matplotlib, tools/picture.py"})


def _get(url: str, key: str) -> Any:
    request = urllib.request.Request(url, headers={"x-api-key": key})  # noqa: S310  (the operator's URL)
    # This machine is asked without a proxy, to which localhost is another machine.
    proxies = {} if request.host.split(":")[0] in LOCAL else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    with opener.open(request, timeout=10) as response:
        return json.load(response)


def _draw_panel(figure: Figure, panel: dict[str, Any], rows: int, data: dashboards.Rows) -> None:
    place, gap, top = panel["gridPos"], 0.008, 0.9
    left, width = place["x"] / COLUMNS, place["w"] / COLUMNS
    bottom, height = top * (1 - (place["y"] + place["h"]) / rows), top * place["h"] / rows
    box = (left + gap, bottom + 2 * gap), width - 2 * gap, height - 3 * gap
    style = "round,pad=0,rounding_size=0.004"
    # Behind the axes, whose zorder is 0.
    figure.add_artist(
        FancyBboxPatch(*box, boxstyle=style, facecolor=PANEL, edgecolor=EDGE, linewidth=1, zorder=-1)
    )
    figure.text(left + 0.02, bottom + height - 0.042, panel["title"], size=11.5, weight="bold", va="center")
    axes = figure.add_axes((left + 0.14, bottom + 0.07, width - 0.17, height - 0.15), facecolor=PANEL)
    _draw_bars(axes, panel, data)


def _draw_bars(axes: Axes, panel: dict[str, Any], data: dashboards.Rows) -> None:
    """Draw horizontal bars, the first row on top, coloured from the smallest to the largest value."""
    field = panel["fieldConfig"]["defaults"]
    names = [row[panel["options"]["xField"]] for row in data]
    values = [row[panel["options"]["colorByField"]] for row in data]
    scheme, low, high = SCHEMES[field["color"]["mode"]], min(values), max(values)
    colours = [scheme((value - low) / (high - low) if high > low else 0.0) for value in values]
    axes.barh(names, values, height=panel["options"]["barWidth"] * 0.8, color=colours)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.38 * high)  # leaves room for the labels, clear of grid lines
    axes.set_xticks([tick for tick in axes.get_xticks() if tick <= 0.97 * low])
    unit = UNITS.get(field["unit"], field["unit"].removeprefix("suffix: "))
    for place, value in enumerate(values):
        label = f"  {value:.{field['decimals']}f} {unit}"
        axes.text(value, place, label, va="center", size=11, weight="bold")
    axes.tick_params(colors=TEXT, length=0)
    axes.tick_params(axis="x", colors=QUIET, labelsize=9)
    axes.xaxis.grid(color=EDGE, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


if __name__ == "__main__":
    main()
