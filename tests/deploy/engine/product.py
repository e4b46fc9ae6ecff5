"""What the running product must show: by HTTP, and in its database."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable

from tests.deploy.engine.console import require, wait_for
from webapp.settings import ROOT

RANKINGS = "/api/v1/benchmarks/rankings"
EXPECTED = json.loads((ROOT / "public" / "response.json").read_text())
# In the container of PostgreSQL, followed by a statement.
PSQL = ("sh", "-c", 'exec psql -X --tuples-only --no-align -U "$POSTGRES_USER" --command="$0" "$POSTGRES_DB"')
# Each finished run keeps all of its points, once.
WRONG_RUNS = """
SELECT r.id, r.slot, r.points, count(p.value)
FROM runs r LEFT JOIN points p ON p.run_id = r.id
WHERE r.status = 'finished' GROUP BY r.id HAVING count(p.value) <> r.points
"""
# Each slot has one run for each LLM.
WRONG_SLOTS = """
SELECT slot, count(*) FROM runs GROUP BY slot
HAVING count(*) <> (SELECT count(*) FROM llms) OR count(*) <> count(DISTINCT llm_id)
"""
FINISHED_SLOTS = """
SELECT count(*) FROM (
    SELECT slot FROM runs WHERE status = 'finished' GROUP BY slot
    HAVING count(*) = (SELECT count(*) FROM llms)
) AS slots
"""


class Product:
    """A running product: where its API is, the key, and what runs a statement on its database."""

    def __init__(self, base: str, key: str, sql: Callable[[str], str]):
        self.base, self.key, self.sql = base, key, sql

    def get(self, path: str) -> tuple[int, object]:
        """Return the status and JSON body of a response; (0, the error) if there is none."""
        request = urllib.request.Request(self.base + path, headers={"x-api-key": self.key})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except OSError as error:
            return 0, str(error)

    def require_rankings(self) -> None:
        """Raise CheckFailedError unless /readyz is ok and the rankings equal public/response.json."""
        wait_for(lambda: self.get("/readyz")[0] == 200, f"{self.base}/readyz: status 200")
        wait_for(lambda: self.get(RANKINGS)[1] == EXPECTED, f"{self.base}{RANKINGS}: public/response.json")

    def finished_slots(self) -> int:
        """Return the number of slots in which every LLM's run is finished."""
        return int(self.sql(FINISHED_SLOTS))

    def wait_for_slots(self, count: int) -> None:
        """Wait until that many slots are finished; one is due each minute."""
        wait_for(lambda: self.finished_slots() >= count, f"{count} finished slots", 60 * count + 60)

    def require_each_slot_once(self) -> None:
        """Raise CheckFailedError if a slot ran twice, or a run lost points or stored them twice."""
        for query in (WRONG_RUNS, WRONG_SLOTS):
            found = self.sql(query)
            require(not found, f"wrong rows:\n{found}\nof{query}")
