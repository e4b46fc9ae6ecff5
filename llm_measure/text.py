"""Texts that others have sent or chosen, made harmless for a terminal and for a spreadsheet."""

from functools import lru_cache

# A spreadsheet takes text that begins so for a formula, which may run programs or send cells elsewhere. Some
# take the full-width forms for the same characters.
FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def printable(text: str) -> str:
    """Return the text with what could control a terminal escaped.

    Escapes control characters, among them those of ANSI sequences, line breaks, and invisible characters such
    as those that change the direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


@lru_cache(maxsize=10_000)
def csv_cell(text: str) -> str:
    """Return the text as a cell of a CSV file: preceded by an apostrophe if it would be taken for a formula.

    Source: OWASP, CSV Injection.
    """
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
