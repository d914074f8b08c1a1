# SPDX-License-Identifier: Apache-2.0
"""A failed allocation, explained after the program has unwound, freed everything and ended."""
import pytest

from e2e_support import figures

GIB = 1 << 30
FILL = 768 << 20  # bytes of each of the buffers that fill the memory: 64 MB on each of 12 banks


def check_failure(failure, pid):
    assert failure["process"]["pid"] == pid
    assert (failure["kind"], failure["reason"], failure["tag"]) == ("DRAM", "too much", None)
    assert failure["asked_bytes"] == 2 * FILL
    assert failure["asked_bytes_per_bank"] == 128 << 20
    assert failure["largest_hole_bytes_per_bank"] == 64 << 20
    # of 1 GiB per bank: eight buffers of 64 MB and the command queues, 1,208 KB of each bank
    assert failure["free_bytes_per_bank"] == GIB - 8 * (64 << 20) - (1208 << 10)
    assert sorted(device["row"] for device in failure["devices"]) == list(range(8))
    assert all(device["capacity_bytes"] == 12 * GIB and
               device["held_bytes"] == 8 * FILL + 12 * (1208 << 10)
               for device in failure["devices"])
    for row in range(8):
        assert [(line["kind"], line["class"], line["tag"], line["buffers"], line["bytes"])
                for line in failure["lines"] if row in line["rows"]] == \
            [("DRAM", "user", "fill", 8, 8 * FILL), ("DRAM", "system", None, 10, 14753792)], row
    advice = failure["advice"]
    assert advice["enough"] and advice["all_buffers_known"]
    assert (advice["bytes"], advice["hole_bytes_per_bank"]) == (FILL, 128 << 20)
    assert [(buffer["bytes"], buffer["class"], buffer["tag"], buffer["site"])
            for buffer in advice["buffers"]] == [(FILL, "user", "fill", "fill")]


@pytest.mark.parametrize("hooks", ("mesh", "backing", "device-local", "both"))
def test_explained_when_all_is_gone(tally, mesh, expected, hooks):
    wanted = expected(f"--hooks={hooks}", "--oom")
    running = mesh(f"--hooks={hooks}", "--oom")

    for step in running:
        assert figures(tally.json("devices")) == wanted[step], step
    assert running.end() == 3
    failures = tally.json("oom")["failures"]
    assert len(failures) == 1
    check_failure(failures[0], running.pid)
    assert tally.json("leaks")["leaks"] == [], "the evidence itself was freed"
    assert tally.json("ls", "--dead")["records"] == 0


def test_text(tally, mesh):
    running = mesh("--oom")
    assert running.end() == 3
    text = tally("oom")

    for part in ("asked", "1.50 GB per device, 128 MB per bank", "free", "510.82 MB per bank",
                 "largest hole", "64.00 MB per bank", "in pieces", "devices 0-7: 6.01 GB each",
                 "Freeing this 1 buffer would have been enough", "a hole of 128 MB", "fill"):
        assert part in text, part


@pytest.mark.parametrize("columns", (None, 80, 120))
def test_text_fits(tally, mesh, columns):
    running = mesh("--oom", "--hooks=device-local", "--no-clear-cache", "--board=p150")
    assert running.end() == 3
    text = tally("oom", env={"COLUMNS": str(columns)} if columns else None)

    assert max(map(len, text.splitlines())) <= (columns or 80)
    first = tally.json("oom")["failures"][0]["devices"][0]["row"]
    assert f"Who held what on device {first}:" in text


def test_top_tells_a_failure_once(tally, mesh):
    assert mesh("--oom").end() == 3
    text = tally("top", "--once")
    assert "1 failed allocation: meshtally oom" in text and "meshtally faults" not in text


def test_under_run(tally, mesh):
    running = mesh("--oom", under=("run", "--fail-on-leak"))

    assert running.end() == 3, "the program's own failure wins"
    error = running.error
    failure, peak, left = (error.index(word) for word in ("\nFailure 1", "\nPeak", "\nLeft"))
    assert failure < peak < left, "a failure comes first"
    assert "would have been enough" in error
    assert "Nothing was leaked, lost or left." in error
    assert len(tally.segments()) == 1, "kept: it has something to tell"
    assert len(tally.json("oom")["failures"]) == 1


def test_late_reader_of_a_killed_program(tally, mesh):
    running = mesh("--oom", "--hooks=mesh")
    running.until("unwound")
    assert running.kill() == -9
    assert tally.json("oom")["failures"][0]["process"]["state"] == "killed"
    check_failure(tally.json("oom")["failures"][0], running.pid)
