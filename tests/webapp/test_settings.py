import subprocess
import sys

import pytest

from webapp.settings import ROOT, Settings, SettingsError, environment

LEAST = {"API_KEY": "key", "POSTGRES_HOST": "db", "REDIS_HOST": "cache"}


def faults(**changes: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({**LEAST, **changes}, needs_key=True)
    return caught.value.faults


def test_missing_settings_have_the_documented_defaults():
    settings = Settings.from_env(LEAST)

    assert settings.postgres_port == 5432
    assert settings.redis_port == 6379
    assert settings.seed == 20
    assert settings.schedule_interval == 600
    assert (settings.max_retries, settings.retry_delay, settings.points_per_run) == (2, 60, 1000)
    assert settings.migration_timeout == 600
    assert (settings.retention_days, settings.rollup_retention_days) == (30, 365)
    assert (settings.watch_min_change, settings.watch_failed_runs) == (0.1, 2)
    assert (settings.watch_max_error_rate, settings.watch_min_slo_attainment) == (0.1, 0.9)
    assert settings.watch_cool_down == 3600
    assert (settings.log_level, settings.log_format) == ("INFO", "text")
    assert settings.public_dashboard is False
    assert settings.region is None
    assert (settings.bind, settings.web_concurrency) == ("127.0.0.1:8001", 2)


def test_the_example_file_has_the_defaults():
    example = {
        name: value
        for name, _, value in (
            line.partition("=") for line in (ROOT / ".env.example").read_text().splitlines()
        )
        if name and not name.startswith("#")
    }

    assert Settings.from_env({**example, **LEAST}) == Settings.from_env(LEAST)


def test_0_days_means_no_limit():
    settings = Settings.from_env({**LEAST, "RETENTION_DAYS": "0", "ROLLUP_RETENTION_DAYS": "0"})

    assert (settings.retention_days, settings.rollup_retention_days) == (0, 0)


def test_an_empty_seed_means_fresh_randomness():
    assert Settings.from_env({**LEAST, "SEED": ""}).seed is None


def test_several_keys_are_separated_by_commas():
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
        ("MIGRATION_TIMEOUT", "-1", "whole number from 0"),
        ("POINTS_PER_RUN", "0", "whole number from 1"),
        ("RETENTION_DAYS", "-1", "whole number of days from 1 to 36500, or 0 for no limit"),
        ("RETENTION_DAYS", "soon", "whole number of days from 1"),
        ("ROLLUP_RETENTION_DAYS", "1", "whole number of days from 2"),
        ("ROLLUP_RETENTION_DAYS", "36501", "to 36500"),
        ("WATCH_MIN_CHANGE", "0", "number from 0.01 to 10"),
        ("WATCH_MIN_CHANGE", "10 %", "number from 0.01 to 10"),
        ("WATCH_FAILED_RUNS", "0", "whole number from 1"),
        ("WATCH_MAX_ERROR_RATE", "nan", "number from 0 to 1"),
        ("WATCH_MIN_SLO_ATTAINMENT", "90", "number from 0 to 1"),
        ("WATCH_COOL_DOWN", "0", "number of minutes"),
        ("LOG_LEVEL", "LOUD", "one of DEBUG"),
        ("LOG_FORMAT", "xml", "one of text, json"),
        ("POSTGRES_HOST", "", "must name a server"),
        ("POSTGRES_SSLROOTCERT", "/nowhere", "must be the path of a file"),
        ("POSTGRES_POOL_SIZE", "0", "whole number from 1 to 100"),
        ("REDIS_DB", "-1", "whole number from 0"),
        ("REDIS_PREFIX", "a b", "must be at most 100 of the characters"),
        ("REDIS_SENTINELS", "a:b", "must be hosts with ports"),
        ("REDIS_SSL_CA", "/nowhere", "must be the path of a file"),
        ("URL_PREFIX", "llm", "must be a path"),
        ("TRUSTED_PROXIES", "proxy", "must be an address or network"),
        ("FRAME_ANCESTORS", "'self'; script-src *", "must be sources"),
        ("KEEPALIVE", "0", "whole number from 1 to 3600"),
        ("REGION", "EU west", "must be 1 to 31 of the characters a-z, 0-9 and -"),
    ],
)
def test_a_fault_has_the_name_the_value_and_what_is_expected(name, value, remedy):
    (fault,) = faults(**{name: value})

    assert fault.startswith(f"{name}={value!r}: ")
    assert remedy in fault


def test_all_faults_are_reported_together():
    found = faults(API_KEY="", POSTGRES_PORT="x", SEED="y", HOST="[::]", PORT="z", WEB_CONCURRENCY="0")

    assert [fault.partition("=")[0] for fault in found] == [
        "POSTGRES_PORT", "API_KEY", "SEED", "HOST", "PORT", "WEB_CONCURRENCY"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["PORT", "WEB_CONCURRENCY"])
@pytest.mark.parametrize("value", ["x", "0", "-1", "1.5", "65536", "9" * 5000, "1_0", chr(0x0661)])
def test_an_invalid_port_or_number_of_processes_is_refused(name, value):
    (fault,) = faults(**{name: value})

    assert ": must be a whole number from 1 to " in fault


def test_a_path_too_long_for_a_unix_socket_is_refused():
    (fault,) = faults(HOST=f"unix:/{'x' * 107}")

    assert fault.endswith("must have a path of at most 107 bytes")


@pytest.mark.parametrize(
    "value", ["a b", "/tmp/x", "é", "[::1]", "127.0.0.1,::1", "unix:", "unix:api.sock", "unix://"]
)
def test_a_host_that_is_not_one_address_is_refused(value):
    (fault,) = faults(HOST=value)

    assert ": must be one name or address" in fault


@pytest.mark.parametrize(
    ("environ", "bind", "workers"),
    [
        ({"HOST": "", "PORT": " ", "WEB_CONCURRENCY": ""}, "127.0.0.1:8001", 2),
        ({"HOST": "::", "PORT": "80", "WEB_CONCURRENCY": "1"}, "[::]:80", 1),
        ({"HOST": "0.0.0.0", "PORT": "65535", "WEB_CONCURRENCY": "256"}, "0.0.0.0:65535", 256),
        ({"HOST": "unix:/run/a b.sock"}, "unix:/run/a b.sock", 2),
    ],
)
def test_address_and_number_of_processes_are_settings(environ, bind, workers):
    settings = Settings.from_env({**LEAST, **environ})

    assert (settings.bind, settings.web_concurrency) == (bind, workers)


def test_a_secret_key_is_long_or_empty():
    assert Settings.from_env(LEAST).secret_key == ""
    assert Settings.from_env({**LEAST, "SECRET_KEY": "x" * 32}).secret_key == "x" * 32
    (fault,) = faults(SECRET_KEY="x" * 31)
    assert fault.startswith("SECRET_KEY=(hidden): must have at least 32 random characters, or be empty")


def test_secrets_appear_neither_in_faults_nor_in_the_settings_repr():
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
    ("url", "expected"),
    [
        ("postgresql://u:p%40ss@pg:6000/bench", ("u", "p@ss", "pg", 6000, "bench", "prefer")),
        ("postgres://pg", ("postgres", "", "pg", 5432, "llm_benchmark", "prefer")),
        ("postgresql+psycopg2://[::1]/b?sslmode=require", ("postgres", "", "::1", 5432, "b", "require")),
        ("postgresql:///b?host=/run/postgresql", ("postgres", "", "/run/postgresql", 5432, "b", "prefer")),
    ],
)
def test_a_database_url_takes_the_place_of_the_single_settings(url, expected):
    found = Settings.from_env({**LEAST, "DATABASE_URL": url})

    assert expected == (
        found.postgres_user, found.postgres_password, found.postgres_host, found.postgres_port,
        found.postgres_db, found.postgres_sslmode,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://me:p%3Ass@r:7000/3", ("me", "p:ss", "r", 7000, 3, False)),
        ("rediss://:word@r", ("", "word", "r", 6379, 0, True)),
        ("unix:///run/redis.sock?db=2", ("", "", "/run/redis.sock", 6379, 2, False)),
    ],
)
def test_a_redis_url_takes_the_place_of_the_single_settings(url, expected):
    found = Settings.from_env({**LEAST, "REDIS_URL": url})

    assert expected == (
        found.redis_user, found.redis_password, found.redis_host, found.redis_port, found.redis_db,
        found.redis_ssl,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "url", "remedy"),
    [
        ("DATABASE_URL", "mysql://s3cret@pg/x", "must begin with postgresql://"),
        ("DATABASE_URL", "postgresql://u:s3cret@pg:0x1/x", "a port from 1 to 65535"),
        ("DATABASE_URL", "postgresql://u:s3cret@/x", "must name a host"),
        (
            "DATABASE_URL",
            "postgresql://u:s3cret@pg/x?options=-c",
            "parameter 'options': unknown; expected one",
        ),
        ("REDIS_URL", "http://:s3cret@r", "must begin with redis://, rediss://, unix://"),
        ("REDIS_URL", "redis://:s3cret@r?ssl_cert_reqs=none", "parameter 'ssl_cert_reqs': unknown"),
    ],
)
def test_an_unusable_url_is_refused_without_being_shown(name, url, remedy):
    (fault,) = faults(**{name: url})

    assert fault.startswith(f"{name}=(hidden): ")
    assert remedy in fault
    assert "s3cret" not in fault


def test_a_url_in_the_file_names_a_server_so_that_the_embedded_one_is_not_used(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text(
        "DATABASE_URL=postgresql://named/x\nREDIS_SENTINELS=a:1, [::1]\nPOSTGRES_HOST=\nREDIS_HOST=\n"
    )
    (tmp_path / "embedded.env").write_text("POSTGRES_HOST=embedded\nREDIS_HOST=/embedded\n")
    for name in ("POSTGRES_HOST", "REDIS_HOST"):
        monkeypatch.delenv(name, raising=False)

    settings = Settings.from_env(environment(tmp_path / ".env", tmp_path / "embedded.env"))

    assert (settings.postgres_host, settings.redis_host) == ("named", "")
    assert settings.redis_sentinels == (("a", 1), ("::1", 26379))


def test_a_password_may_have_any_characters():
    word = " pä$$'\"\\#%@:/ \t"

    settings = Settings.from_env({**LEAST, "POSTGRES_PASSWORD": word, "REDIS_PASSWORD": word})

    assert (settings.postgres_password, settings.redis_password) == (word, word)


def test_the_environment_overrides_the_file_which_overrides_the_embedded_servers(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("API_KEY=of-the-file\nPOSTGRES_HOST=of-the-file\nREDIS_HOST=\nSEED=1\n")
    (tmp_path / "embedded.env").write_text("POSTGRES_HOST=embedded\nREDIS_HOST=/embedded\n")
    for name in ("POSTGRES_HOST", "REDIS_HOST", "API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEED", "2")

    settings = Settings.from_env(environment(tmp_path / ".env", tmp_path / "embedded.env"))

    assert (settings.postgres_host, settings.redis_host) == ("of-the-file", "/embedded")
    assert (settings.api_keys, settings.seed) == (("of-the-file",), 2)


@pytest.mark.parametrize(("key", "shown"), [("", "''"), (" ", "(hidden)")])
def test_only_the_api_needs_a_key(key, shown):
    assert Settings.from_env({**LEAST, "API_KEY": key}).api_keys == ()
    assert faults(API_KEY=key) == [f"API_KEY={shown}: must contain at least one key; see make env"]


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "jobs.worker"],
        ["-m", "jobs.scheduler"],
        ["-c", "import wsgi"],
        ["-m", "flask", "--app", "webapp", "llms", "list"],
    ],
)
def test_a_process_reports_each_bad_setting_in_one_line_and_exits_with_2(command):
    broken = {**LEAST, "API_KEY": "a b", "POSTGRES_PORT": "x", "SEED": "1"}

    done = subprocess.run(
        [sys.executable, *command], env=broken, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert [line.partition("=")[0] for line in done.stderr.splitlines()] == [
        "setting POSTGRES_PORT",
        "setting API_KEY",
    ]


def test_importing_the_settings_loads_neither_the_application_nor_its_libraries():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, webapp.settings; print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = [name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names]
    packages = {name.partition(".")[0] for name in loaded}
    assert packages.isdisjoint({"flask", "llm_measure", "numpy", "psycopg2", "redis", "rq", "sqlalchemy"})
    assert len(loaded) < 20
