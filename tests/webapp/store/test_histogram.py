import json

import numpy as np

from llm_measure.stats.histogram import ACCURACY, Histogram, buckets
from tests.support import query

WITHIN = ACCURACY + 1e-9


def test_the_database_adds_histograms_in_any_order(conn):
    random = np.random.default_rng(20)
    for _ in range(50):
        values = random.normal(random.normal(0, 10), 3, size=random.integers(3, 200))
        parts = np.split(values, np.sort(random.integers(1, len(values), 2)))
        composites = [Histogram.of(part).composite for part in parts if len(part)]
        random.shuffle(composites)

        ((low, counts),) = query(
            conn,
            "SELECT (sum).low, (sum).counts FROM (SELECT histogram_sum(ROW(part.low, ARRAY("
            "  SELECT json_array_elements_text(part.counts)::bigint))::histogram) AS sum"
            " FROM json_to_recordset(%s) AS part (low integer, counts json)) AS added",
            json.dumps([{"low": low, "counts": counts} for low, counts in composites]),
        )

        assert (low, counts) == Histogram.of(values).composite


def test_the_database_has_the_same_buckets_and_representatives(conn):
    magnitudes = np.exp(np.random.default_rng(1).uniform(-20, 20, 5000))
    values = np.concatenate([magnitudes, -magnitudes, [0.0, 1.0, -1.0]])
    rows = query(
        conn,
        "SELECT value, bucket, (histogram_quantiles("
        "  ROW(bucket, ARRAY[1])::histogram, 1, '-Infinity', 'Infinity', '{1}'))[1]"
        " FROM unnest(%s::double precision[]) AS value, histogram_bucket(value) AS bucket",
        values.tolist(),
    )

    for value, bucket, represented in rows:
        assert buckets(np.array([value])).tolist() == [bucket]
        assert abs(represented - value) <= WITHIN * abs(value)
