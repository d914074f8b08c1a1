# SPDX-License-Identifier: Apache-2.0
"""What is on no device yet, of no known address, and moved: as the verbs, the server and its metrics
tell it of a program that reports so."""
import json
import signal

import pytest

from serve_support import Server, wait_until
from test_growth import Growth
from test_serve_metrics import fresh, total

DRAM = 0
UNIQUE_IDS = 1
CACHE, VIEW, NO_ADDRESS = 2, 4, 1024
MB = 1 << 20
UNKNOWN = (1 << 64) - 1
OK = 0


class Context:
    """A context of two devices, as an OpenCL layer reports it."""

    def __init__(self, program, first=0x70):
        self.program = program
        self.devices = [program.device(first + n, n, UNIQUE_IDS, f"0000:0{n}:00.0")
                        for n in range(2)]
        self.nowhere = program.unplaced(0, UNIQUE_IDS)
        assert self.nowhere != 0

    def create(self, number, size=MB, flags=0, owner=0):
        self.program.alloc(self.nowhere, number, 0, size, 0, DRAM, NO_ADDRESS | flags,
                           "clCreateBuffer", owner)

    def use(self, number, device):
        assert self.program.move(self.nowhere, number, self.devices[device], 0) == OK


@pytest.fixture
def context(reporter):
    return Context(reporter())


def figures(tally, *options):
    """Bytes by row of `devices`."""
    return {device["row"]: sum(kind["bytes"] for kind in device["kinds"])
            for device in tally.json("devices", *options)["devices"]}


def test_unplaced_is_no_device(tally, context, reporter):
    other = Context(reporter())
    assert tally("devices").startswith("2 devices")
    assert "unplaced" not in tally("devices")
    for number in range(3):
        context.create(number + 1)
    other.create(1, 2 * MB)
    text = tally("devices")
    assert text.startswith("2 devices") and "held by 2 processes" in text
    assert "unplaced  5 MB in 4 buffers of 2 processes: in contexts of several devices" in text
    told = tally.json("devices")["devices"]
    assert [device["unplaced"] for device in told] == [False, False, True]
    assert told[2]["ordinal"] is None and told[2]["unique_id"] is None
    assert figures(tally) == {0: 0, 1: 0, 2: 5 * MB}
    assert figures(tally, "-d", "unplaced", "-p", other.program.pid) == {2: 2 * MB}
    (alone,) = tally.json("ls", "-d", "unplaced", "-p", other.program.pid)["buffers"]
    assert alone["address"] is None and alone["rows"] == [2]
    picture = tally("top", "--screen", "mesh", "--once", env={"COLUMNS": "120"})
    assert "2 devices  2 processes" in picture and "unplaced 5 MB in 4 buffers" in picture

    context.use(1, 0)
    context.use(2, 1)
    context.use(3, 1)
    other.use(1, 0)
    assert figures(tally) == {0: 3 * MB, 1: 2 * MB}
    assert "unplaced" not in tally("devices") + tally("ps") + tally("ls") + tally("top", "--once")
    assert tally.json("faults")["findings"] == []
    assert "there are 2)" in tally.all("devices", "-d", "2", status=None).stderr


def test_moved_is_the_same_buffer(tally, context, tmp_path):
    context.create(1)
    context.create(2)
    before, after, renamed = (tmp_path / name for name in ("before", "after", "renamed"))
    tally("snapshot", before)
    (old,) = [each for each in tally.json("ls")["buffers"] if each["id"] == "0x1"]
    context.use(1, 0)
    tally("snapshot", after)
    told = tally.json("diff", before, after)
    assert told["changes"] == [] and told["tags"] == []
    (new,) = [each for each in tally.json("ls")["buffers"] if each["id"] == "0x1"]
    assert new["rows"] == [0] and new["operation"] > old["operation"]
    for key in ("start_unix_seconds", "site", "thread", "bytes"):
        assert new[key] == pytest.approx(old[key], abs=1e-3) if key.startswith("start") \
            else new[key] == old[key]

    tag = context.program.push("conv")
    context.program.pop()
    assert context.program.move(0, 1, 0, tag) == OK
    tally("snapshot", renamed)
    told = tally.json("diff", before, renamed)
    assert told["changes"] == []
    assert sorted((tag["tag"] or "", tag["after_bytes"] - tag["before_bytes"])
                  for tag in told["tags"]) == [("", -MB), ("conv", MB)]


def test_moved_has_not_come(tally, context):
    context.create(1)
    context.create(2)
    context.program.mark("step", 1)
    growth = Growth(tally, "--for", "1h", "--json", "-p", context.program.pid)
    context.use(1, 0)
    context.create(3, 3 * MB)
    context.use(3, 1)
    context.use(2, 1)
    told = json.loads(growth.interrupt())
    assert (told["records"], told["total_bytes"]) == (1, 3 * MB)


def test_leaks_by_where_it_was(tally, context):
    context.create(1)
    context.create(2)
    context.create(3, flags=CACHE)
    context.use(1, 1)
    context.program.close(context.nowhere, 0)
    told = tally.json("leaks")
    assert told["totals"]["leaked"]["records"] == 1 and told["totals"]["cache"]["records"] == 1
    assert [leak["rows"] for leak in told["leaks"] if leak["verdict"] == "leaked"] == [[2]]
    context.program.child.send_signal(signal.SIGKILL)
    context.program.child.communicate()
    told = tally.json("leaks", "--dead")
    (killed,) = [leak for leak in told["leaks"] if leak["verdict"] == "killed"]
    assert killed["rows"] == [1] and killed["records"] == 1


def test_views_do_not_dangle(tally, context):
    """The owner is on a device by now, the view where it was."""
    context.create(1)
    context.create(2, 64, VIEW, 1)
    context.use(1, 0)
    assert tally.json("faults")["findings"] == []
    context.program.free(0, 1)
    (finding,) = tally.json("faults")["findings"]
    assert finding["type"] == "dangling_view" and finding["first"]["address"] is None


def test_oom_without_addresses(tally, context):
    context.create(1)
    context.create(2)
    context.program.failed(context.nowhere, DRAM, 1 << 40, 0, UNKNOWN, UNKNOWN, "no room")
    text = " ".join(tally("oom").split())
    assert "DRAM of unplaced" in text and "the runtime does not tell where" in text
    (failure,) = tally.json("oom")["failures"]
    assert failure["free_bytes_per_bank"] is None
    assert failure["largest_hole_bytes_per_bank"] is None
    assert failure["advice"]["enough"] is None and failure["advice"]["buffers"] == []
    context.program.free(context.nowhere, 1)
    context.program.free(context.nowhere, 1)
    (double,) = [fault for fault in tally.json("faults")["faults"]
                 if fault["type"] == "MT_DOUBLE_FREE"]
    assert double["address"] is None and double["row"] == 2


def test_oom_of_what_no_device_has(tally, context):
    context.program.failed(context.devices[0], DRAM, 1 << 20, 0, UNKNOWN, UNKNOWN, "not now")
    assert "nothing was held there by this process" in " ".join(tally("oom").split())
    context.program.failed(context.devices[0], DRAM, 1 << 50, 0, UNKNOWN, UNKNOWN, "too large")
    assert "more was asked for than the memory has" in " ".join(tally("oom").split())


def test_old_clients_see_no_device_in_it(tally, context):
    """A client that asks by ordinal is told of device 0, and not of what is on none."""
    context.create(1)
    context.create(2, 3 * MB)
    context.use(2, 0)
    server = Server(tally)
    try:
        with server.client() as client:
            answer = wait_until(lambda: (lambda a: a if a.dram_allocated else None)(client.query(0)),
                                "the segments are read")
            assert answer.dram_allocated == 3 * MB
    finally:
        server.close()


def test_metrics_add_up(tally, context):
    server = Server(tally)
    try:
        context.create(1)
        context.create(2)
        name = "meshtally_device_live_bytes"
        samples = fresh(server, lambda s: total(s, name, device="unplaced") == 2 * MB, "unplaced")
        assert total(samples, name) == 2 * MB
        labels = [dict(labels) for (sample, labels) in samples if sample == name]
        (unplaced,) = [label for label in labels
                       if label["device"] == "unplaced" and label["class"] == "user"]
        assert unplaced == {"device": "unplaced", "bus": "", "ordinal": "", "arch": "",
                            "kind": "DRAM", "class": "user"}
        assert not [labels for (sample, labels) in samples
                    if sample == "meshtally_device_capacity_bytes"
                    and dict(labels)["device"] == "unplaced"]
        context.use(1, 0)
        context.use(2, 0)
        samples = fresh(server, lambda s: total(s, name, device="0x70") == 2 * MB, "moved")
        assert total(samples, name) == 2 * MB
        assert total(samples, name, device="unplaced") == 0
        assert total(samples, "meshtally_device_allocations_total", device="0x70") == 2
        assert total(samples, "meshtally_device_frees_total", device="unplaced") == 2
        devices = json.loads(server.get("/api/v1/devices"))
        assert [device["row"] for device in devices["devices"]] == [0, 1]
        assert devices["page"]["total"] == 2
    finally:
        server.close()
