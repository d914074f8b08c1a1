# SPDX-License-Identifier: Apache-2.0
"""Meshes that have chips in common, sub-meshes, chips of another host, kinds of memory."""
from tt_metal_support import (KIB, MIB, SYSTEM, SYSTEM_SMALL, by_ordinal, classes, leaked, lines,
                              nothing_wrong)


def test_submeshes(tally, play):
    running = play("submeshes").until("all")
    rows = {line["kind"]: len(line["rows"]) for line in lines(tally)}

    assert rows == {"DRAM": 8, "L1": 4, "TRACE": 4}
    assert classes(tally, "DRAM") == {n: (SYSTEM, 0, 12 * MIB) for n in range(8)}
    assert {n for n, told in classes(tally, "L1").items() if told[2]} == {4, 0, 3, 7}
    assert {n for n, told in classes(tally, "TRACE").items() if told[2]} == {4, 0, 5, 1}
    nothing_wrong(tally)
    assert leaked(tally) == {}
    running.until("upper-closed")
    assert classes(tally, "L1") == {n: (0, 0, 0) for n in range(8)}
    assert {n for n, told in classes(tally, "TRACE").items() if told[2]} == {4, 0, 5, 1}
    assert leaked(tally) == {"leaked": 4 * 64 * KIB}
    running.until("freed")
    assert classes(tally, "DRAM") == {n: (SYSTEM, 0, 0) for n in range(8)}
    nothing_wrong(tally)
    assert running.end() == 0


def test_a_mesh_in_the_place_of_another(tally, play):
    running = play("recreated").until("second")

    assert leaked(tally) == {"leaked": 4 * MIB}
    assert {n for n, told in classes(tally, "DRAM").items() if told[2]} == \
        {5, 1, 2, 6}, "of the second alone"
    assert tally.json("faults")["faults"] == []
    assert running.end() == 0


def test_overlapping_meshes(tally, play):
    """What one mesh closes is its own; a chip is closed with the last mesh that has it."""
    running = play("overlapping").until("both")

    assert {n: told[2] for n, told in classes(tally, "L1").items()} == \
        {0: 64 * KIB, 1: 64 * KIB, 2: 64 * KIB, 3: 0, 4: 0}
    assert {n: told[2] for n, told in classes(tally, "TRACE").items()} == \
        {0: 0, 1: 0, 2: 12 * MIB, 3: 12 * MIB, 4: 12 * MIB}
    running.until("left-closed")
    assert {n: told[2] for n, told in classes(tally, "TRACE").items()} == \
        {0: 0, 1: 0, 2: 12 * MIB, 3: 12 * MIB, 4: 12 * MIB}
    assert {n: told[0] for n, told in classes(tally, "DRAM").items()} == \
        {0: 0, 1: 0, 2: SYSTEM, 3: SYSTEM, 4: SYSTEM}
    assert classes(tally, "L1_SMALL")[2] == (SYSTEM_SMALL, 0, 0), "the chip's own"
    running.until("closed")
    assert set(classes(tally, "TRACE").values()) == {(0, 0, 0)}
    assert leaked(tally) == {}
    assert tally.json("faults")["faults"] == []
    assert running.end() == 0


def test_chips_of_another_host(tally, play):
    running = play("remote").until("all")

    assert classes(tally, "DRAM") == {0: (SYSTEM, 0, MIB), 1: (SYSTEM, 0, MIB)}
    nothing_wrong(tally)
    assert running.end() == 0


def test_kinds_and_capacities(tally, play):
    running = play("kinds").until("all")
    told = [(line["kind"], line["bytes"], line["span_bytes_per_bank"], line["region"])
            for line in lines(tally)]

    assert sorted(told) == [("DRAM", 24 * 2048, 2 * 2048, 0), ("L1", 64 * 2048, 2048, 2),
                            ("L1", 65 * 2048, 2 * 2048, 0), ("L1_SMALL", 64 * KIB, 2048, 0),
                            ("TRACE", 32 * MIB, 1366 * 2048, 0)]
    capacities = by_ordinal(tally, lambda device: {kind["kind"]: kind["capacity_bytes"]
                                                   for kind in device["kinds"]})
    assert capacities[0] == capacities[1] == {
        "DRAM": 12 * 976 * MIB, "TRACE": 12 * 48 * MIB, "L1": 64 * 1360 * KIB,
        "L1_SMALL": 64 * 72 * KIB}
    nothing_wrong(tally)
    assert running.end() == 0


def test_which_chip_and_what_class_as_told(tally, play):
    running = play("told").until("told")

    assert by_ordinal(tally, lambda device: (int(device["unique_id"], 16), device["bus"])) == \
        {0: (0xabc0, "0000:00:00.0"), 1: (0xabc1, "0000:01:00.0")}
    assert classes(tally, "DRAM") == {n: (SYSTEM, MIB, 2 * MIB) for n in range(2)}
    assert running.end() == 0
