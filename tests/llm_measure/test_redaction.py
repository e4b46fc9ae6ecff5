import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_measure.redaction import Secrets, clean

KEY = "sk-s3cret-key"
SECRETS = Secrets((KEY, None, "abc"))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (f"no such key: {KEY}.", "no such key: (hidden)."),
        ("no such key: sk-s3***", "no such key: (hidden)***"),
        ("abc", "abc"),
        (f"{{'Authorization': 'Bearer {KEY}'}}", "{'Authorization': 'Bearer (hidden)'}"),
        ("proxy-authorization: Basic dXM6QA==, x", "proxy-authorization: Basic (hidden), x"),
        ("authorization=other", "authorization=(hidden)"),
        ("host:h\nx-amz-security-token:FwoGZXIv/+==\n", "host:h\\nx-amz-security-token:(hidden)\\n"),
        ("Bearer authentication is required", "Bearer authentication is required"),
        ("http://us:pw@host/", "http://(hidden)@host/"),
        ("nul \0, line\n, \x1b[2J", "nul \\x00, line\\n, \\x1b[2J"),
        ("\u202e, \x9b, \ud800", "\\u202e, \\x9b, \\ud800"),
        ("日本 é 😀", "日本 é 😀"),
    ],
)  # fmt: skip
def test_secrets_are_hidden_and_control_characters_escaped(text, cleaned):
    assert clean(text, 100, SECRETS) == cleaned


def test_the_beginning_of_a_secret_where_the_text_is_cut_is_hidden():
    assert KEY[:4] not in clean(95 * "x" + KEY, 100, SECRETS)
    assert KEY[:4] not in clean(2000 * KEY, 100_000, SECRETS)


@given(
    st.text(st.characters()) | st.lists(st.sampled_from([KEY, KEY[:5], "\0", "://", "@", "x"])).map("".join)
)
def test_a_clean_text_is_printable_short_and_stays_as_it_is(text):
    cleaned = clean(text, 50, SECRETS)

    assert cleaned.isprintable()
    assert len(cleaned) <= 50
    assert KEY not in cleaned
    assert clean(cleaned, 50, SECRETS) == cleaned
