"""Totals of ended runs, so that a scrape of /metrics need not count runs

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Returns the upper bound of a duration's bucket, in seconds, as in a Prometheus histogram.
BUCKET = """
CREATE FUNCTION duration_bucket(seconds double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT min(bound)
    FROM unnest('{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, Infinity}'::double precision[])
        AS bounds (bound)
    WHERE bound >= seconds
$$
"""
# Deferred to the commit and under one lock: no transaction waits for these few rows before its commit, and
# none that holds them waits for anything else, so that they cause no deadlock.
COUNT = """
CREATE FUNCTION count_ended_run() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    took double precision := extract(epoch FROM coalesce(NEW.finished_at, now()) - NEW.started_at);
BEGIN
    PERFORM pg_advisory_xact_lock(7205005);
    INSERT INTO run_totals AS totals (source, status, at_most, runs, points, seconds)
    VALUES (NEW.source, NEW.status, duration_bucket(took), 1, coalesce(NEW.points, 0), took)
    ON CONFLICT (source, status, at_most) DO UPDATE SET
        runs = totals.runs + 1,
        points = totals.points + excluded.points,
        seconds = totals.seconds + excluded.seconds;
    RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE CONSTRAINT TRIGGER count_ended_run AFTER UPDATE OF status ON runs
DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (OLD.status = 'running' AND NEW.status <> 'running')
EXECUTE FUNCTION count_ended_run()
"""
# Of runs that were retried, only the last attempt is known.
BACKFILL = """
INSERT INTO run_totals (source, status, at_most, runs, points, seconds)
SELECT source, status, duration_bucket(took), count(*), sum(coalesce(points, 0)), sum(took)
FROM (
    SELECT *, extract(epoch FROM finished_at - started_at)::double precision AS took
    FROM runs
    WHERE finished_at IS NOT NULL
) AS ended
GROUP BY source, status, duration_bucket(took)
"""


def upgrade() -> None:
    op.create_table(
        "run_totals",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("status", sa.Text, primary_key=True),
        sa.Column("at_most", sa.Double, primary_key=True),
        sa.Column("runs", sa.BigInteger, nullable=False),
        sa.Column("points", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
    )
    for statement in (BUCKET, COUNT, TRIGGER, BACKFILL):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER count_ended_run ON runs")
    op.execute("DROP FUNCTION count_ended_run()")
    op.execute("DROP FUNCTION duration_bucket(double precision)")
    op.drop_table("run_totals")
