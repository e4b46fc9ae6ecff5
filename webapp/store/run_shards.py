"""Results of the shards of a run, kept until all of them are there and have become the run."""

from uuid import UUID

from webapp.store import Connection


def add(conn: Connection, run_id: int, token: UUID, number: int, content: bytes) -> None:
    """Store the shard's result, once; the caller holds the run."""
    with conn.cursor() as cursor:
        cursor.execute(
            "INSERT INTO run_shards (run_id, token, shard, content) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (run_id, token, shard) DO NOTHING",
            (run_id, str(token), number, content),
        )


def count(conn: Connection, run_id: int, token: UUID) -> int:
    """Return how many shards of the attempt are stored."""
    with conn.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM run_shards WHERE run_id = %s AND token = %s", (run_id, str(token))
        )
        return cursor.fetchone()[0]


def remove(conn: Connection, run_id: int, token: UUID) -> list[bytes]:
    """Delete the run's shards, and return those of the attempt by their numbers; the caller holds the run."""
    with conn.cursor() as cursor:
        cursor.execute(
            "DELETE FROM run_shards WHERE run_id = %s RETURNING token, shard, content",
            (run_id,),
        )
        ours = [(number, bytes(content)) for of, number, content in cursor.fetchall() if UUID(of) == token]
        return [content for _, content in sorted(ours)]


def delete_left_over(conn: Connection) -> int:
    """Delete the shards of attempts that have ended; return their number."""
    with conn.cursor() as cursor:
        cursor.execute(
            "DELETE FROM run_shards USING runs WHERE runs.id = run_id"
            " AND (runs.status <> 'running' OR runs.token <> run_shards.token)"
        )
        return cursor.rowcount
