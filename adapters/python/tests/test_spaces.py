# SPDX-License-Identifier: Apache-2.0
"""Devices, meshes and buffers of a runtime written in Python: what is reported is what readers see,
and faults are told, not raised."""
import pytest
from python_support import command, tags

GIB = 1 << 30


def kinds(mt, device):
    return {kind: usage.bytes for kind, usage in mt.usage(device).items() if usage.bytes}


@pytest.fixture
def pair(mt):
    return [mt.Device(i, 0x500 + i, arch="wormhole_b0", bus=f"0000:0{i}:00.0",
                      memories=[mt.Memory("DRAM", 12, GIB), ("L1", 64, 1 << 20, 0x1000)])
            for i in range(2)]


def test_device(mt, pair):
    first, _ = pair
    assert first.alloc(1, 4096, address=0x8000, span=512, site="op.py:3") is mt.Result.OK
    assert first.alloc(2, 100, kind="L1", address=0x2000) is mt.Result.OK
    rows = command("devices")["devices"]
    assert [(row["unique_id"], row["arch"], row["bus"], row["ordinal"]) for row in rows] == [
        ("0x500", "wormhole_b0", "0000:00:00.0", 0), ("0x501", "wormhole_b0", "0000:01:00.0", 1)]
    figures = {kind["kind"]: (kind["bytes"], kind["held_bytes"], kind["capacity_bytes"])
               for kind in rows[0]["kinds"]}
    assert figures == {"DRAM": (4096, 512 * 12, 12 * GIB), "L1": (100, 100, 64 << 20)}
    (line, other) = command("ls")["buffers"]
    assert (line["id"], line["address"], line["site"]) == ("0x1", "0x8000", "op.py:3")
    assert other["kind"] == "L1"
    assert first.free(1) is mt.Result.OK
    assert kinds(mt, first) == {"L1": 100}


def test_faults_are_told(mt, pair):
    first, second = pair
    assert first.alloc(1, 4096, address=0) is mt.Result.OK
    assert first.alloc(1, 4096, address=0) is mt.Result.DUPLICATE
    assert first.alloc(1, 8192, address=0) is mt.Result.REPLACED
    assert first.free(1) is mt.Result.OK
    assert first.free(1) is mt.Result.LATE
    assert first.free(1) is mt.Result.DOUBLE_FREE
    assert second.free(7) is mt.Result.UNKNOWN_FREE
    assert first.alloc(3, 4096, address=GIB - 1, span=4096) is mt.Result.OUT_OF_RANGE
    assert first.check("DRAM", 5) is mt.Result.DRIFT
    assert first.check("DRAM", 0) is mt.Result.OK
    told = {fault["type"] for fault in command("faults")["faults"]}
    assert told == {"MT_DUPLICATE", "MT_REPLACED", "MT_DOUBLE_FREE", "MT_UNKNOWN_FREE",
                    "MT_OUT_OF_RANGE", "MT_DRIFT"}
    assert mt.Result.DRIFT.is_fault and not mt.Result.LATE.is_fault
    assert not mt.Result.BAD_ARGUMENT.is_fault
    assert str(mt.Result(21)) == "OVER_CAPACITY" and str(mt.Result(40)) == "UNKNOWN_40"


def test_without_an_address(mt, pair):
    first, _ = pair
    assert first.alloc(1, 4096) is mt.Result.OK
    assert first.alloc(2, 4096) is mt.Result.OK  # the same place, if 0 were an address
    (one, two) = mt.snapshot()
    assert {one.bytes, two.bytes} == {4096}
    assert command("faults")["findings"] == []


@pytest.mark.parametrize("arguments, options", [
    ((-1, 4096), {}), ((1 << 64, 4096), {}), ((1, -1), {}), ((1, 4096), {"address": 1 << 64}),
    ((1, 4096), {"kind": 31}), ((1, 4096), {"kind": "CB"}), ((1, 4096), {"kind": "n" * 16}),
    ((1, 4096), {"kind": ""}), ((1, 4096), {"uneven_bytes": [1]}), ((1.5, 4096), {}),
])
def test_arguments_that_cannot_be(mt, device, arguments, options):
    with pytest.raises(ValueError):
        device.alloc(*arguments, **options)
    assert len(mt.snapshot()) == 0


def test_devices_and_meshes_that_cannot_be(mt, pair):
    first, second = pair
    with pytest.raises(ValueError, match="one of each kind"):
        mt.Device(0, 1, memories=[mt.Memory("DRAM"), mt.Memory("DRAM")])
    with pytest.raises(ValueError, match="4,096 banks"):
        mt.Device(0, 1, memories=[mt.Memory("DRAM", banks=4097)])
    with pytest.raises(ValueError, match="64 bits"):
        mt.Device(0, 1 << 64)
    with pytest.raises(ValueError, match="32 bits"):
        mt.Device(1 << 31)
    with pytest.raises(ValueError, match="on no chip"):
        mt.Device(0, 1, unplaced=True)
    for rows in ([], [[]], [[first], [first, second]], [[first, first]], [[first, 5]]):
        with pytest.raises(ValueError):
            mt.Mesh(rows)
    with pytest.raises(ValueError, match="mesh.devices"):
        mt.usage(mt.Mesh([pair]))
    for call in (first.free, first.move):
        with pytest.raises(ValueError, match="64 bits"):
            call(-1)


def test_own_kinds(mt):
    device = mt.Device(0, 9, memories=[mt.Memory("VRAM", bank_bytes=GIB)])
    assert device.alloc(1, 4096, kind="VRAM") is mt.Result.OK
    assert mt.usage(device, "VRAM").bytes == 4096
    (buffer,) = mt.snapshot()
    assert buffer.kind == "VRAM"


def test_classes(mt, pair):
    first, _ = pair
    first.alloc(1, 100)
    assert first.ready() is mt.Result.OK
    first.alloc(2, 200, flags=mt.Flag.CACHE)
    first.alloc(3, 400)
    first.alloc(4, 800, flags=mt.Flag.VIEW, parent=3)
    usage = mt.usage(first, "DRAM")
    assert (usage.bytes, usage.system, usage.cache, usage.user) == (700, 100, 200, 400)
    snapshot = mt.snapshot()
    assert {b.id: b.buffer_class for b in snapshot} == {1: "system", 2: "cache", 3: "user",
                                                        4: "view"}
    assert snapshot.total_bytes == 700
    assert {b.id: b.parent for b in snapshot}[4] == 3


def test_mesh(mt, pair):
    first, second = pair
    with mt.Mesh([[first, second]], name="both") as mesh:
        assert mesh.devices == pair
        assert mesh.alloc(1, 1000) is mt.Result.OK
        assert mesh.alloc(2, 1000, uneven_bytes=[1000, 500]) is mt.Result.OK
        with pytest.raises(ValueError, match="2 numbers"):
            mesh.alloc(3, 1000, uneven_bytes=[1])
        assert [kinds(mt, d) for d in pair] == [{"DRAM": 2000}, {"DRAM": 1500}]
        assert mesh.free_on(1, first) is mt.Result.OK
        assert [kinds(mt, d) for d in pair] == [{"DRAM": 1000}, {"DRAM": 1500}]
        assert mesh.free(1) is mt.Result.OK
        assert mesh.free(2) is mt.Result.OK
        assert [kinds(mt, d) for d in pair] == [{}, {}]
    assert mesh.free(1) in (mt.Result.LATE, mt.Result.DOUBLE_FREE, mt.Result.UNKNOWN_FREE)


def test_mesh_with_a_device_of_another_host(mt, pair):
    mesh = mt.Mesh([[pair[0], None], [pair[1], None]])
    assert mesh.alloc(1, 1000) is mt.Result.OK
    (buffer,) = mt.snapshot()
    assert (buffer.total_bytes, len(buffer.devices)) == (2000, 2)


def test_leaked_and_lost(mt, pair):
    first, second = pair
    first.alloc(1, 4096, site="conv")
    second.alloc(2, 512, site="norm")
    assert len(mt.leaks()) == 0
    assert first.close() is mt.Result.OK
    assert first.close() is mt.Result.OK
    assert second.close(lost=True) is mt.Result.OK
    assert [(leak.verdict, leak.site, leak.total_bytes) for leak in mt.leaks()] == [
        ("leaked", "conv", 4096), ("lost", "norm", 512)]
    assert first.free(1) is mt.Result.LATE
    assert first.alloc(5, 512) is mt.Result.UNKNOWN_SPACE


def test_move(mt, pair):
    first, second = pair
    waiting = mt.Device(-1, unplaced=True)
    assert waiting.alloc(1, 4096, tag="context") is mt.Result.OK
    assert waiting.move(1, to=second) is mt.Result.OK
    assert kinds(mt, second) == {"DRAM": 4096}
    assert second.move(1, tag="layer1") is mt.Result.OK
    assert tags(mt.snapshot()) == {1: "layer1"}
    with pytest.raises(ValueError, match="not live there"):
        first.move(99, to=second)
    assert second.free(1) is mt.Result.OK


def test_a_moved_buffer_is_where_it_was_moved_to_whatever_was_told(mt, pair):
    first, second = pair
    small = mt.Device(7, 0x77, memories=[mt.Memory(bank_bytes=4096)])
    beyond = first.buffer(4096, address=0x8000)
    assert beyond.move(to=small) is mt.Result.VIRTUAL_ONLY
    assert beyond.space is small and beyond.free() is mt.Result.OK
    half = first.buffer(4096, address=2048)
    assert half.move(to=small) is mt.Result.OUT_OF_RANGE
    assert half.space is small and half.free() is mt.Result.OK
    there = second.buffer(64)
    first.alloc(there.id, 64)
    other = mt.Buffer(first, there.id, 64, {})
    assert other.move(to=second) is mt.Result.DUPLICATE and other.space is first


def test_what_was_not_recorded_is_moved_without_a_word(untracked):
    mt = untracked
    first, second = (mt.Device(i, 0x50 + i) for i in range(2))
    buffer = first.buffer(4096)
    assert buffer.move(to=second) is mt.Result.OFF
    assert mt.enable() is mt.Result.OK
    assert buffer.move(to=second) is mt.Result.BEFORE
    assert buffer.move(tag="late") is mt.Result.BEFORE
    assert buffer.free() is mt.Result.BEFORE


def test_buffer_objects(mt, pair):
    first, second = pair
    with first.buffer(4096, site="scratch") as scratch:
        assert scratch.result is mt.Result.OK and kinds(mt, first) == {"DRAM": 4096}
        assert "4096 bytes" in repr(scratch) and "OK" in repr(scratch)
    assert kinds(mt, first) == {} and "freed" in repr(scratch)
    assert scratch.free() is mt.Result.DOUBLE_FREE
    moved = first.buffer(100)
    assert moved.move(to=second) is mt.Result.OK
    assert moved.space is second and moved.free() is mt.Result.OK
    shared = mt.Mesh([pair]).buffer(100)
    assert shared.free_on(first) is mt.Result.OK
    assert [kinds(mt, d) for d in pair] == [{}, {"DRAM": 100}]
    with pytest.raises(ValueError, match="on a mesh"):
        moved.free_on(first)


def test_allocation_that_failed(mt, pair):
    first, _ = pair
    with mt.tag("fill"):
        first.alloc(1, GIB, address=0, span=GIB // 2)
        assert first.alloc_failed(2 * GIB, span=GIB, free_span=GIB // 2, largest_span=GIB // 4,
                                  reason="no hole") is mt.Result.OK
    (failure,) = command("oom")["failures"]
    assert (failure["asked_bytes"], failure["asked_bytes_per_bank"], failure["reason"],
            failure["tag"]) == (2 * GIB, GIB, "no hole", "fill")
    assert (failure["free_bytes_per_bank"], failure["largest_hole_bytes_per_bank"]) == (
        GIB // 2, GIB // 4)


def test_unique_ids_need_no_space(mt):
    one = mt.Device(0, 1, unique_ids=True)
    two = mt.Device(1, 2, unique_ids=True)
    one.alloc(10, 100)
    two.alloc(11, 100)
    assert one.free(10) is mt.Result.OK
    assert kinds(mt, two) == {"DRAM": 100}


def test_site_of_the_caller(mt, device):
    source = "def alloc(device, mt, n):\n    return device.buffer(n, site=mt.caller())\n"
    runtime = {}
    exec(compile(source, "/somewhere/runtime.py", "exec"), runtime)
    runtime["alloc"](device, mt, 10)
    line = test_site_of_the_caller.__code__.co_firstlineno + 4
    mt.tag("decorated")(runtime["alloc"])(device, mt, 20)
    sites = {buffer.bytes: buffer.site for buffer in mt.snapshot()}
    assert sites == {10: f"test_spaces.py:{line}", 20: f"test_spaces.py:{line + 2}"}


def test_more_sites_than_are_remembered(mt, device, monkeypatch):
    from meshtally import _spaces
    monkeypatch.setattr(_spaces, "_SITE_LIMIT", 4)
    monkeypatch.setattr(_spaces, "_sites", {})
    for i in range(10):
        device.alloc(i, 100, site=f"site {i}")
    device.alloc(10, 100, site=b"bytes\0")
    assert {b.id: b.site for b in mt.snapshot()} == {**{i: f"site {i}" for i in range(10)},
                                                     10: "bytes?"}
    assert len(_spaces._sites) <= 4


def test_no_room(mt, device):
    """The 1,024 devices of a process are all there."""
    devices = [mt.Device(i, 0x10000 + i) for i in range(1024)]
    refused = [each for each in devices
               if each.alloc(1, 100) is mt.Result.UNKNOWN_SPACE]
    assert len(refused) == 1
    assert any("no room" in note for note in mt.status().notes)
    (fault,) = command("faults")["faults"]
    assert fault["type"] == "MT_UNKNOWN_SPACE"
