# SPDX-License-Identifier: Apache-2.0
"""Tensors, operations, a program cache and the end of it all, on a mesh of eight: exact at each step,
in each way in which tt-metal's hooks may call."""
import pytest

from tt_metal_support import (KIB, MIB, SYSTEM, SYSTEM_SMALL, classes, leaked, lines, nothing_wrong,
                              residents)

# step: cache and user bytes of DRAM on each device, records of the user and the cache
STORY = {
    "open": (0, 0, 0),
    "tensors": (0, 8 * MIB, 2),
    "add": (12288, 12 * MIB, 4),
    "matmul": (36864, 13 * MIB + 512 * KIB, 7),
    "freed": (36864, 0, 2),
    "cache-cleared": (0, 0, 0),
}


def check(tally, step):
    cache, user, records = STORY[step]
    assert classes(tally, "DRAM") == {n: (SYSTEM, cache, user) for n in range(8)}, step
    assert classes(tally, "L1_SMALL")[4] == (SYSTEM_SMALL, 0, 0)
    assert len(lines(tally)) == records, step
    nothing_wrong(tally)


@pytest.mark.parametrize("scenario", ("run", "run-twice", "naive"))
def test_every_step_is_exact(tally, play, scenario):
    running = play(scenario)
    steps = list(STORY)

    for step in running:
        if step == "closed":
            assert classes(tally, "DRAM") == {n: (0, 0, 0) for n in range(8)}
            assert leaked(tally) == {}
            nothing_wrong(tally)
        else:
            assert step == steps.pop(0)
            check(tally, step)
    assert steps == []
    assert running.end() == 0
    assert tally.segments() == [], "an ended program with nothing to tell leaves no file"


def test_who_allocated_what(tally, play):
    running = play("run").until("matmul")
    told = {(line["kind"], line["bytes"]): (line["tag"], line["site"], line["class"],
                                            line["span_bytes_per_bank"])
            for line in lines(tally)}

    assert told == {
        ("DRAM", 4 * MIB): ("ttnn::add", "ttnn::add", "user", 171 * 2048),
        ("DRAM", 12288): ("ttnn::add", "ttnn::add", "cache", 2048),
        ("DRAM", MIB): ("ttnn::matmul", "ttnn::matmul", "user", 43 * 2048),
        ("DRAM", 512 * KIB): (None, None, "user", 22 * 2048),
        ("DRAM", 24576): ("ttnn::matmul", "ttnn::matmul", "cache", 2048),
    }
    assert residents(tally)["fullest_core_bytes"] == 144 * KIB
    assert running.end() == 0


# The same where nobody says that the mesh is ready: system, cache and user bytes of DRAM.
UNSAID = {
    "open": (0, 0, SYSTEM),
    "tensors": (0, 0, SYSTEM + 8 * MIB),
    "add": (SYSTEM + 8 * MIB, 12288, 4 * MIB),
}


def test_three_runs_of_which_nobody_tells_the_end(tally, play):
    """A mesh that is destroyed is noticed when the next is seen, in its very place; not one byte is
    left of it. Until its first operation all is the user's, and then what came before it is not."""
    running = play("runs")
    ends = 0

    for step in running:
        nothing_wrong(tally)
        assert leaked(tally) == {}
        if step in UNSAID:
            assert set(classes(tally, "DRAM").values()) == {UNSAID[step]}, step
        if step == "cache-cleared":
            assert {told[1:] for told in classes(tally, "DRAM").values()} == {(0, 0)}
        if step == "closed":
            ends += 1
        if step == "next":
            assert classes(tally, "DRAM") == {0: (SYSTEM, 0, 0),
                                              **{n: (0, 0, 0) for n in range(1, 8)}}
    assert ends == 3
    assert running.end() == 0


def test_off(tally, play):
    assert play("off", MESHTALLY="0").end() == 0
    assert tally.segments() == []
