# SPDX-License-Identifier: Apache-2.0
"""Reports without flags: what the program did wrong is shown, and where. Nothing is guessed."""
import collections

from e2e_support import figures

MESH_BUFFERS = 8  # six tensors and two kernels
PER_DEVICE = {("add", "add"): 4194304, ("inputs", "a"): 4194304, ("inputs", "b"): 4194304,
              ("matmul", "matmul"): 1048576, ("inputs", "x"): 524288, ("inputs", "y"): 524288,
              ("matmul", "kernel binaries"): 24576, ("add", "kernel binaries"): 12288}


def by_type(faults):
    counts = collections.Counter()
    for fault in faults:
        counts[fault["type"]] += fault["count"]
    return counts


def test_naive_owned_faults_and_leaks(tally, mesh):
    running = mesh("--hooks=naive-owned")
    running.until("closed")
    faults = tally.json("faults", "-n", 0)
    leaks = tally.json("leaks", "-n", 0)

    assert by_type(faults["faults"]) == {"MT_DUPLICATE": MESH_BUFFERS}
    assert {(fault["first_tag"], fault["first_site"]): fault["first_bytes"]
            for fault in faults["faults"]} == PER_DEVICE
    assert all(fault["row"] == 0 and fault["second_site"] == fault["first_site"] and
               fault["second_bytes"] == fault["first_bytes"] for fault in faults["faults"])

    assert {(leak["tag"], leak["site"]): leak["bytes"] for leak in leaks["leaks"]} == PER_DEVICE
    assert all(leak["rows"] == [1, 2, 3, 4, 5, 6, 7] and leak["device_buffers"] == 7 and
               leak["verdict"] == "leaked" and leak["total_bytes"] == 7 * leak["bytes"]
               for leak in leaks["leaks"])
    assert leaks["totals"]["leaked"] == {"total_bytes": 7 * sum(PER_DEVICE.values()),
                                         "records": 7 * MESH_BUFFERS,
                                         "device_buffers": 7 * MESH_BUFFERS}
    assert sum(total["records"] for total in leaks["totals"].values()) == 7 * MESH_BUFFERS

    text = tally("leaks")
    assert "devices 1-7: 14.04 MB each" in text
    tally("leaks", "--check", status=4)
    assert running.end() == 0
    assert tally.json("leaks", "-n", 0, "--dead")["totals"] == leaks["totals"], "post-mortem too"


def test_naive_owned_while_it_runs(tally, mesh, expected):
    """Wrong frees do not show before they are missing: until then the totals are right."""
    wanted = expected("--hooks=both")
    running = mesh("--hooks=naive-owned", "--no-clear-cache")

    for step in running:
        devices = figures(tally.json("devices"))
        held = {n: sum(device["DRAM"].values()) for n, device in devices.items()}
        right = {n: sum(device["DRAM"].values()) for n, device in wanted[step].items()}
        assert held[0] == right[0], step
        if step == "free-a":
            assert all(held[n] == right[n] + 4194304 for n in range(1, 8))
        if step == "free-product":
            assert all(held[n] == right[n] + 14680064 for n in range(1, 8))
            break
        if not step.startswith("free"):
            assert held == right, step


def test_naive_all(tally, mesh):
    running = mesh("--hooks=naive-all")
    running.until("closed")
    faults = tally.json("faults", "-n", 0)

    assert by_type(faults["faults"]) == {"MT_DUPLICATE": MESH_BUFFERS,
                                         "MT_DOUBLE_FREE": MESH_BUFFERS}
    for fault in faults["faults"]:
        assert fault["row"] == 0
        assert PER_DEVICE[(fault["first_tag"], fault["first_site"])] == fault["first_bytes"]
    assert tally.json("ls", "-n", 0)["device_buffers"] == 0
    assert tally.json("leaks")["leaks"] == []
    assert "Nothing was leaked" in tally("leaks")
    assert "  8 x duplicate allocation, 8 x double free\n" in tally("faults", "-n", 3)
    tally("faults", "--check", status=4)
    tally("leaks", "--check", status=0)
    assert running.end() == 0


def test_faults_after_the_end(tally, mesh):
    running = mesh("--hooks=naive-all", under=("run",))
    assert running.end() == 0
    text = running.error

    assert "  8 x duplicate allocation, 8 x double free\n" in text, "all types, before the list"
    assert "the first 8 of 16" in text
    assert "Nothing was leaked, lost or left." in text
    assert by_type(tally.json("faults", "-n", 0)["faults"])["MT_DUPLICATE"] == MESH_BUFFERS
