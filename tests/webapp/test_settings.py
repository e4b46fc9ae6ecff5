import subprocess
import sys

import pytest

from webapp import settings as module
from webapp.settings import ROOT, Settings, SettingsError

LEAST = {"API_KEY": "key", "POSTGRES_HOST": "db", "REDIS_HOST": "cache"}


def faults(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({**LEAST, **changes})
    return caught.value.faults


def test_what_is_not_said_has_the_documented_default():
    settings = Settings.from_env(LEAST)

    assert settings.postgres_port == 5432
    assert settings.redis_port == 6379
    assert settings.seed == 20
    assert settings.schedule_interval == 600
    assert (settings.max_retries, settings.retry_delay, settings.points_per_run) == (2, 60, 1000)
    assert (settings.retention_days, settings.rollup_retention_days) == (30, 365)
    assert (settings.log_level, settings.log_format) == ("INFO", "text")
    assert settings.public_dashboard is False


def test_the_example_file_says_the_defaults():
    example = {
        name: value
        for name, _, value in (
            line.partition("=") for line in (ROOT / ".env.example").read_text().splitlines()
        )
        if name and not name.startswith("#")
    }

    assert Settings.from_env({**example, **LEAST}) == Settings.from_env(LEAST)


def test_0_days_is_for_ever():
    settings = Settings.from_env({**LEAST, "RETENTION_DAYS": "0", "ROLLUP_RETENTION_DAYS": "0"})

    assert (settings.retention_days, settings.rollup_retention_days) == (0, 0)


def test_an_empty_seed_means_fresh_randomness():
    assert Settings.from_env({**LEAST, "SEED": ""}).seed is None


def test_several_keys_stand_with_commas_between_them():
    assert Settings.from_env({**LEAST, "API_KEY": "old, new,"}).api_keys == ("old", "new")


@pytest.mark.parametrize(("minutes", "seconds"), [("1", 60), ("0.05", 3), ("10080", 604800)])
def test_the_interval_is_given_in_minutes(minutes, seconds):
    assert Settings.from_env({**LEAST, "SCHEDULE_INTERVAL": minutes}).schedule_interval == seconds


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("POSTGRES_PORT", "0", "whole number from 1 to 65535"),
        ("POSTGRES_PORT", "db", "whole number from 1 to 65535"),
        ("POSTGRES_SSLMODE", "yes", "one of disable"),
        ("SCHEDULE_INTERVAL", "0", "number of minutes"),
        ("SCHEDULE_INTERVAL", "nan", "number of minutes"),
        ("SCHEDULE_INTERVAL", "inf", "number of minutes"),
        ("SCHEDULE_INTERVAL", "99999", "number of minutes"),
        ("REDIS_SSL", "perhaps", "true or false"),
        ("PUBLIC_DASHBOARD", "perhaps", "true or false"),
        ("SEED", "twenty", "whole number, or empty"),
        ("MAX_RETRIES", "-1", "whole number from 0"),
        ("RETRY_DELAY", "1.5", "whole number from 0"),
        ("POINTS_PER_RUN", "0", "whole number from 1"),
        ("RETENTION_DAYS", "-1", "whole number of days from 1 to 36500, or 0 for ever"),
        ("RETENTION_DAYS", "soon", "whole number of days from 1"),
        ("ROLLUP_RETENTION_DAYS", "1", "whole number of days from 2"),
        ("ROLLUP_RETENTION_DAYS", "36501", "to 36500"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG"),
        ("LOG_FORMAT", "xml", "one of text, json"),
        ("POSTGRES_HOST", "", "name a server"),
    ],
)
def test_a_fault_names_the_setting_its_value_and_what_would_be_right(name, value, remedy):
    (fault,) = faults(**{name: value})

    assert fault.startswith(f"{name}={value!r}: ")
    assert remedy in fault


def test_all_faults_are_reported_at_once():
    found = faults(API_KEY="", POSTGRES_PORT="x", SEED="y")

    assert [fault.partition("=")[0] for fault in found] == ["POSTGRES_PORT", "API_KEY", "SEED"]


def test_what_serves_no_page_needs_no_secret_key_but_a_bad_one_is_refused():
    assert Settings.from_env(LEAST).secret_key == ""
    assert Settings.for_web_server({**LEAST, "SECRET_KEY": "x" * 32}).secret_key == "x" * 32
    (fault,) = faults(SECRET_KEY="x" * 31)
    assert fault.startswith("SECRET_KEY=(hidden): must be a random text of at least 32 characters")


def test_secrets_are_shown_neither_in_faults_nor_in_the_settings_themselves():
    assert "s3cret" not in faults(API_KEY="s3cret with spaces")[0]
    assert "s3cret" not in repr(
        Settings.from_env(
            {
                **LEAST,
                "API_KEY": "s3cret",
                "SECRET_KEY": "s3cret" * 6,
                "POSTGRES_PASSWORD": "s3cret",
                "REDIS_PASSWORD": "s3cret",
            }
        )
    )


@pytest.mark.parametrize(
    ("changes", "url"),
    [
        ({}, "redis://cache:6379/0"),
        ({"REDIS_SSL": "true", "REDIS_PORT": "7000"}, "rediss://cache:7000/0"),
        ({"REDIS_PASSWORD": "p@ss/word"}, "redis://:p%40ss%2Fword@cache:6379/0"),
        ({"REDIS_HOST": "/run/a b/redis.sock"}, "unix:///run/a%20b/redis.sock?db=0"),
    ],
)
def test_the_redis_url_holds_what_was_set(changes, url):
    assert Settings.from_env({**LEAST, **changes}).redis_url == url


def test_the_environment_wins_over_the_file_and_the_file_over_the_embedded_servers(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("API_KEY=of-the-file\nPOSTGRES_HOST=of-the-file\nREDIS_HOST=\nSEED=1\n")
    (tmp_path / "embedded.env").write_text("POSTGRES_HOST=embedded\nREDIS_HOST=/embedded\n")
    monkeypatch.setattr(module, "ENV_FILE", tmp_path / ".env")
    monkeypatch.setattr(module, "EMBEDDED_ENV_FILE", tmp_path / "embedded.env")
    for name in ("POSTGRES_HOST", "REDIS_HOST", "API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEED", "2")

    settings = Settings.from_env()

    assert (settings.postgres_host, settings.redis_host) == ("of-the-file", "/embedded")
    assert (settings.api_keys, settings.seed) == (("of-the-file",), 2)


@pytest.mark.parametrize("command", [["-m", "jobs.worker"], ["-m", "jobs.scheduler"], ["-c", "import wsgi"]])
def test_a_process_with_broken_settings_says_so_in_a_line_each_and_ends_with_2(command):
    broken = {**LEAST, "API_KEY": " ", "POSTGRES_PORT": "x", "SEED": "1"}

    done = subprocess.run(
        [sys.executable, *command], env=broken, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert [line.partition("=")[0] for line in done.stderr.splitlines()] == [
        "setting POSTGRES_PORT",
        "setting API_KEY",
    ]
