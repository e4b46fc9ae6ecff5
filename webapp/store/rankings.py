"""The rankings of the contract, from the view of means."""

from webapp.store import Connection, sql_file

RANKINGS = sql_file("rankings")


def read(conn: Connection, metric_names: list[str]) -> dict[str, list[tuple[str, float]]]:
    """Return (LLM's name, mean) by descending mean for each of the metrics, in their order."""
    rankings: dict[str, list[tuple[str, float]]] = {name: [] for name in metric_names}
    with conn.cursor() as cursor:
        cursor.execute(RANKINGS, {"metric_names": metric_names})
        for metric_name, llm_name, mean in cursor.fetchall():
            rankings[metric_name].append((llm_name, mean))
    return rankings
