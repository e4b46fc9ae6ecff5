"""A badge as SVG: label and value side by side, without script, foreign font or image."""

from dataclasses import dataclass
from typing import Literal

from flask import render_template

from webapp.page.badges.text_width import text_width

Color = Literal["blue", "green", "yellow", "red", "grey"]

# White text on each of them has a contrast of at least 4.5.
COLORS: dict[Color, str] = {
    "blue": "#0969a8",
    "green": "#2b7a2b",
    "yellow": "#8a6400",
    "red": "#b92c2c",
    "grey": "#6a6a6a",
}
FONT_SIZE = 11
PADDING = 6


@dataclass(frozen=True)
class Badge:
    """What a badge shows."""

    label: str
    value: str
    color: Color


def svg(badge: Badge) -> str:
    """Return the badge as an SVG document."""
    return render_template(
        "page/badge.svg",
        label=badge.label,
        value=badge.value,
        color=COLORS[badge.color],
        font_size=FONT_SIZE,
        padding=PADDING,
        label_width=text_width(badge.label, FONT_SIZE),
        value_width=text_width(badge.value, FONT_SIZE),
    )
