import json

import pytest

from llm_measure.load.datasets import DatasetError, Row, read_dataset


def test_each_line_is_a_prompt_or_a_conversation(tmp_path):
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    rows = [{"prompt": 'say "é"', "output_tokens": 5}, {"messages": messages}, {"prompt": ""}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n".join(json.dumps(row) for row in rows) + "\n")

    assert read_dataset(path) == [Row('say "é"', 5), Row(messages, None), Row("", None)]


def test_other_line_separators_belong_to_the_text(tmp_path):
    text = "one\u2028two\x85three\u2029four"
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": text}, ensure_ascii=False), encoding="utf-8")

    assert read_dataset(path) == [Row(text, None)]


def test_a_carriage_return_alone_ends_no_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"prompt":\r"a"}\n{"prompt": "b"}')

    assert read_dataset(path) == [Row("a", None), Row("b", None)]


def test_a_byte_order_mark_and_crlf_are_accepted(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\r\n{"prompt": "b"}\r\n')

    assert read_dataset(path) == [Row("a", None), Row("b", None)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "rows.jsonl: empty; expected at least one prompt"),
        ('{"prompt": "a"}\nnonsense', "rows.jsonl:2: not JSON"),
        ('{"question": "a"}', "rows.jsonl:1: must be an object with prompt"),
        ("[1]", "rows.jsonl:1: must be an object"),
        ('{"prompt": 5}', "rows.jsonl:1: must be"),
        ('{"prompt": "a", "output_tokens": 0}', "rows.jsonl:1: output_tokens=0"),
        ('{"prompt": "a", "output_tokens": true}', "rows.jsonl:1: output_tokens=True"),
        ('{"messages": []}', "rows.jsonl:1: must be"),
    ],
)
def test_an_unusable_dataset_is_refused_with_the_line(tmp_path, text, word):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)

    with pytest.raises(DatasetError, match=word):
        read_dataset(path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    with pytest.raises(DatasetError, match=r"rows\.jsonl: cannot be read: .*No such file"):
        read_dataset(path)

    path.write_bytes(b'{"prompt": "\xff"}')
    with pytest.raises(DatasetError, match=r"rows\.jsonl: cannot be read: 'utf-8' codec"):
        read_dataset(path)
