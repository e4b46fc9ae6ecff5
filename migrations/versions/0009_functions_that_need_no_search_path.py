"""Functions work under any search_path, as in pg_restore and logical replication, which set it empty

Functions are replaced, which locks no table; generated columns and views keep them.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Returns a row without naming its type, which belongs to no schema that is always searched.
HISTOGRAM_ADD = """
CREATE OR REPLACE FUNCTION histogram_add(a histogram, b histogram) RETURNS histogram
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN ROW(
        least(a.low, b.low),
        ARRAY(
            SELECT coalesce(of_a, 0) + coalesce(of_b, 0)
            FROM unnest(
                array_fill(0::bigint, ARRAY[greatest(a.low - b.low, 0)]) || a.counts,
                array_fill(0::bigint, ARRAY[greatest(b.low - a.low, 0)]) || b.counts
            ) AS counts (of_a, of_b)
        )
    );
END
$$
"""
# As in migration 0002, but for the representative of a bucket, which is computed here and not by a function
# that would have to be found.
HISTOGRAM_QUANTILES = """
CREATE OR REPLACE FUNCTION histogram_quantiles(
    histogram histogram, n bigint, least_value double precision, greatest_value double precision,
    fractions double precision[]
) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    gamma CONSTANT double precision := 1.01::double precision / 0.99;
    counts bigint[] := histogram.counts;
    place integer := 0;
    seen bigint := 0;
    fraction double precision;
    rank bigint;
    bucket integer;
    quantiles double precision[] := '{}';
BEGIN
    FOREACH fraction IN ARRAY fractions LOOP
        rank := ceil(fraction * n);
        WHILE seen < rank LOOP
            place := place + 1;
            seen := seen + counts[place];
        END LOOP;
        bucket := histogram.low + place - 1;
        quantiles := quantiles || least(
            greatest(
                CASE
                    WHEN bucket = 0 THEN 0
                    ELSE sign(bucket) * exp((abs(bucket) - 1037) * ln(gamma)) * 2 / (gamma + 1)
                END,
                least_value
            ),
            greatest_value
        );
    END LOOP;
    RETURN quantiles;
END
$$
"""
FORMER_HISTOGRAM_VALUE = """
CREATE FUNCTION histogram_value(bucket integer) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN bucket = 0 THEN 0
        ELSE sign(bucket) * exp((abs(bucket) - 1037) * ln(1.01::double precision / 0.99))
            * 2 / (1.01::double precision / 0.99 + 1)
    END
$$
"""
FORMER_HISTOGRAM_ADD = """
CREATE OR REPLACE FUNCTION histogram_add(a histogram, b histogram) RETURNS histogram
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN ROW(
        least(a.low, b.low),
        ARRAY(
            SELECT coalesce(of_a, 0) + coalesce(of_b, 0)
            FROM unnest(
                array_fill(0::bigint, ARRAY[greatest(a.low - b.low, 0)]) || a.counts,
                array_fill(0::bigint, ARRAY[greatest(b.low - a.low, 0)]) || b.counts
            ) AS counts (of_a, of_b)
        )
    )::histogram;
END
$$
"""
FORMER_HISTOGRAM_QUANTILES = """
CREATE OR REPLACE FUNCTION histogram_quantiles(
    histogram histogram, n bigint, least_value double precision, greatest_value double precision,
    fractions double precision[]
) RETURNS double precision[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    counts bigint[] := histogram.counts;
    place integer := 0;
    seen bigint := 0;
    fraction double precision;
    rank bigint;
    quantiles double precision[] := '{}';
BEGIN
    FOREACH fraction IN ARRAY fractions LOOP
        rank := ceil(fraction * n);
        WHILE seen < rank LOOP
            place := place + 1;
            seen := seen + counts[place];
        END LOOP;
        quantiles := quantiles
            || least(greatest(histogram_value(histogram.low + place - 1), least_value), greatest_value);
    END LOOP;
    RETURN quantiles;
END
$$
"""


def upgrade() -> None:
    op.execute(HISTOGRAM_ADD)
    op.execute(HISTOGRAM_QUANTILES)
    op.execute("DROP FUNCTION histogram_value(integer)")
    # The trigger's function names tables, which are in the schema that is being migrated.
    schema = op.get_bind().scalar(sa.text("SELECT quote_ident(current_schema())"))
    op.execute(f"ALTER FUNCTION count_ended_run() SET search_path = {schema}, pg_temp")


def downgrade() -> None:
    op.execute("ALTER FUNCTION count_ended_run() RESET search_path")
    op.execute(FORMER_HISTOGRAM_VALUE)
    op.execute(FORMER_HISTOGRAM_QUANTILES)
    op.execute(FORMER_HISTOGRAM_ADD)
