# SPDX-License-Identifier: Apache-2.0
"""The table of before and after: all tensors freed, the mesh still open."""
import pytest

from e2e_support import figures

OPEN = ("--no-clear-cache", "--leave-open")
QUEUES, KERNELS, TENSORS, FABRIC = 14753792, 36864, 14680064, 22528


def held(tally):
    return {n: {kind: sum(amounts.values()) for kind, amounts in device.items()}
            for n, device in figures(tally.json("devices")).items()}


def test_before(tally, mesh):
    running = mesh("--hooks=naive-owned", "--keep-queues", *OPEN)
    running.until("queues-released")

    assert held(tally) == {0: {"DRAM": 14790656, "L1": 22528},
                           **{n: {"DRAM": 29470720, "L1": 0} for n in range(1, 8)}}
    assert QUEUES + KERNELS == 14790656
    assert QUEUES + KERNELS + TENSORS == 29470720
    assert tally.json("ps")["processes"][0]["faults"] == 8, "and it warns"
    text = tally("devices")
    assert "14.11 MB" in text and "28.11 MB" in text
    assert running.end() == 0


@pytest.mark.parametrize("hooks,records", (("mesh", 3), ("backing", 3), ("both", 17),
                                           ("device-local", 17)))
def test_after(tally, mesh, hooks, records):
    running = mesh(f"--hooks={hooks}", *OPEN)
    running.until("queues-released")
    buffers = tally.json("ls", "-n", 0)

    assert held(tally) == {n: {"DRAM": KERNELS, "L1": FABRIC if n == 0 else 0} for n in range(8)}
    assert (buffers["records"], buffers["device_buffers"]) == (records, 17)
    assert f"{records} records, 17 device buffers" in tally("ls")
    assert tally.json("faults")["faults"] == []
    assert tally.json("leaks")["leaks"] == [], "nothing has a verdict while it lives"
    assert running.end() == 0
    totals = tally.json("leaks", "--dead")["totals"]
    assert totals["leaked"]["records"] == 0, "caches and the system's own are no leaks"
    assert totals["cache"]["total_bytes"] == 8 * KERNELS
    assert totals["system"]["total_bytes"] == FABRIC


def test_after_cleared_and_closed(tally, mesh):
    running = mesh("--hooks=mesh")
    running.until("cache-cleared")
    assert held(tally)[5] == {"DRAM": QUEUES, "L1": 0}
    running.until("closed")
    assert held(tally) == {n: {"DRAM": 0, "L1": 0} for n in range(8)}
    assert tally.json("ls")["records"] == 0
    assert running.end() == 0


def test_three_runs_one_after_another(tally, mesh):
    seen = []

    for _ in range(3):
        running = mesh("--hooks=naive-owned", "--keep-queues", *OPEN)
        running.until("queues-released")
        buffers = tally.json("ls", "-n", 0, "-p", running.pid)
        devices = tally.json("devices", "-p", running.pid)
        seen.append((figures(devices), buffers["records"], buffers["total_bytes"],
                     [(line["id"], line["address"], line["bytes"], line["tag"], line["site"])
                      for line in buffers["buffers"]]))
        assert running.end() == 0
    assert seen[0] == seen[1] == seen[2]
