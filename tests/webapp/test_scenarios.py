import pytest

from webapp.scenarios import ScenarioName, split


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("default", ("default", "", None)),
        ("chat@c8", ("chat", "c8", None)),
        ("chat@c8-completions", ("chat", "c8-completions", None)),
        ("chat@c8@eu-west-1", ("chat", "c8", "eu-west-1")),
        ("chat@@eu", ("chat", "", "eu")),
    ],
)
def test_a_name_is_split_into_workload_level_and_region_and_joined_again(name, parts):
    assert split(name) == parts
    assert str(split(name)) == name


def test_the_local_name_has_no_region():
    assert split("chat@c8@eu").local == "chat@c8"
    assert ScenarioName("chat", "", "eu").local == "chat"
