# SPDX-License-Identifier: Apache-2.0
"""Tracking that is off, turned on late, and turned off again."""
import pytest
from python_support import command, run


def test_off_does_nothing(untracked, segments):
    mt = untracked
    device = mt.Device(0, 5, memories=[mt.Memory("DRAM", 1, 1 << 30)])
    mesh = mt.Mesh([[device]])
    for space in (device, mesh):
        assert space.alloc(1, 4096) is mt.Result.OFF
        assert space.free(1) is mt.Result.OFF
        assert space.move(1) is mt.Result.OFF
        assert space.ready() is mt.Result.OFF
        assert space.check("DRAM", 5) is mt.Result.OFF
        assert space.alloc_failed(5) is mt.Result.OFF
        assert space.handle == 0
        assert space.buffer(5).free() is mt.Result.OFF
    assert mesh.free_on(1, device) is mt.Result.OFF
    mt.mark("step", 1)
    assert mt.usage(device, "DRAM").bytes is None
    assert mt.usage(device)["DRAM"].user is None
    assert "Tracking is off" in repr(mt.usage(device))
    assert mesh.close() is mt.Result.OFF
    assert not segments.exists()
    snapshot = mt.snapshot()
    assert not snapshot.tracked and len(snapshot) == 0
    assert "MESHTALLY=1" in repr(snapshot)
    assert len(mt.leaks()) == 0
    assert not mt.status().on and "tracking is off" in mt.status().advice


def test_turned_on_late(untracked):
    mt = untracked
    device = mt.Device(0, 5)
    other = mt.Device(1, 6)
    mesh = mt.Mesh([[device, other]])
    closed = mt.Device(2, 7)
    closed.close()

    def live():
        assert device.alloc(1, 4096, site="from before") is mt.Result.OK
        assert mesh.alloc(2, 100) is mt.Result.OK

    assert mt.enable(report_live=live) is mt.Result.OK
    assert mt.enable(report_live=lambda: pytest.fail("it is on")) is mt.Result.OK
    assert device.alloc(3, 200) is mt.Result.OK
    assert device.free(77) is mt.Result.BEFORE
    assert {b.id: b.total_bytes for b in mt.snapshot()} == {1: 4096, 2: 200, 3: 200}
    assert [row["unique_id"] for row in command("devices")["devices"]] == ["0x5", "0x6"]
    flags = {line["id"]: line["flags"] for line in command("ls")["buffers"]}
    assert flags["0x1"] & mt.Flag.EXISTING and not flags["0x3"] & mt.Flag.EXISTING


def test_an_error_while_reporting(untracked):
    mt = untracked

    def live():
        raise KeyError("of the runtime")

    with pytest.raises(KeyError, match="of the runtime"):
        mt.enable(report_live=live)
    assert mt.is_on()


def test_off_and_on_again(mt, device):
    device.alloc(1, 4096)
    assert mt.enable(False) is mt.Result.OK
    assert not mt.is_on()
    assert device.alloc(2, 4096) is mt.Result.OFF
    assert mt.enable() is mt.Result.OK
    assert device.alloc(3, 4096) is mt.Result.OK
    assert [b.id for b in mt.snapshot()] == [3]


@pytest.mark.parametrize("variable, on", [
    ({"MESHTALLY": "1"}, True), ({"TT_ALLOC_TRACKING_ENABLED": "1"}, True), ({}, False),
    ({"MESHTALLY": "0", "TT_ALLOC_TRACKING_ENABLED": "1"}, False)])
def test_by_the_environment(build, segments, variable, on):
    assert run("import meshtally; print(meshtally.is_on())", **variable) == f"{on}\n"


def test_nothing_reported_yet(mt):
    assert "no runtime has reported" in mt.status().advice or mt.snapshot().tracked
