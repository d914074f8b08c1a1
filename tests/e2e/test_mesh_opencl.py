# SPDX-License-Identifier: Apache-2.0
"""The mesh on eight real OpenCL devices (of PoCL): what is told of it is what is told of the
simulated one. Only capacities are the devices' own."""
import os
import pathlib
import subprocess

import pytest

from e2e_support import TIMEOUT, figures

pytestmark = pytest.mark.skipif(not pathlib.Path("/etc/OpenCL/vendors/pocl.icd").exists(),
                                reason="PoCL is not installed: see scripts/install-dependencies")

DEVICES = {"POCL_DEVICES": " ".join(["pthread"] * 8), "POCL_MEMORY_LIMIT": "2",
           "OCL_ICD_VENDORS": "pocl.icd"}
ON_OPENCL = "--backend=opencl"
MODES = ("naive-owned", "naive-all", "both", "device-local", "backing", "mesh")
FILL_SHARE, BANKS = 16, 12
TOLD = ("kind", "class", "bytes", "span_bytes_per_bank", "total_bytes", "records", "rows", "flags",
        "tag", "site")


def run(build, *options, **env):
    """mesh_allocation, to its end: status, output, error."""
    done = subprocess.run([build / "examples" / "mesh_allocation", *options],
                          env={**os.environ, **DEVICES, **env}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lines_of(tally, pid):
    """`ls`, without what tells one run from another: addresses, for one, count from both ends."""
    return sorted(str([line[key] for key in TOLD])
                  for line in tally.json("ls", "-n", 0, "-p", pid)["buffers"])


def story(tally, mesh, *options):
    """What is told after each step, and at the end."""
    running = mesh(*options, env=DEVICES)
    told = {}

    for step in running:
        told[step] = (figures(tally.json("devices", "-p", running.pid)),
                      lines_of(tally, running.pid))
        if step == "closed":
            faults = tally.json("faults", "-n", 0, "-p", running.pid)["faults"]
            told["faults"] = sorted((fault["type"], fault["first_site"], fault["first_bytes"],
                                     fault["count"], fault["row"]) for fault in faults)
            told["leaks"] = tally.json("leaks", "-n", 0, "-p", running.pid)["totals"]
    assert running.end() == 0
    return told


@pytest.mark.parametrize("hooks", MODES)
def test_every_step_is_the_hosts(tally, mesh, expected, hooks):
    on_devices = story(tally, mesh, f"--hooks={hooks}", ON_OPENCL)
    on_host = story(tally, mesh, f"--hooks={hooks}")

    assert list(on_devices) == list(on_host)
    for step, told in on_host.items():
        assert on_devices[step] == told, step
    if hooks.startswith("naive"):
        assert on_host["faults"], "and what is wrong with them is seen on either"
        return
    assert on_host["faults"] == [] and on_host["leaks"]["leaked"]["records"] == 0
    for step, wanted in expected(f"--hooks={hooks}").items():
        assert on_devices[step][0] == wanted, step


@pytest.mark.parametrize("options", ((), ("--ids=address",), ("--leak",), ("--keep-queues",),
                                     ("--board=p150",), ("--board=gpu",)))
def test_expectations_are_the_hosts(build, options):
    assert run(build, ON_OPENCL, "--expect", *options) == run(build, "--expect", *options)


def test_ids_by_address(tally, mesh):
    assert story(tally, mesh, ON_OPENCL, "--ids=address") == story(tally, mesh, "--ids=address")


def test_leak(tally, mesh):
    on_devices = story(tally, mesh, ON_OPENCL, "--leak")

    assert on_devices["leaks"]["leaked"] == {"total_bytes": 8 * 4194304, "records": 8,
                                             "device_buffers": 8}
    assert on_devices == story(tally, mesh, "--leak")


def test_leave_open_runs_and_boards(build):
    for options in (("--leave-open", "--no-clear-cache"), ("--runs=3", "--leak"),
                    ("--board=p150",), ("--board=gpu",)):
        status, output, error = run(build, ON_OPENCL, *options)
        assert (status, error) == (0, ""), options
        assert "Memory: 8 OpenCL devices of Portable Computing Language" in output


def main_memory(tally, mesh, **env):
    """Capacity, told of each of eight devices alike."""
    running = mesh(ON_OPENCL, env={**DEVICES, **env})
    running.until("matmul")
    devices = tally.json("devices")["devices"]
    capacities = {kind["kind"]: {device_kind["capacity_bytes"] for device in devices
                                 for device_kind in device["kinds"]
                                 if device_kind["kind"] == kind["kind"]}
                  for kind in devices[0]["kinds"]}
    assert running.end() == 0
    assert len(devices) == 8 and capacities["L1"] == {64 * 1432 << 10}
    (main,) = capacities["DRAM"]
    return main


def test_capacity_is_the_devices(tally, mesh):
    """In whole MiB per bank, of what PoCL has by its limit in GiB; not the board's 12 GiB."""
    small = main_memory(tally, mesh, POCL_MEMORY_LIMIT="1")
    large = main_memory(tally, mesh)

    assert small % (BANKS << 20) == large % (BANKS << 20) == 0
    assert 64 << 20 <= small < large < 2 << 30


@pytest.mark.parametrize("hooks", ("mesh", "both", "device-local"))
def test_oom(tally, mesh, build, hooks):
    """The devices' memory is what is filled: figures follow from the capacity."""
    running = mesh(ON_OPENCL, "--oom", f"--hooks={hooks}", env=DEVICES)
    running.until("fill")
    devices = tally.json("devices")["devices"]
    (capacity,) = {kind["capacity_bytes"] for device in devices for kind in device["kinds"]
                   if kind["kind"] == "DRAM"}
    assert all(device["DRAM"]["user_bytes"] == 15 * (capacity // FILL_SHARE)
               for device in figures({"devices": devices}).values())
    assert running.end() == 3
    (failure,) = tally.json("oom")["failures"]
    assert failure["asked_bytes"] == 2 * (capacity // FILL_SHARE)
    assert failure["largest_hole_bytes_per_bank"] < failure["asked_bytes_per_bank"]
    assert {device["capacity_bytes"] for device in failure["devices"]} == {capacity}


def test_oom_expectation(tally, mesh, build):
    status, output, _ = run(build, ON_OPENCL, "--oom", "--expect")
    host = run(build, "--oom", "--expect")[1]
    assert status == 0 and output != host, "of the devices' memory, not of the board's"
    assert output.count("step") == host.count("step")


def test_too_few_devices(build):
    for options in ((), ("--expect",)):
        status, output, error = run(build, ON_OPENCL, *options, POCL_DEVICES="pthread pthread")
        assert (status, output) == (1, "")
        assert "8 OpenCL devices of one platform are needed; found: 2, of Portable" in error
        assert f'POCL_DEVICES="{DEVICES["POCL_DEVICES"]}"' in error, "what to do, as it is typed"


def test_no_platform(build, tmp_path):
    status, output, error = run(build, ON_OPENCL, OCL_ICD_VENDORS=str(tmp_path))
    assert (status, output) == (1, "")
    assert "no OpenCL platform: install a driver" in error and "pocl-opencl-icd" in error


def test_wrong_use(build):
    status, output, error = run(build, "--backend=cuda")
    assert (status, output) == (2, "")
    assert error == "mesh_allocation: no such back end: cuda\nTry --help.\n"


def test_help(build):
    status, output, _ = run(build, "--help")
    assert status == 0
    for part in ("--backend=", "opencl", "POCL_DEVICES"):
        assert part in output


@pytest.mark.parametrize("ids", ("unique", "address"))
def test_two_sources_in_one_process(tally, mesh, expected, ids):
    """The runtime tells of its chips, the layer of the OpenCL devices below them: neither disturbs
    the other, and what the allocators hold is what the layer sees cut from each arena."""
    layer = tally.build / "libmeshtally_opencl_layer.so"
    if not layer.exists():
        pytest.skip("no OpenCL layer in this build")
    wanted = expected("--hooks=both", f"--ids={ids}")
    running = mesh(ON_OPENCL, f"--ids={ids}", env={**DEVICES, "OPENCL_LAYERS": str(layer)})
    arenas = set()

    for step in running:
        devices = tally.json("devices")["devices"]
        chips = {device["ordinal"]: device for device in devices if device["arch"] == "wormhole_b0"}
        below = {device["ordinal"]: device for device in devices
                 if device["arch"] != "wormhole_b0"}
        assert figures({"devices": chips.values()}) == wanted[step], step
        assert set(chips) == set(below) == set(range(8))
        for ordinal, chip in chips.items():
            (memory,) = below[ordinal]["kinds"]
            assert memory["view_bytes"] == sum(kind["held_bytes"] for kind in chip["kinds"]), step
            assert memory["buffers"] == 1, "the arena"
            arenas.add(memory["held_bytes"])
    (arena,) = arenas
    assert arena == sum(kind["capacity_bytes"] for kind in chips[0]["kinds"])
    assert tally.json("faults")["faults"] == [] and tally.json("leaks")["leaks"] == []
    assert running.end() == 0
    assert tally.segments() == [], "both gave everything back"
