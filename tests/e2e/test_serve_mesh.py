# SPDX-License-Identifier: Apache-2.0
"""The path that the server is for: a program on a mesh that speaks the socket protocol,
`meshtally serve`, and `meshtally top` beside it. Three runs in succession under one server, for
every way of reporting; figures of each step are looked at from outside."""
import pytest

from serve_mesh_support import (PYTHON, await_end, follow, held, naive_figures, program,
                                right_figures, serve, top)
from serve_support import wait_until

RIGHT = ("both", "device-local", "backing", "mesh", "naive-all")
TENSORS, KERNELS = 14680064, 36864


def dead_leaks(tally, server):
    return tally.json("leaks", "-n", 0, "--dead", env={"MESHTALLY_STATE_DIR": str(server.state)})


@pytest.mark.parametrize("hooks,duplicates", [*((hooks, "collapse") for hooks in RIGHT),
                                              ("both", "refcount"), ("naive-all", "refcount")])
def test_three_runs_are_exact(tally, serve, top, program, expected, hooks, duplicates):
    """Backing and device-local reports of one buffer on 8 devices: 8 buffers, not 9."""
    server = serve("--duplicates", duplicates)
    shown = top()
    wanted = right_figures(expected)

    def look(step):
        if step == "matmul":
            assert tally.json("ls", "-n", 0)["device_buffers"] == 10 * 8 + 1 + 8 * 8
            shown.on("1", r"28\.11 MB")
            shown.on("3", rf"\b{running.pid}\b")
        if step == "closed":
            faults = tally.json("faults", "-n", 0)
            assert (faults["faults"], faults["findings"], faults["unreadable"]) == ([], [], [])

    for _ in range(3):
        running = program(server, f"--hooks={hooks}")
        follow(tally, running, wanted, look)
        await_end(tally, server, running.pid)
    assert dead_leaks(tally, server)["leaks"] == []
    server.stop()


@pytest.mark.parametrize("duplicates,right_devices", (("collapse", [0]), ("refcount", [])))
def test_naive_owned(tally, serve, top, program, expected, duplicates, right_devices):
    """Frees of device-local buffers are missing. Counted by references, as the proof of concept
    did, device 0 keeps everything as well: its backing buffer's free is one of two."""
    server = serve("--duplicates", duplicates)
    shown = top()
    wanted = naive_figures(expected, right_devices)
    left = [n for n in range(8) if n not in right_devices]

    def look(step):
        if step == "closed":
            shown.on("3", rf"\b{running.pid}\b")
            assert tally.json("faults", "-n", 0)["faults"] == []

    assert wanted["closed"] == {n: {"DRAM": TENSORS + KERNELS} for n in left}
    for number in range(1, 4):
        running = program(server, "--hooks=naive-owned")
        follow(tally, running, wanted, look)
        await_end(tally, server, running.pid, left=True)
        totals = dead_leaks(tally, server)["totals"]
        assert sum(total["total_bytes"] for total in totals.values()) == \
            number * len(left) * (TENSORS + KERNELS)
    server.stop()


def test_three_runs_in_one_process(tally, serve, program, expected):
    server = serve()
    wanted = right_figures(expected)
    running = program(server, "--hooks=both", "--runs=3")
    ends = 0

    for step in running:
        wait_until(lambda: held(tally) == wanted[step], step)
        ends += step == "closed"
    assert ends == 3
    assert running.end() == 0
    await_end(tally, server, running.pid)
    server.stop()


@pytest.mark.parametrize("options", (("--hooks=both",), ("--hooks=naive-all",),
                                     ("--hooks=device-local", "--message-bytes=72", "--early"),
                                     ("--hooks=both", "--message-bytes=128"),
                                     ("--hooks=both", "--message-bytes=144")))
def test_a_python_program(tally, serve, top, program, expected, options):
    server = serve()
    shown = top()
    wanted = right_figures(expected)
    running = program(server, *options, command=[PYTHON])
    steps = []

    for step in running:
        wait_until(lambda: held(tally) == wanted[step], f"{step}: {wanted[step]}", timeout=20)
        steps.append(step)
        if step == "matmul":
            shown.on("3", rf"\b{running.pid}\b")
    assert steps == 3 * list(wanted)
    assert running.end() == 0
    await_end(tally, server, running.pid)
    assert tally.json("faults", "-n", 0)["faults"] == []
    server.stop()
