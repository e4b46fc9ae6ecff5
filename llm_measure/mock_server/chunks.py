"""The chunks of an answer: which text each holds, and when it is due."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

from llm_measure.mock_server.behaviour import Behaviour

TEXT = "the answer of a mock server is made of words that mean nothing and come on time"
WORDS = TEXT.split()
# What is said where JSON is expected, as an answer or as the arguments of a call.
WEATHER = '{"city": "Oslo", "temperature": 7.5, "unit": "celsius"}'
Said = Literal["words", "json", "call"]
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
    is_call: bool = False  # whether the text is of a call's arguments


def chunks(tokens: int, behaviour: Behaviour, said: Said = "words", is_valid: bool = True) -> Iterator[Chunk]:
    """Yield the chunks of an answer of that many tokens, reasoning first."""
    streamed, hidden = behaviour.reasoning_of(tokens)
    parts = behaviour.parts_per_token
    words = _texts(tokens - hidden, behaviour)
    if said != "words":
        words[streamed:] = _json_texts(len(words) - streamed, is_valid)
    texts = [part for text in words for part in _cut(text, parts)]
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
                "".join(held),
                begin < answer,
                hidden + -(-end // parts),
                steps,
                int(0 < answer <= begin),
                said == "call" and begin >= answer,
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


def _json_texts(tokens: int, is_valid: bool) -> list[str]:
    """Return the JSON in that many pieces, of which those that are left are white space."""
    text = WEATHER if is_valid else WEATHER[:-1]
    size = max(1, -(-len(text) // max(tokens, 1)))
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return pieces + [" "] * (tokens - len(pieces))


def _cut(text: str | None, parts: int) -> list[str | None]:
    """Return the text in one part or two."""
    if parts == 1 or text is None:
        return [text] * parts
    middle = len(text) // 2
    return [text[:middle], text[middle:]]
