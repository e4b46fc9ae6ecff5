"""The chunks of an answer: which text each holds, and when it is due."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from llm_measure.mock_server.behaviour import Behaviour

TEXT = "the answer of a mock server is made of words that mean nothing and come on time"
WORDS = TEXT.split()
# What a first and a second half of a character are sent as; None: nothing.
HALVES: dict[str, tuple[str | None, str]] = {
    "withheld": (None, "😀"),
    "empty": ("", "😀"),
    "replaced": ("\ufffd", "\ufffd"),
}


@dataclass(frozen=True)
class Chunk:
    """A chunk with text, or with an empty one."""

    text: str
    reasoning: bool
    tokens: int  # of the answer up to here, hidden ones included
    steps: int  # from one token or half of a token to the next, since the chunk before
    block: int  # 1 for text that follows streamed reasoning, else 0


def chunks(tokens: int, behaviour: Behaviour) -> Iterator[Chunk]:
    """Yield the chunks of an answer of that many tokens, reasoning first."""
    streamed, hidden = behaviour.reasoning_of(tokens)
    parts = behaviour.parts_per_token
    texts = [part for text in _texts(tokens - hidden, behaviour) for part in _cut(text, parts)]
    answer = streamed * parts  # where it begins
    begin = sent = 0
    for size in cycle(behaviour.chunk_tokens):
        if begin == len(texts):
            return
        end = min(begin + size, answer if begin < answer else len(texts))
        held = [text for text in texts[begin:end] if text is not None]
        if held:
            steps = end - sent if sent else 0
            yield Chunk(
                "".join(held), begin < answer, hidden + -(-end // parts), steps, int(0 < answer <= begin)
            )
            sent = end
        begin = end


def whole_texts(tokens: int, behaviour: Behaviour) -> tuple[str, str]:
    """Return all text of reasoning and of the answer."""
    streamed, hidden = behaviour.reasoning_of(tokens)
    texts = [text or "" for text in _texts(tokens - hidden, behaviour)]
    return "".join(texts[:streamed]), "".join(texts[streamed:])


def _texts(tokens: int, behaviour: Behaviour) -> list[str | None]:
    """Return the text of each token; None for one that is withheld."""
    if behaviour.split_characters is None:
        return [f" {WORDS[number % len(WORDS)]}" for number in range(tokens)]
    texts = ("あ", "い", *HALVES[behaviour.split_characters])
    return [texts[number % len(texts)] for number in range(tokens)]


def _cut(text: str | None, parts: int) -> list[str | None]:
    """Return the text in one part or two."""
    if parts == 1 or text is None:
        return [text] * parts
    middle = len(text) // 2
    return [text[:middle], text[middle:]]
