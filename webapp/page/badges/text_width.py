"""The width of a text in Verdana, since a server has no fonts to measure it with."""

import unicodedata

# Advance widths of the characters from U+0020 to U+007E, in thousandths of the font size.
ASCII = (
    *(352, 394, 459, 818, 636, 1076, 727, 269, 454, 454, 636, 818, 364, 454, 364, 454),
    *(636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 454, 454, 818, 818, 818, 545),
    *(1000, 684, 686, 698, 771, 632, 575, 775, 751, 421, 455, 693, 557, 843, 748, 787),
    *(603, 787, 695, 684, 616, 732, 684, 989, 685, 615, 685, 454, 454, 454, 818, 636),
    *(636, 601, 623, 521, 623, 596, 352, 623, 633, 274, 344, 592, 274, 973, 633, 607),
    *(623, 623, 427, 521, 394, 633, 592, 818, 592, 592, 525, 635, 454, 635, 818),
)
# Of other scripts: full-width characters, marks that take no place, and a generous width for all others.
WIDE, NONE, OTHER = 1000, 0, 700


def text_width(text: str, size: int) -> int:
    """Return the width in pixels, rounded up, of the text in Verdana of that size in pixels."""
    return -(-sum(map(_width, text)) * size // 1000)


def _width(character: str) -> int:
    place = ord(character) - 0x20
    if 0 <= place < len(ASCII):
        return ASCII[place]
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return NONE
    return WIDE if unicodedata.east_asian_width(character) in "WF" else OTHER
