import pytest

from llm_measure.client.models import other_model


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4", "gpt-4-0613"),
        ("gemini-2.5-pro", "models/gemini-2.5-pro-preview-05-06"),
        ("llama3.1", "llama3.1:latest"),
        ("Qwen/Qwen3-8B", "qwen3-8b"),
        ("m", "/data/models/m"),
        ("gpt-4o", None),
        ("gpt-4o", ""),
    ],
)
def test_a_snapshot_a_path_or_nothing_is_no_other_model(asked, answered):
    assert other_model(asked, answered) is None


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("gpt-4o", "gpt-4o-mini"), ("gpt-4", "gpt-4-32k"), ("llama-3-8b", "llama-3-70b"), ("a", "b"),
     ("gpt-4o", "gpt-4o-mini-2024-07-18"), ("qwen", "qwen-7b")],
)  # fmt: skip
def test_any_other_name_is_another_model(asked, answered):
    assert other_model(asked, answered) == answered
