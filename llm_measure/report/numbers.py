"""Numbers as a table shows them."""


def shown(value: float | None) -> str:
    """Return four significant digits, or all digits before the point; a dash for what is unknown."""
    if value is None:
        return "-"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"
