"""Apache Otava online: the interpreter of its environment runs this file, which imports nothing of ours.

Reads tasks from stdin and writes the alarms of each to stdout, both as JSON; see `bench.detect.peer`.
"""

import json
import multiprocessing
import sys

from otava.analysis import compute_change_points

WINDOW = 50  # its default
PAST = 150  # runs that it is given at each look
SAME = 3  # runs by which a change point may move and still be the one that was reported before


def alarms(task: dict) -> list[tuple[int, float]]:
    """Return for each new change point the index of the run after which it appears and the relative change.

    The first look is after run `first`; what it reports is known. With a `direction`, the looks end with the
    first alarm with this sign.
    """
    known: dict[int, int] = {}
    found = []
    for index in range(task["first"], len(task["values"])):
        for place, change in _look(task, index):
            number = next((each for each, other in known.items() if abs(other - place) <= SAME), None)
            known[len(known) if number is None else number] = place
            if number is None and index > task["first"]:
                found.append((index, change))
                if change * task["direction"] > 0:
                    return found
    return found


def _look(task: dict, index: int) -> list[tuple[int, float]]:
    """Return the change points of the newest runs, each with its index in the series and the change."""
    begin = max(index + 1 - PAST, 0)
    points, _ = compute_change_points(
        task["values"][begin : index + 1],
        window_len=WINDOW,
        max_pvalue=task["max_pvalue"],
        min_magnitude=task["min_change"],
    )
    return [(begin + int(point.index), float(point.stats.forward_rel_change())) for point in points]


if __name__ == "__main__":
    with multiprocessing.Pool() as pool:
        json.dump(pool.map(alarms, json.load(sys.stdin), chunksize=1), sys.stdout)
