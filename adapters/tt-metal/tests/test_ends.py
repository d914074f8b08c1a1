# SPDX-License-Identifier: Apache-2.0
"""Leaks, frees twice, late starts, threads, captures, failures."""
from tt_metal_support import KIB, MIB, SYSTEM, classes, leaked, lines, nothing_wrong


def test_leak(tally, play):
    running = play("leak").until("kept")

    assert leaked(tally) == {}
    running.until("closed")
    assert leaked(tally) == {"leaked": 8 * 3 * MIB}
    found, = [leak for leak in tally.json("leaks")["leaks"] if leak["verdict"] == "leaked"]
    assert (found["bytes"], found["tag"], found["site"]) == \
        (3 * MIB, "ttnn::forgotten", "ttnn::forgotten")
    nothing_wrong(tally)
    running.until("late")
    nothing_wrong(tally)
    assert running.end() == 0


def test_a_mesh_that_is_gone_is_noticed(tally, play):
    running = play("unannounced").until("closed")

    assert leaked(tally) == {}, "nobody has told"
    running.until("noticed")
    assert leaked(tally) == {"leaked": 8 * 2 * MIB, "cache": 8 * 12288}
    assert classes(tally, "DRAM") == {8: (SYSTEM, 0, 0), **{n: (0, 0, 0) for n in range(8)}}
    nothing_wrong(tally)
    assert running.end() == 0


def test_views_and_second_frees(tally, play):
    """With hooks that see views and with those that do not."""
    running = play("frees")
    wanted = {"views": MIB, "backing": 0, "temporary-view": 2 * MIB}
    steps = []

    for step in running:
        assert classes(tally, "DRAM") == {n: (SYSTEM, 0, wanted[step]) for n in range(8)}, step
        nothing_wrong(tally)
        steps.append(step)
    assert steps == list(wanted) * 2
    assert running.end() == 0


def test_threads(tally, play):
    """Four of them, on two meshes, each first to see one perhaps."""
    running = play("threads").until("kept")
    kept = lines(tally)

    assert len(kept) == 4 * 20
    assert {(line["bytes"], len(line["rows"]), line["tag"]) for line in kept} == \
        {(24 * KIB, 4, "even"), (24 * KIB, 2, "odd")}
    assert {n: told[2] for n, told in classes(tally, "DRAM").items()} == \
        {n: 2 * 20 * 24 * KIB for n in range(6)}
    nothing_wrong(tally)
    running.until("freed")
    assert lines(tally) == []
    nothing_wrong(tally)
    assert running.end() == 0


def test_workers(tally, play, language):
    running = play("workers")
    step = running.next()
    sizes = [line["bytes"] for line in lines(tally)]

    if language == "bare":
        assert (step, sizes) == ("with-processor", [MIB])
    else:
        assert (step, sizes) == ("all", [MIB, 2 * MIB])
        nothing_wrong(tally)
    assert running.end() == 0


def test_capture(tally, play):
    """A capture that allocates nothing: recorded, not counted, and no program is launched."""
    running = play("capture").until("captured")
    virtual = [line for line in lines(tally) if line["class"] == "virtual"]

    assert [line["bytes"] for line in virtual] == [512 * MIB] * 2
    assert {line["tag"] for line in virtual} == {"ttnn::planned"}
    assert {told[1:] for told in classes(tally, "DRAM").values()} == {(12288, MIB)}
    device = tally.json("devices")["devices"][0]
    assert device["circular_buffers"]["fullest_core_bytes"] == 16 * KIB
    nothing_wrong(tally)
    running.until("over")
    assert [line["bytes"] for line in lines(tally)] == [12288, MIB]
    nothing_wrong(tally)
    assert running.end() == 0


def test_failed_allocation(tally, play):
    running = play("out-of-memory").until("failed")
    failure, = tally.json("oom")["failures"]

    assert failure["kind"] == "DRAM"
    assert failure["asked_bytes"] == 6 * 1024 * MIB
    assert [fault["type"] for fault in tally.json("faults")["faults"]] == ["MT_ALLOC_FAILED"]
    assert running.end() == 0


def test_late_start(tally, play):
    running = play("late").until("adopted")

    assert set(classes(tally, "DRAM").values()) == {(SYSTEM + MIB, 0, 2 * MIB)}
    running.until("freed")
    assert set(classes(tally, "DRAM").values()) == {(SYSTEM, 0, 2 * MIB)}
    nothing_wrong(tally)
    assert running.end() == 0


def test_off_and_on_again(tally, play):
    running = play("off-and-installed").until("on")
    assert [line["bytes"] for line in lines(tally)] == [4 * MIB]
    nothing_wrong(tally)
    assert running.end() == 0


def test_off_and_on_without_a_word(tally, play):
    """The first report finds its space void, which is told, and nothing is missing."""
    running = play("off-and-used").until("on")

    assert {told[0] + told[2] for told in classes(tally, "DRAM").values()} == {6 * MIB}
    fault, = tally.json("faults")["faults"]
    assert (fault["type"], fault["count"]) == ("MT_UNKNOWN_SPACE", 1)
    assert running.end() == 0


def test_reports_allocate_no_memory(play):
    assert play("no-memory").end() == 0
