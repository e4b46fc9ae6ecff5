"""The benchmark file while it changes: by one scheduler's looks, and by real processes without a restart."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.plan_keeper import PlanKeeper
from jobs.scheduler import SlotScheduler
from tests.jobs.system import until
from tests.support import query
from tests.web import GUNICORN
from webapp.plan import current, shared
from webapp.plan.benchmark_file import BenchmarkFileError
from webapp.plan.current import CurrentPlan, lags_behind, read_plan
from webapp.plan.shared import Report, SharedPlan
from webapp.redis import cache_redis
from webapp.settings import ROOT, Settings

BROKEN = "llms: [\n"
URL = "http://127.0.0.1:9/v1"


def plan_of(*llms: str, url: str = URL, interval: float = 600) -> str:
    lines = "".join(f"  - {{name: {llm}, base_url: '{url}', model: mock}}\n" for llm in llms)
    return (
        f"llms:\n{lines}workloads:\n"
        f"  - {{name: chat, concurrency: 1, requests: 1, output_tokens: 2, interval: {interval}}}\n"
    )


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "benchmark.yml"
    path.write_text(plan_of("A"))
    return path


@pytest.fixture
def keeper_of(settings, redis):
    """Makes the keeper of a scheduler that starts with this file."""
    return lambda path: PlanKeeper(replace(settings, benchmark_file=str(path)), redis)


@pytest.fixture
def reported(redis):
    """Returns the number of reported faults."""

    def reported() -> int:
        report = shared.reported(redis)
        return report.faults if report else 0

    return reported


def llms(keeper: PlanKeeper) -> list[str]:
    return [measurement.llm for measurement in keeper.measurements]


def look(*keepers: PlanKeeper) -> None:
    """Look twice, since a content counts once it has been seen twice."""
    for _ in range(2):
        for keeper in keepers:
            keeper.look()


class TestOneScheduler:
    def test_follows_its_file(self, keeper_of, file):
        keeper = keeper_of(file)
        look(keeper)
        file.write_text(plan_of("A", "B"))

        look(keeper)

        assert llms(keeper) == ["A", "B"]

    def test_does_not_take_a_file_that_is_still_being_written(self, keeper_of, file):
        keeper = keeper_of(file)
        for size in range(0, len(plan_of("A", "B")), 7):
            file.write_text(plan_of("A", "B")[:size])
            keeper.look()
            assert (llms(keeper), keeper.faults) == (["A"], [])

    def test_follows_a_file_that_a_symlink_swaps_with_an_older_time(self, keeper_of, tmp_path):
        for version, text in (("..1", plan_of("A")), ("..2", plan_of("B"))):
            (tmp_path / version).mkdir()
            (tmp_path / version / "benchmark.yml").write_text(text)
            os.utime(tmp_path / version / "benchmark.yml", (1, 1))
        (tmp_path / "..data").symlink_to("..1")
        (tmp_path / "benchmark.yml").symlink_to("..data/benchmark.yml")
        keeper = keeper_of(tmp_path / "benchmark.yml")
        look(keeper)

        (tmp_path / "..tmp").symlink_to("..2")
        (tmp_path / "..tmp").rename(tmp_path / "..data")
        look(keeper)

        assert llms(keeper) == ["B"]

    @pytest.mark.parametrize("broken", [BROKEN, plan_of("A", url="ftp://x"), "", None])
    def test_reports_a_broken_file_once_and_keeps_the_plan_until_it_is_right(
        self, keeper_of, file, reported, caplog, broken
    ):
        keeper = keeper_of(file)
        look(keeper)
        file.unlink() if broken is None else file.write_text(broken)
        for _ in range(3):
            look(keeper)

        assert llms(keeper) == ["A"]
        assert reported() == len(keeper.faults) > 0
        assert [record.message for record in caplog.records].count(f"benchmark file {keeper.faults[0]}") == 1

        file.write_text(plan_of("A", "B"))
        look(keeper)
        assert (llms(keeper), keeper.faults) == (["A", "B"], [])

    def test_starts_with_the_last_plan_if_the_file_is_broken(self, keeper_of, file):
        look(keeper_of(file))
        file.write_text(BROKEN)

        keeper = keeper_of(file)
        look(keeper)

        assert llms(keeper) == ["A"]
        assert keeper.faults

    def test_does_not_start_with_a_broken_file_and_no_plan(self, keeper_of, file):
        file.write_text(BROKEN)

        with pytest.raises(BenchmarkFileError):
            keeper_of(file)

    def test_restores_the_plan_in_a_redis_that_lost_it_even_if_the_file_is_broken(
        self, keeper_of, file, redis
    ):
        keeper = keeper_of(file)
        look(keeper)
        file.write_text(BROKEN)
        look(keeper)
        redis.flushall()

        look(keeper)

        assert redis.get(shared.PLAN).decode() == plan_of("A")

    @pytest.mark.parametrize("garbage", [b"\xff", b"llms: 1"])
    def test_replaces_what_is_no_plan(self, keeper_of, file, redis, garbage):
        redis.set(shared.PLAN, garbage)
        keeper = keeper_of(file)

        look(keeper)

        assert llms(keeper) == ["A"]
        assert redis.get(shared.PLAN).decode() == plan_of("A")


class TestTwoSchedulers:
    @pytest.fixture
    def files(self, tmp_path):
        """The file as it reaches two machines."""
        paths = [tmp_path / name for name in ("one.yml", "other.yml")]
        for path in paths:
            path.write_text(plan_of("A"))
        return paths

    def test_agree_on_the_newest_content_while_one_still_has_the_old(self, keeper_of, files):
        one, other = map(keeper_of, files)
        look(one, other)
        files[0].write_text(plan_of("B"))

        for _ in range(5):
            look(one, other)
            assert llms(one) == llms(other) == ["B"]
        files[1].write_text(plan_of("B"))
        look(one, other)
        assert llms(one) == llms(other) == ["B"]

    def test_follow_a_content_that_returns(self, keeper_of, files):
        one, other = map(keeper_of, files)
        for llm in "ABAB":
            for path in files:
                path.write_text(plan_of(llm))
                look(one, other)
                assert llms(one) == llms(other) == [llm]

    def test_do_not_return_to_the_old_content_when_one_restarts_with_it(self, keeper_of, files):
        one, other = map(keeper_of, files)
        look(one, other)
        files[0].write_text(plan_of("B"))
        look(one, other)

        other = keeper_of(files[1])
        look(one, other)

        assert llms(one) == llms(other) == ["B"]

    def test_take_the_content_that_all_of_them_start_with(self, keeper_of, files, redis):
        look(*map(keeper_of, files))
        redis.delete(shared.HELD)  # which expires soon after the last scheduler has ended
        for path in files:
            path.write_text(plan_of("B"))

        one, other = map(keeper_of, files)
        look(one, other)

        assert llms(one) == llms(other) == ["B"]

    def test_schedule_nothing_by_a_plan_whose_dataset_has_not_reached_them(
        self, keeper_of, tmp_path, settings, redis, caplog
    ):
        folders = [tmp_path / name for name in ("one", "other")]
        for folder in folders:
            folder.mkdir()
            (folder / "b.yml").write_text(plan_of("A"))
        keepers = [keeper_of(folder / "b.yml") for folder in folders]
        look(*keepers)
        for folder in folders:
            (folder / "b.yml").write_text(plan_of("B").replace("chat,", "chat, dataset: d.jsonl,"))
        (folders[0] / "d.jsonl").write_text('{"prompt": "a"}')

        scheduler = SlotScheduler(redis, settings, (), lambda: 4_102_473_600)
        for keeper in keepers:
            look(keeper)
            scheduler.follow(keeper.measurements, keeper.text)
            scheduler.poll()
        look(*keepers)

        (entry,) = [name for name in redis.zrange(SlotScheduler.scheduled_jobs_key, 0, -1) if b"chat" in name]
        assert b"measurement-b-" in entry
        assert [llms(keeper) for keeper in keepers] == [["B"], ["A"]]
        assert caplog.text.count("plan of another scheduler: ignored") == 1

        (folders[1] / "d.jsonl").write_text('{"prompt": "a"}')
        look(*keepers)
        assert [llms(keeper) for keeper in keepers] == [["B"], ["B"]]

    def test_never_move_entries_back_and_forth(self, keeper_of, files, settings, redis):
        keepers = [keeper_of(path) for path in files]
        schedulers = [SlotScheduler(redis, settings, (), lambda: 4_102_473_600) for _ in keepers]

        def entries() -> set[str]:
            found = redis.zrange(SlotScheduler.scheduled_jobs_key, 0, -1)
            return {llm for llm in "ab" if any(f"measurement-{llm}-".encode() in name for name in found)}

        def poll() -> None:
            for keeper, scheduler in zip(keepers, schedulers, strict=True):
                keeper.look()
                scheduler.follow(keeper.measurements, keeper.text)
                scheduler.poll()

        poll()
        assert entries() == {"a"}
        files[0].write_text(plan_of("B"))
        poll()
        poll()
        assert entries() == {"b"}
        schedulers[1].follow(keepers[1].measurements[:0], plan_of("A"))  # as before its look
        schedulers[1].poll()
        assert entries() == {"b"}


class TestAWorker:
    @pytest.fixture
    def own(self, settings, file):
        return replace(settings, benchmark_file=str(file), secret_key="s" * 32, postgres_password="")

    def test_has_the_schedulers_plan_when_its_file_is_broken_after_somebody_vouched(
        self, keeper_of, file, own, redis
    ):
        look(keeper_of(file))
        read_plan(own, redis)
        file.write_text(BROKEN)

        assert [each.llm for each in read_plan(own, redis)] == ["A"]

    def test_asks_no_endpoint_that_only_redis_names(self, file, own, redis):
        read_plan(own, redis)
        redis.set(shared.PLAN, plan_of("A", url="http://evil.example/v1"))
        redis.set(shared.VOUCHER, "0" * 64)

        assert [each.endpoint.base_url for each in read_plan(own, redis)] == [URL]

        file.write_text(BROKEN)
        with pytest.raises(BenchmarkFileError):
            read_plan(own, redis)

    def test_believes_nobody_where_no_secret_is_shared(self, file, own, redis):
        bare = replace(own, secret_key="", api_keys=())
        redis.set(shared.PLAN, plan_of("A"))
        read_plan(bare, redis)

        assert not redis.exists(shared.VOUCHER)

    def test_knows_that_its_file_lags_behind(self, file, own, redis):
        assert not lags_behind(own, redis)
        redis.set(shared.PLAN, plan_of("B"))
        assert lags_behind(own, redis)
        file.write_text(plan_of("B"))
        assert not lags_behind(own, redis)

    def test_uses_its_file_without_redis(self, own, redis_gone):
        assert [each.llm for each in read_plan(own, redis_gone)] == ["A"]


@pytest.fixture
def redis_gone(settings):
    """A client of a Redis that is unreachable."""
    return cache_redis(replace(settings, redis_host="127.0.0.1", redis_port=1))


@pytest.mark.parametrize("value", [b"x", b"[]", b'{"faults": "x"}', b'{"faults": 1, "since": 1e12}'])
def test_a_report_that_no_scheduler_wrote_is_none(redis, value):
    redis.set(shared.FAULTS, value)

    assert shared.reported(redis) is None


def test_the_api_follows_the_plan_and_keeps_it_while_its_file_is_broken(settings, redis, file, monkeypatch):
    monkeypatch.setattr(current, "RELIED_SECONDS", 0)
    plan = CurrentPlan(replace(settings, benchmark_file=str(file)), redis)
    seen = []
    for text in (plan_of("A"), BROKEN, plan_of("A", "B"), ""):
        file.write_text(text)
        seen.append([each.llm for each in plan.measurements()])

    assert seen == [["A"], ["A"], ["A", "B"], ["A", "B"]]


def test_the_api_starts_with_the_plan_while_its_file_is_broken(environment, redis, file):
    environment |= {"BENCHMARK_FILE": str(file), "SECRET_KEY": "s" * 32}
    shared_plan = SharedPlan(Settings.from_env(environment), redis)
    shared_plan.put(plan_of("A"))
    shared_plan.vouch(plan_of("A"))
    file.write_text(BROKEN)

    subprocess.run([GUNICORN, "--check-config"], cwd=ROOT, env=environment, check=True)


def test_a_report_is_read_as_it_was_written(settings, redis):
    SharedPlan(settings, redis).report(Report(2, 1_795_521_600))

    assert shared.reported(redis) == Report(2, 1_795_521_600)


def test_running_processes_follow_the_file_without_a_restart(
    processes, conn, redis, client, environment, mock_servers, tmp_path
):
    url, path = mock_servers.start(ttft=0.01, itl=0), tmp_path / "benchmark.yml"
    path.write_text(plan_of("A", url=url))
    environment |= {"BENCHMARK_FILE": str(path), "SECRET_KEY": "s" * 32}
    running = [processes.scheduler() for _ in range(2)] + [processes.worker() for _ in range(2)]

    def measured(llm: str) -> list[tuple]:
        return query(conn, "SELECT FROM runs JOIN llms ON llms.id = llm_id WHERE name = %s", llm)

    def entries() -> set[str]:
        found = b" ".join(redis.zrange(SlotScheduler.scheduled_jobs_key, 0, -1))
        return {llm for llm in "abc" if f"measurement-{llm}-".encode() in found}

    def interval(llm: str) -> str:
        (entry,) = redis.keys(f"rq:job:*every-measurement-{llm}-*")
        return redis.hget(entry, "meta").decode().replace(" ", "")

    def logged(text: str) -> int:
        return sum(text in process.log for process in running)

    until(lambda: measured("A"))
    path.write_text(plan_of("A", "B", url=url))
    until(lambda: measured("B"))
    path.write_text(plan_of("B", url=url))
    until(lambda: entries() == {"b"})
    assert measured("A")

    path.write_text(plan_of("B", url=url, interval=1 / 60))
    before = until(lambda: '"interval":1,' in interval("b") and measured("B"))
    path.write_text(BROKEN)
    until(lambda: logged("ignored until it is right") == 2)
    until(lambda: len(measured("B")) >= len(before) + 3)
    assert not query(conn, "SELECT FROM runs WHERE status = 'failed'")
    assert not logged("exception raised")
    assert entries() == {"b"}
    path.write_text(plan_of("B", "C", url=url, interval=1))
    until(lambda: measured("C"))
    assert entries() == {"b", "c"}
    until(lambda: '"interval":60,' in interval("b"))
    assert all(process.poll() is None for process in running)
