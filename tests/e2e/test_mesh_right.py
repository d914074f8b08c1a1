# SPDX-License-Identifier: Apache-2.0
"""The four right ways of reporting a mesh: after each step exact bytes, from outside."""
import pytest

from e2e_support import figures

RIGHT = ("mesh", "backing", "device-local", "both")
DEVICE_BUFFERS = {"open": 81, "tensor-a": 89, "tensor-b": 97, "add": 113, "tensor-x": 121,
                  "tensor-y": 129, "matmul": 145, "free-a": 137, "free-b": 129, "free-sum": 121,
                  "free-x": 113, "free-y": 105, "free-product": 97, "cache-cleared": 81,
                  "queues-released": 1, "closed": 0}


def bytes_of(step):
    return sum(amount for device in step.values() for kind in device.values()
               for amount in kind.values())


@pytest.mark.parametrize("ids", ("unique", "address"))
@pytest.mark.parametrize("hooks", RIGHT)
def test_every_step_is_exact(tally, mesh, expected, hooks, ids):
    options = (f"--hooks={hooks}", f"--ids={ids}")
    wanted = expected(*options)
    running = mesh(*options)
    steps = []

    for step in running:
        devices = tally.json("devices")
        buffers = tally.json("ls", "-n", 0)
        assert figures(devices) == wanted[step], step
        assert all(kind["exact"] for device in devices["devices"] for kind in device["kinds"])
        assert buffers["device_buffers"] == DEVICE_BUFFERS[step], step
        assert buffers["total_bytes"] == bytes_of(wanted[step]), step
        assert sum(line["total_bytes"] for line in buffers["buffers"]) == buffers["total_bytes"]
        steps.append(step)
        if step == "closed":
            faults = tally.json("faults")
            assert (faults["faults"], faults["findings"], faults["unreadable"]) == ([], [], [])
            assert tally.json("leaks")["leaks"] == []
    assert steps == list(wanted) == list(DEVICE_BUFFERS)
    assert running.end() == 0
    assert tally.segments() == [], "an ended program with nothing to tell leaves no file"


def test_four_ways_are_told_alike(expected):
    """With the test above: all four ways, with either kind of ids, have identical totals."""
    first = expected("--hooks=mesh", "--ids=unique")

    assert first["closed"] == {n: {kind: dict.fromkeys(amounts, 0)
                                   for kind, amounts in device.items()}
                               for n, device in first["closed"].items()}
    for hooks in RIGHT:
        for ids in ("unique", "address"):
            assert expected(f"--hooks={hooks}", f"--ids={ids}") == first


def test_figures_of_the_definition(expected):
    """What the definition of the scenario says, in numbers that nothing computed."""
    steps = expected("--hooks=both")
    dram = {step: [device["DRAM"] for device in devices.values()]
            for step, devices in steps.items()}

    assert dram["open"] == [{"system_bytes": 14753792, "cache_bytes": 0, "user_bytes": 0}] * 8
    assert dram["add"] == [{"system_bytes": 14753792, "cache_bytes": 12288,
                            "user_bytes": 3 * 4194304}] * 8
    assert dram["matmul"] == [{"system_bytes": 14753792, "cache_bytes": 36864,
                               "user_bytes": 3 * 4194304 + 2 * 524288 + 1048576}] * 8
    assert dram["free-product"] == [{"system_bytes": 14753792, "cache_bytes": 36864,
                                     "user_bytes": 0}] * 8
    assert [device["L1"]["system_bytes"] for device in steps["open"].values()] == \
        [22528] + [0] * 7


@pytest.mark.parametrize("hooks", ("mesh", "both"))
def test_three_runs_in_one_process(tally, mesh, expected, hooks):
    wanted = expected(f"--hooks={hooks}")
    running = mesh(f"--hooks={hooks}", "--runs=3")
    ends = 0

    for step in running:
        if step in ("open", "matmul", "queues-released", "closed"):
            assert figures(tally.json("devices")) == wanted[step], step
        ends += step == "closed"
    assert ends == 3
    assert running.end() == 0


@pytest.mark.parametrize("board,kinds", (("p150", {"DRAM", "L1"}), ("gpu", {"VRAM"})))
def test_other_boards(tally, mesh, expected, board, kinds):
    """Memories of other sizes, and of a kind that the runtime declares itself."""
    wanted = expected("--hooks=both", f"--board={board}")
    running = mesh("--hooks=both", f"--board={board}")

    for step in running:
        devices = figures(tally.json("devices"))
        assert devices == wanted[step], step
        assert all(set(device) == kinds for device in devices.values())
        if step == "tensor-b":
            kind = "VRAM" if board == "gpu" else "DRAM"
            assert tally.json("ls", "-k", kind, "-d", "2")["total_bytes"] == \
                14753792 + 2 * 4194304
            break
