# SPDX-License-Identifier: Apache-2.0
"""What this process can read of itself: snapshots, what came and went, leaks, figures; whoever
reported it."""
import ctypes
import json
import os
import subprocess

import pytest
from meshtally import _library
from python_support import BUILD, TIMEOUT, environment, native_alloc, run


@pytest.fixture
def pair(mt):
    return [mt.Device(i, 0x700 + i, arch="p150", memories=[mt.Memory("DRAM", 8, 4 << 30)])
            for i in range(2)]


def open_natively(ordinal, unique_id):
    """A device as another adapter in this process opens it, of which Python knows nothing."""
    device = _library.mt_device(ordinal=ordinal, unique_id=unique_id)
    device.struct_size = ctypes.sizeof(device)
    space = _library.lib.mt_device_open(ctypes.byref(device))
    assert space

    class Native:
        handle = space

    return Native


@pytest.fixture
def neighbour(build, segments):
    """Another process, with a device of its own and one that both use."""
    source = """
import sys
import meshtally as mt
mt.Device(0, 0x1).alloc(1, 777)
mt.Device(1, 0x700).alloc(2, 888)
print(flush=True)
sys.stdin.read()
"""
    child = subprocess.Popen(["/usr/bin/env", "python3", "-c", source],
                             env=environment(MESHTALLY="1"), stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"\n"
    yield child
    child.communicate(timeout=TIMEOUT)


def test_snapshot(mt, pair):
    first, second = pair
    mesh = mt.Mesh([pair])
    with mt.tag("layer1"):
        mesh.alloc(1, 1000, site="conv")
    first.alloc(2, 50, address=0x100)
    snapshot = mt.snapshot()
    assert snapshot.tracked and snapshot.exact and snapshot.file is None
    assert snapshot.total_bytes == 2050 and len(snapshot) == 2
    big, small = snapshot
    assert (big.tag, big.site, big.bytes, big.total_bytes) == ("layer1", "conv", 1000, 2000)
    assert [(d.label, d.ordinal, d.unique_id, d.arch) for d in big.devices] == [
        ("0", 0, 0x700, "p150"), ("1", 1, 0x701, "p150")]
    assert (big.address, small.address, small.id) == (None, 0x100, 2)
    assert small.allocated_unix_seconds > 1e9 and small.thread == os.getpid()
    assert snapshot.by_tag() == {"layer1": 2000, None: 50}
    assert "layer1" in repr(big) and "device 0-1" in repr(big)


def test_only_this_process(mt, pair, neighbour):
    pair[0].alloc(1, 50)
    assert [b.bytes for b in mt.snapshot()] == [50]
    assert [(d.device.unique_id, d["DRAM"].bytes) for d in mt.devices()] == [(0x700, 50),
                                                                            (0x701, 0)]
    assert mt.usage("0x700", "DRAM").bytes == 50
    assert len(mt.leaks()) == 0


def test_of_other_adapters(mt, pair):
    native = open_natively(5, 0xabc)
    with mt.tag("outer"):
        native_alloc(native, 1)
    (buffer,) = mt.snapshot()
    assert (buffer.tag, buffer.devices[0].label, buffer.bytes) == ("outer", "5", 4096)
    assert mt.usage("0xabc", "DRAM").bytes == 4096
    assert mt.usage("0xabc")["DRAM"].peak == 4096
    row = [d.device.unique_id for d in mt.devices()].index(0xabc)
    assert mt.usage(row)["DRAM"].buffers == 1
    with pytest.raises(mt.Error):
        mt.usage("0xdead")
    _library.lib.mt_close(native.handle, 0)
    (leak,) = mt.leaks()
    assert (leak.verdict, leak.tag, leak.bytes) == ("leaked", "outer", 4096)


def test_diff(mt, pair):
    first, second = pair
    mesh = mt.Mesh([pair])
    first.alloc(1, 100, site="stays")
    first.alloc(2, 200, site="goes")
    mesh.alloc(3, 1 << 20, site="shrinks")
    before = mt.snapshot()
    assert not mt.diff(before, before)
    first.free(2)
    mesh.free_on(3, second)
    second.alloc(4, 400, site="comes")
    second.alloc(5, 400, site="comes")
    changes = mt.diff(before, mt.snapshot())
    told = {(c.site, c.came, c.came_bytes, c.went, c.went_bytes) for c in changes}
    assert told == {("comes", 2, 800, 0, 0), ("goes", 0, 0, 1, 200),
                    ("shrinks", 0, 0, 1, 1 << 20)}
    assert {c.site for c in changes.came} == {"comes"}
    assert {c.site for c in changes.went} == {"goes", "shrinks"}
    (gone,) = [c for c in changes if c.site == "shrinks"]
    assert [d.label for d in gone.devices] == ["1"]
    assert (changes.before_bytes, changes.after_bytes) == (300 + (2 << 20), 900 + (1 << 20))


def test_another_buffer_at_the_same_place(mt, device):
    """Same size, tag, site, address and id: the diff knows that it is another one."""
    device.alloc(1, 4096, address=0, site="again")
    before = mt.snapshot()
    device.free(1)
    device.alloc(1, 4096, address=0, site="again")
    (change,) = mt.diff(before, mt.snapshot())
    assert (change.came, change.went, change.came_bytes, change.went_bytes) == (1, 1, 4096, 4096)


def test_moved_is_neither(mt, pair):
    """As the command counts it: the allocation is the same."""
    first, second = pair
    waiting = mt.Device(-1, unplaced=True)
    first.alloc(1, 4096, site="moved")
    second.alloc(1, 2048, site="moved")  # the same id, and as old
    waiting.alloc(2, 512, site="placed")
    before = mt.snapshot()
    assert [b.devices[0].label for b in before if b.id == 2] == ["unplaced"]
    waiting.move(2, to=second)
    first.move(1, tag="known now")
    after = mt.snapshot()
    assert not mt.diff(before, after)
    assert {(b.id, b.tag, b.devices[0].label) for b in after} == {
        (1, "known now", "0"), (1, None, "1"), (2, None, "1")}
    second.free(1)
    (gone,) = mt.diff(before, mt.snapshot())
    assert (gone.went, gone.went_bytes, gone.devices[0].label) == (1, 2048, "1")
    first.free(1)
    first.alloc(1, 4096, site="moved", tag="known now")  # another one, that looks the same
    assert {(c.came, c.went, c.bytes) for c in mt.diff(after, mt.snapshot())} == {
        (1, 1, 4096), (0, 1, 2048)}


def test_reported_per_device(mt, pair):
    """Records of several devices make one line; what went of it is what went."""
    for device in pair:
        device.alloc(1, 4096, address=0x1000, site="replicated")
    before = mt.snapshot()
    (line,) = before
    assert line.records == 2
    pair[0].free(1)
    (change,) = mt.diff(before, mt.snapshot())
    assert (change.came, change.went, change.went_bytes) == (0, 1, 4096)
    assert [d.label for d in change.devices] == ["0"]
    (back,) = mt.diff(mt.snapshot(), before)
    assert (back.came, back.went) == (1, 0)


def test_uneven_shares(mt, pair):
    mesh = mt.Mesh([pair])
    before = mt.snapshot()
    mesh.alloc(1, 1000, uneven_bytes=[1000, 10])
    (buffer,) = mt.snapshot()
    assert buffer.total_bytes == 1010
    (change,) = mt.diff(before, mt.snapshot())
    assert (change.came, change.came_bytes) == (2, 1010)


def test_kept_image(mt, device, tmp_path):
    """The command reads and compares what was kept."""
    device.alloc(1, 4096, site="first")
    one = mt.snapshot(str(tmp_path / "one"))
    device.alloc(2, 512, site="second")
    two = mt.snapshot(str(tmp_path / "two"))
    assert one.file == str(tmp_path / "one")
    out = subprocess.run([BUILD / "meshtally", "diff", one.file, two.file, "--json"], check=True,
                         stdout=subprocess.PIPE, timeout=TIMEOUT).stdout
    (change,) = json.loads(out)["changes"]
    (ours,) = mt.diff(one, two)
    assert (change["site"], change["came"], change["came_bytes"]) == (ours.site, ours.came,
                                                                     ours.came_bytes)
    with pytest.raises(mt.Error):
        mt.snapshot("/nonexistent/folder/image")


def test_nothing_is_left_in_the_temporary_folder(mt, device, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    device.alloc(1, 4096)
    assert len(mt.snapshot()) == 1 and len(mt.leaks()) == 0
    monkeypatch.setenv("MESHTALLY_COMMAND", "/nonexistent")
    with pytest.raises(mt.CommandMissing, match="MESHTALLY_COMMAND"):
        mt.snapshot()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_same_ordinal_twice(mt):
    """Then the unique id tells devices apart."""
    for unique in (0xa, 0xb):
        mt.Device(0, unique).alloc(unique, unique)
    labels = {b.id: b.devices[0].label for b in mt.snapshot()}
    assert labels == {0xa: "0xa", 0xb: "0xb"}


def test_module_as_a_program(build, segments):
    out = run("import runpy, sys; sys.argv = ['x']; runpy.run_module('meshtally')")
    assert str(BUILD / "meshtally") in out and "tracking  off" in out
