import os
import stat

import pytest
import yaml

from llm_measure.check.edit import EditError, with_changes, write_over

FILE = """\
# Our endpoints.
llms:
    # the first one
    -   name:   "A"   # as it is ranked
        base_url: http://a/v1
        model: a  # of its list

        workloads: [ chat ]   # not all
    - { name: B, base_url: 'http://b/v1', model: b }

    - name: C
      base_url: http://c/v1   # over there
      extra_body: { store: false,  top_k: 5 }  # of this one
      model: c

workloads:
  - {name: chat, concurrency: [ 1,2 ], requests: 4}
"""


def lines_changed(before: str, after: str) -> list[tuple[str, ...]]:
    """The lines that only one of the texts has."""
    return [tuple(line for line in text.split("\n") if line not in other.split("\n"))
            for text, other in ((before, after), (after, before))]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "changes", "lost", "new"),
    [
        (0, {"max_tokens_field": "max_completion_tokens"}, (),
         ("        max_tokens_field: max_completion_tokens",)),
        (0, {"model": "x: y"}, ("        model: a  # of its list",),
         ("        model: 'x: y'  # of its list",)),
        (1, {"base_url": "http://b/v2"}, ("    - { name: B, base_url: 'http://b/v1', model: b }",),
         ("    - { name: B, base_url: 'http://b/v2', model: b }",)),
        (1, {"stream_usage": False, "api": "completions"},
         ("    - { name: B, base_url: 'http://b/v1', model: b }",),
         ("    - { name: B, base_url: 'http://b/v1', model: b, api: completions, stream_usage: false }",)),
        (2, {"stream_usage": False}, (), ("      stream_usage: false",)),
        (2, {"base_url": "http://c/v2"}, ("      base_url: http://c/v1   # over there",),
         ("      base_url: http://c/v2   # over there",)),
        (2, {"extra_body": {"store": False, "top_k": None}},
         ("      extra_body: { store: false,  top_k: 5 }  # of this one",),
         ("      extra_body: {store: false, top_k: null}  # of this one",)),
    ],
)  # fmt: skip
def test_only_what_changes_is_changed(place, changes, lost, new):
    edited = with_changes(FILE, place, changes)

    assert lines_changed(FILE, edited) == [lost, new]
    expected = yaml.safe_load(FILE)
    expected["llms"][place] |= changes
    assert yaml.safe_load(edited) == expected


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_and_a_byte_order_mark_stay(newline):
    text = "\ufeff" + FILE.replace("\n", newline)

    edited = with_changes(text, 2, {"stream_usage": False})

    assert edited == text.replace(
        f"      model: c{newline}", f"      model: c{newline}      stream_usage: false{newline}"
    )


def test_a_file_without_an_end_of_its_last_line_gets_one_before_the_field():
    text = "llms:\n- name: A\n  model: a"

    assert with_changes(text, 0, {"api": "completions"}) == f"{text}\n  api: completions"


@pytest.mark.parametrize(
    "text",
    [
        "llms:\n- &a {name: A, model: a}\n- *a\n",
        "llms: &l\n- {name: A, model: a}\nothers: *l\n",
    ],
)
def test_what_other_parts_of_the_file_share_is_left_alone(text):
    with pytest.raises(EditError):
        with_changes(text, 0, {"key_scheme": "Token"})


def test_fields_of_a_shared_mapping_are_written_over_where_they_are_merged():
    text = "base: &b {model: a}\nllms:\n- {<<: *b, name: A}\n- {<<: *b, name: B}\n"

    edited = yaml.safe_load(with_changes(text, 1, {"model": "c"}))

    assert [llm["model"] for llm in edited["llms"]] == ["a", "c"]


def test_a_file_is_replaced_in_one_step_and_keeps_its_mode_and_its_link(tmp_path):
    real, link = tmp_path / "real.yml", tmp_path / "link.yml"
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to(real)
    with real.open() as reader:
        write_over(link, "before", "after")
        assert reader.read() == "before"  # whoever has it open sees no half of a file

    assert (real.read_text(), link.is_symlink()) == ("after", True)
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(os.listdir(tmp_path)) == ["link.yml", "real.yml"]


def test_a_file_that_was_changed_meanwhile_is_left_alone(tmp_path):
    path = tmp_path / "file.yml"
    path.write_text("theirs")

    with pytest.raises(EditError, match="was changed meanwhile"):
        write_over(path, "before", "after")
    assert path.read_text() == "theirs"
