import json

import pytest

from llm_measure.endpoints import Endpoint
from llm_measure.load.datasets import DatasetError, Row, check_dataset, count_rows, files, read_dataset
from llm_measure.load.requests import most_tokens, request_builder
from llm_measure.workloads import Workload

HUMAN, GPT, SYSTEM = (
    {"from": who, "value": text} for who, text in (("human", "hi"), ("gpt", "hello"), ("system", "be brief"))
)


def written(tmp_path, content, name="rows.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def batch(url="/v1/chat/completions", **body):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **body}
    return {"custom_id": "a", "method": "POST", "url": url, "body": body}


def test_each_line_is_a_prompt_or_a_conversation(tmp_path):
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]
    rows = [{"prompt": 'say "é"', "output_tokens": 5}, {"messages": messages}, {"prompt": "b", "id": 7}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n".join(json.dumps(row) for row in rows) + "\n")

    assert read_dataset(path) == [Row('say "é"', 5), Row(messages, None), Row("b", None)]


def test_a_dataset_is_checked_for_a_limited_time(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "a"}\n{"prompt": 7}\n')

    with pytest.raises(DatasetError, match=r"rows.jsonl:2: prompt: must be a text"):
        check_dataset(path)

    monkeypatch.setattr("llm_measure.load.datasets.CHECK_SECONDS", -1)
    check_dataset(path)


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


def test_messages_of_several_users_have_turns(tmp_path):
    roles = ("system", "user", "assistant", "user")
    messages = [{"role": role, "content": f"{number}"} for number, role in enumerate(roles)]

    assert read_dataset(written(tmp_path, {"messages": messages})) == [Row(messages, None, ("1", "3"))]


def test_a_conversation_of_sharegpt_is_its_first_question_and_has_turns(tmp_path):
    later = {"from": "user", "value": "and then?"}
    conversations = ([HUMAN, GPT], [SYSTEM, HUMAN, GPT, later, GPT], [GPT], [])
    path = written(tmp_path, [{"id": "a", "conversations": each} for each in conversations])
    asked = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]

    assert read_dataset(path) == [Row("hi"), Row(asked, None, ("hi", "and then?"))]


def test_a_request_of_a_batch_file_gives_its_messages_and_its_maximum(tmp_path):
    lines = [batch(max_tokens=7, temperature=1), batch(max_tokens=7, max_completion_tokens=9), batch()]
    path = written(tmp_path, "\n".join(map(json.dumps, lines)), "batch.jsonl")
    messages = lines[0]["body"]["messages"]

    assert read_dataset(path) == [Row(messages, 7), Row(messages, 9), Row(messages, None)]


def test_a_csv_file_has_prompts_in_a_column(tmp_path):
    cells = f'id,prompt,output_tokens\r\n1,"two\nlines, ""q""",5\r\n\r\n2,plain,\r\n3,{"x" * 200_000},7'
    rows = read_dataset(written(tmp_path, cells, "rows.CSV"))

    assert rows == [Row('two\nlines, "q"', 5), Row("plain", None), Row("x" * 200_000, 7)]
    assert [row.where.rpartition(":")[2] for row in rows] == ["2", "5", "6"]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_an_array_is_read_in_pieces_of_any_size(tmp_path, monkeypatch, indent, size):
    monkeypatch.setattr(files, "PIECE_BYTES", size)
    texts = ["é\u2028]", "[{", "x" * 50]
    path = tmp_path / "rows.json"
    rows = [{"prompt": text} for text in texts]
    path.write_bytes(
        b"\xef\xbb\xbf \n" + json.dumps(rows, indent=indent, ensure_ascii=False).encode() + b"\n"
    )

    assert [row.prompt for row in read_dataset(path)] == texts


def test_an_array_is_read_no_further_than_is_needed(tmp_path):
    path = written(tmp_path, [{"prompt": "x" * 1000} for _ in range(5000)])
    path.write_bytes(path.read_bytes() + b"\xff")
    found = files.objects(path)

    assert next(found) == (1, {"prompt": "x" * 1000})


def test_a_file_that_changes_is_read_again(tmp_path):
    path = written(tmp_path, [{"prompt": "a"}])
    assert count_rows(path) == 1

    written(tmp_path, [{"prompt": "a"}, {"prompt": "b"}])
    assert count_rows(path) == 2


def test_images_arrive_as_they_are_in_the_dataset(tmp_path):
    url = "data:image/png;base64,iVBORw0KGgo/+8="
    parts = [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    messages = [{"role": "user", "content": parts}]
    path = written(tmp_path, {"messages": messages}, "rows.jsonl")

    request = request_builder(Endpoint("http://x/v1", "m"), Workload(dataset=str(path)), 1, "/")(0, None)

    assert f'{{"type": "image_url", "image_url": {{"url": "{url}"}}}}'.encode() in request
    assert json.loads(request.partition(b"\r\n\r\n")[2])["messages"] == messages


def test_the_maximum_of_a_batch_request_is_asked_for(tmp_path):
    path = written(tmp_path, batch(max_completion_tokens=100_000), "batch.jsonl")
    workload = Workload(dataset=str(path))

    request = request_builder(Endpoint("http://x/v1", "m"), workload, 1, "/")(0, None)

    assert json.loads(request.partition(b"\r\n\r\n")[2])["max_tokens"] == 100_000
    assert most_tokens(workload) > 100_000


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "rows.jsonl: empty; expected at least one prompt"),
        ('{"prompt": "a"}\nnonsense', "rows.jsonl:2: not JSON"),
        ('{"question": "a"}', "rows.jsonl:1: must be an object with prompt"),
        ("[1]", "rows.jsonl:1: must be an object"),
        ('{"prompt": 5}', "rows.jsonl:1: prompt: must be a text"),
        ('{"prompt": " "}', "rows.jsonl:1: prompt: empty; expected a text"),
        ('{"messages": []}', "rows.jsonl:1: messages: empty; expected at least one"),
        ('{"prompt": "a", "messages": []}', "rows.jsonl:1: prompt and messages: expected one of them"),
        ('{"prompt": "a", "ouput_tokens": 5}', "rows.jsonl:1: ouput_tokens: unknown; expected output_tokens"),
        ('{"prompt": "a", "output_tokens": 0}', "rows.jsonl:1: output_tokens=0"),
        ('{"prompt": "a", "output_tokens": true}', "rows.jsonl:1: output_tokens=True"),
        ('\n{"messages": ["hi"]}', "rows.jsonl:2: messages: must be objects with a role"),
        ('{"messages": [{"role": "user"}]}', "rows.jsonl:1: content: must be a text or a list of parts"),
        ('\n{"conversations": {}}', "rows.jsonl:2: conversations: must be a list"),
        ('{"conversations": ["hi"]}', "rows.jsonl:1: from=None: unknown; expected one of human, user"),
        ('{"conversations": [{"from": "tool", "value": ""}]}', "rows.jsonl:1: from='tool': unknown"),
        ('{"conversations": [{"from": "gpt"}]}', "rows.jsonl:1: value: must be a text"),
        ('{"conversations": []}', "rows.jsonl: empty"),
        (json.dumps(batch("/v1/embeddings")), "rows.jsonl:1: url='/v1/embeddings': another API; expected"),
        (json.dumps(batch(messages=[])), "rows.jsonl:1: body: messages: empty; expected at least one"),
        (json.dumps(batch(max_tokens=0)), "rows.jsonl:1: max_tokens=0: must be a whole number"),
        ("[]", "rows.jsonl: empty"),
        ('[\n{"prompt": "a"},\n\n{"prompt":\n 1}]', "rows.jsonl:4: prompt: must be a text"),
        ('[\n{"prompt": "a"},\n]', "rows.jsonl:3: not JSON"),
        ('[{"prompt": "a"}\n{"prompt": "b"}]', "rows.jsonl:2: not JSON; expected , or ]"),
        ('[\n{"prompt": "a"},\n{"prompt": "b\n', "rows.jsonl:3: not JSON"),
        ('[{"prompt": "a"}]\n[]', "rows.jsonl:2: must end after the array"),
        ("[" * 100_000, "rows.jsonl:1: nested too deeply"),
    ],
)
def test_an_unusable_dataset_is_refused_with_the_line(tmp_path, text, word):
    path = tmp_path / "rows.jsonl"
    path.write_text(text)

    with pytest.raises(DatasetError, match=word):
        read_dataset(path)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "rows.csv:1: no column prompt; expected its name in the first line"),
        ("question\na", "rows.csv:1: no column prompt"),
        ("prompt,prompt\na,b", "rows.csv:1: duplicate column prompt; expected it once"),
        ("prompt,Output_Token\na,5", "rows.csv:1: Output_Token: unknown; expected output_tokens"),
        ('prompt\na\n""', "rows.csv:3: prompt: empty"),
        ("prompt\n", "rows.csv: empty"),
        ('prompt,id\n"a\nb",1\nc', "rows.csv:4: 1 cells; expected 2, as in the first line"),
        ("prompt,output_tokens\na,5\nb,many", "rows.csv:3: output_tokens='many': must be a whole number"),
        ('prompt\na\n"b', "rows.csv:3: not CSV: unexpected end of data"),
    ],
)
def test_an_unusable_csv_file_is_refused_with_the_line(tmp_path, text, word):
    with pytest.raises(DatasetError, match=word):
        read_dataset(written(tmp_path, text, "rows.csv"))


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    with pytest.raises(DatasetError, match=r"rows\.jsonl: cannot be read: No such file or directory$"):
        read_dataset(path)

    for before in (b'{"prompt": "a"}\n', b'[{"prompt": "a"},\n'):
        path.write_bytes(before + b'{"prompt": "\xff"}')
        with pytest.raises(DatasetError, match=r"rows\.jsonl:2: not UTF-8"):
            read_dataset(path)
