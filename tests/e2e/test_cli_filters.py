# SPDX-License-Identifier: Apache-2.0
"""-d, -p, -k: what each names, and what is said of names that mean nothing."""
import re

import pytest

MESH_ORDER = (4, 0, 3, 7, 5, 1, 2, 6)
UNIQUE_ID = 0x4d455348000000
TENSOR = 4194304


@pytest.fixture
def running(mesh):
    return mesh("--hooks=mesh").until("tensor-b")


def rows(tally, *filters):
    return [device["row"] for device in tally.json("devices", *filters)["devices"]]


@pytest.mark.parametrize("name,row", [
    ("3", 3), ("0", 0), (f"0x{UNIQUE_ID + 5:x}", 5), (f"0X{UNIQUE_ID + 5:X}", 5),
    ("0000:04:00.0", 3), *[(f"mesh@{n // 4},{n % 4}", row) for n, row in enumerate(MESH_ORDER)],
    ("@0,0", 4),
])
def test_a_device_by_every_name(tally, running, name, row):
    assert rows(tally, "-d", name) == [row]
    buffers = tally.json("ls", "-n", 0, "-d", name, "-k", "DRAM")
    assert buffers["total_bytes"] == 14753792 + 2 * TENSOR, "the share of this device alone"
    assert all(line["rows"] == [row] for line in buffers["buffers"])


def test_a_device_by_process_and_ordinal(tally, running):
    assert rows(tally, "-d", f"{running.pid}:6") == [6]
    done = tally.all("devices", "-d", "1:6", status=1)
    assert "no device '1:6'" in done.stderr


def test_ordinals_are_per_process(tally, reporter):
    """Two processes that see one chip under different numbers, as with TT_VISIBLE_DEVICES."""
    first, second = reporter(), reporter()
    a, b = first.device(0xa, 0, 0, None), first.device(0xb, 1, 0, None)
    c = second.device(0xb, 0, 0, None)
    assert all((a, b, c))
    first.alloc(b, 1, 0x1000, 100, 100, 0, 0, "one", 0)
    second.alloc(c, 1, 0x1000, 200, 200, 0, 0, "two", 0)

    assert len(tally.json("devices")["devices"]) == 2
    shared = rows(tally, "-d", "0xb")
    assert rows(tally, "-d", f"{first.pid}:1") == rows(tally, "-d", f"{second.pid}:0") == shared
    kinds = tally.json("devices", "-d", "0xb")["devices"][0]["kinds"]
    assert next(kind for kind in kinds if kind["kind"] == "DRAM")["bytes"] == 300
    sites = [line["site"] for line in tally.json("ls", "-d", f"{first.pid}:1")["buffers"]]
    assert sorted(sites) == ["one", "two"]
    assert rows(tally, "-d", f"{first.pid}:0") != shared


def test_a_mesh_position_in_two_meshes(tally, mesh, reporter):
    """Ambiguous names are refused, not guessed."""
    other = reporter()
    devices = [other.device(0x100 + n, n, 0, None) for n in range(2)]
    assert other.mesh(1, 2, "mesh", *devices)
    mesh("--hooks=mesh").until("open")
    done = tally.all("devices", "-d", "mesh@0,0", status=1)
    assert "means more than one device here" in done.stderr


def test_several_devices_and_kinds(tally, running):
    assert rows(tally, "-d", "1", "-d", "0x4d455348000007", "-d", "1") == [1, 7]
    for device in tally.json("devices", "-k", "L1")["devices"]:
        assert [kind["kind"] for kind in device["kinds"]] == ["L1"]
    both = tally.json("ls", "-n", 0, "-k", "L1", "-k", "DRAM", "-d", "0")
    assert {line["kind"] for line in both["buffers"]} == {"L1", "DRAM"}
    assert tally.json("ls", "-k", "l1", "-d", "1")["records"] == 0


def test_a_process(tally, mesh, running):
    other = mesh("--hooks=both").until("tensor-a")
    for pid, device_bytes in ((running.pid, 2 * TENSOR), (other.pid, TENSOR)):
        devices = tally.json("devices", "-p", pid)["devices"]
        assert [device["kinds"][0]["user_bytes"] for device in devices] == [device_bytes] * 8
        assert {line["pid"] for line in tally.json("ls", "-n", 0, "-p", pid)["buffers"]} == {pid}
        assert [process["pid"] for process in tally.json("ps", "-p", pid)["processes"]] == [pid]
    both = tally.json("ps", "-p", running.pid, "-p", other.pid)["processes"]
    assert {process["pid"] for process in both} == {running.pid, other.pid}
    assert tally.json("ls", "-p", 1)["records"] == 0


@pytest.mark.parametrize("name", ("8", "-1", "0x1", "0000:99:00.0", "mesh@2,0", "mesh@0,4",
                                  "mesh@0", "nobody@0,0", "x", "", "99999999999999999999"))
def test_no_such_device(tally, running, name):
    done = tally.all("ls", f"--device={name}", status=1)
    assert f"no device '{name}'" in done.stderr and done.stdout == ""


def test_no_such_kind(tally, running):
    done = tally.all("ls", "-k", "VRAM", status=1)
    assert "no memory kind 'VRAM': there are DRAM, L1" in done.stderr


def test_filters_of_the_other_verbs(tally, mesh):
    """A filter narrows each verb alike."""
    wrong = mesh("--hooks=naive-owned").until("closed")
    assert tally.json("faults", "-d", "3")["faults"] == []
    assert len(tally.json("faults", "-d", "0")["faults"]) == 8
    leaks = tally.json("leaks", "-d", "3")
    assert leaks["totals"]["leaked"]["total_bytes"] == 3 * TENSOR + 2 * 524288 + 1048576 + 36864
    assert all(leak["rows"] == [3] for leak in leaks["leaks"])
    assert tally.json("leaks", "-d", "0")["leaks"] == []
    assert tally.json("leaks", "-k", "L1")["leaks"] == []
    peaks = tally.json("peak", "-d", "2", "-k", "DRAM", "-p", wrong.pid)["processes"][0]["peaks"]
    assert [(peak["kind"], peak["rows"]) for peak in peaks] == [("DRAM", [2])]
    failed = mesh("--oom")
    assert failed.end() == 3
    assert len(tally.json("oom", "-d", "0")["failures"]) == 1
    assert tally.json("oom", "-k", "L1")["failures"] == []
    assert tally.json("oom", "-p", wrong.pid)["failures"] == []


def test_order_and_limit(tally, running):
    def lines(*options):
        return tally.json("ls", "-k", "DRAM", *options)["buffers"]

    sizes = [line["bytes"] for line in lines("-n", 0)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == TENSOR
    starts = [line["operation"] for line in lines("-n", 0, "--sort", "age")]
    assert starts == sorted(starts), "the oldest first"
    tags = [line["tag"] or "" for line in lines("-n", 0, "--sort", "tag")]
    assert tags == sorted(tags) or tags == sorted(tags, key=lambda tag: (tag == "", tag))
    firsts = [line["rows"][0] for line in lines("-n", 0, "--sort", "device")]
    assert firsts == sorted(firsts)
    assert len(lines("-n", 1)) == 1
    assert re.search(r"the first 2 of \d+", tally("ls", "-n", 2))


def test_sums(tally, running):
    by_kind = {line["kind"]: line for line in tally.json("ls", "--by", "kind")["sums"]}
    assert by_kind["L1"]["system_bytes"] == 22528
    assert by_kind["DRAM"]["user_bytes"] == 8 * 2 * TENSOR
    by_tag = {line["tag"]: line for line in tally.json("ls", "--by", "tag")["sums"]}
    assert by_tag["inputs"]["total_bytes"] == 8 * 2 * TENSOR
    assert by_tag["inputs"]["device_buffers"] == 16
    by_device = {line["row"]: line for line in tally.json("ls", "--by", "device")["sums"]}
    assert {row: line["user_bytes"] for row, line in by_device.items()} == \
        {row: 2 * TENSOR for row in range(8)}
    assert by_device[0]["system_bytes"] == 14753792 + 22528
    by_process = tally.json("ls", "--by", "process")["sums"]
    assert [line["process"]["pid"] for line in by_process] == [running.pid]
