# SPDX-License-Identifier: Apache-2.0
"""Circular buffers: which program's are there, and what is said where tt-metal does not tell."""
import pytest

from tt_metal_support import KIB, nothing_wrong, residents

CORES = 64


def core_bytes(tally):
    told = residents(tally)
    if told is None:
        return 0, 0
    assert told["resident_bytes"] == told["fullest_core_bytes"] * CORES
    return told["programs"], told["fullest_core_bytes"]


@pytest.mark.parametrize("scenario", ("cache-by-chip", "cache-by-mesh"))
def test_the_one_that_was_dispatched_last(tally, play, scenario):
    """Launched from the program cache nothing is placed again."""
    wanted = {"add": (1, 96 * KIB), "matmul": (1, 128 * KIB), "add-from-cache": (1, 96 * KIB),
              "no-operation": (1, 16 * KIB), "cleared": (0, 0)}
    running = play(scenario)

    for step in running:
        assert core_bytes(tally) == wanted.pop(step), step
        nothing_wrong(tally)
    assert wanted == {}
    assert running.end() == 0


def test_other_cores_and_views_of_buffers(tally, play):
    running = play("cores").until("both")
    told = residents(tally)

    assert told["programs"] == 2
    assert told["resident_bytes"] == 32 * (64 + 32) * KIB
    assert told["fullest_core_bytes"] == 64 * KIB
    nothing_wrong(tally)
    assert running.end() == 0


def test_programs_of_one_workload(tally, play):
    """They cannot be told apart, and are one: the larger of the two on each core."""
    wanted = {"gather": (1, 48 * KIB), "add": (1, 64 * KIB), "gather-from-cache": (1, 48 * KIB),
              "cleared": (0, 0)}
    running = play("several")

    for step in running:
        assert core_bytes(tally) == wanted.pop(step), step
        nothing_wrong(tally)
    assert wanted == {}
    assert running.end() == 0


def test_programs_that_nobody_names(tally, play):
    wanted = {"first": (1, 96 * KIB), "second": (1, 16 * KIB), "cleared": (0, 0)}
    running = play("untold")

    for step in running:
        assert core_bytes(tally) == wanted.pop(step), step
        nothing_wrong(tally)
    assert wanted == {}
    assert running.end() == 0


def test_clash(tally, play):
    running = play("clash").until("clash")
    fault, = tally.json("faults")["faults"]
    told = residents(tally)

    assert (fault["type"], fault["count"], fault["first_bytes"], fault["second_bytes"]) == \
        ("MT_CLASH", 1, 440 * KIB, 744 * KIB), "once, not once for each chip"
    assert told["headroom_bytes"] == (440 - 744) * KIB
    assert running.end() == 0


def test_programs_come_and_go(tally, play):
    running = play("many").until("gone")

    assert core_bytes(tally) == (0, 0)
    running.until("last")
    assert core_bytes(tally) == (1, 128 * KIB)
    nothing_wrong(tally)
    assert running.end() == 0
