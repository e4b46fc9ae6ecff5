import pytest

from llm_measure.yaml_lines import Document, YAMLError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{former}'] * 9)}]\n"
    for former, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_every_node_has_its_line_and_its_data():
    document = Document("a:\n  - 1\n  - b: 2\nc: {d: 3}\n")

    assert document.data == {"a": [1, {"b": 2}], "c": {"d": 3}}
    assert [document.line(path) for path in [(), ("a",), ("a", 1), ("a", 1, "b"), ("c", "d")]] == [
        1,
        1,
        3,
        3,
        4,
    ]
    assert (document.value(("a", 1, "b")), document.value(("a", 7, "b"))) == (2, None)


def test_a_missing_node_has_the_line_of_the_node_around_it():
    assert Document("a:\n  b: 1\n").line(("a", "b", "c", 0)) == 2


def test_an_alias_has_the_line_where_it_is_used():
    document = Document("a: &x {b: 1}\nc:\n  d: *x\n")

    assert document.line(("c", "d", "b")) == 1
    assert document.line(("c", "d")) == 3


def test_an_empty_text_is_an_empty_document():
    assert Document("").data is None


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: [", 2, "expected the node content"),
        ("a: 1\na: 2", 2, "a: duplicate key"),
        ("a: 1\n? [b]\n: 2", 2, "invalid key; expected a string"),
        ("a: 1\n? {b: 1}\n: 2", 2, "invalid key"),
        ("a: 1\nb: &b [1, *b]", 2, "recursive alias"),
        ("a: 1\nb: &b {c: {d: *b}}", 2, "recursive alias"),
        ("a: 1\nb: &b\n  <<: *b", 2, "recursive alias"),
        ("a: 1\nb: *c", 2, "undefined alias"),
        (BOMB, 1, "too many nodes; expected at most 100000"),
        ("[" * 10_000, 1, "nested too deeply"),
        ("a: 1\nb: 2026-13-01", 2, "month must be"),
        ('a: 1\nb: "\\0"', 2, "must not contain NUL"),
        ('a: 1\n"\\ud800": 1', 2, "lone surrogates"),
        ("\0", 1, "special characters are not allowed"),
        ("a: 1\nb: !!python/object:os.system x", 2, "could not determine a constructor"),
    ],
)
def test_unusable_yaml_is_refused_with_its_line(text, line, message):
    with pytest.raises(YAMLError, match=message) as refused:
        Document(text)

    assert refused.value.line == line
