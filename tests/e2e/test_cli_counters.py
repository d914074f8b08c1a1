# SPDX-License-Identifier: Apache-2.0
"""tt-metal's own counter files: read only, totals only."""
import os
import struct
import subprocess

import pytest

CHIP = 0x1234567890ab
FIGURES = {"DRAM": 1 << 30, "L1": 3 << 20, "L1_SMALL": 4096, "TRACE": 32 << 20, "CB": 65536}


class Format:
    """Where things are in a version of the file."""

    def __init__(self, version):
        self.version = version
        first = version == 1
        self.counters = 6 if first else 5
        self.chips, self.chip_bytes = (96, 56) if first else (88, 48)
        self.processes, self.process_bytes = (992, 128) if first else (856, 120)
        self.size = 9280 if first else 8576
        self.unused_chip = 0 if version < 3 else 0xffffffff

    def amounts(self, figures, kernel):
        values = [*figures.values(), kernel][:self.counters]
        return struct.pack(f"<{self.counters}Q", *values)

    def file(self, processes, figures=FIGURES, kernel=12288):
        """processes: of (pid, name). Each holds an equal part."""
        image = bytearray(self.size)
        part = {kind: amount // max(1, len(processes)) for kind, amount in figures.items()}
        struct.pack_into("<IIQI", image, 0, self.version, len(processes), 1, 1)
        struct.pack_into("<QQI", image, 24, 77, CHIP, 0)
        image[48:48 + 8 * self.counters] = self.amounts(figures, kernel)
        for slot in range(16):
            struct.pack_into("<II", image, self.chips + slot * self.chip_bytes,
                             0 if slot == 0 else self.unused_chip, 0)
        image[self.chips + 8:self.chips + 8 + 8 * self.counters] = self.amounts(figures, kernel)
        for slot, (pid, name) in enumerate(processes):
            at = self.processes + slot * self.process_bytes
            struct.pack_into("<i", image, at, pid)
            image[at + 8:at + 8 + 8 * self.counters] = self.amounts(part, kernel)
            at += 8 + 8 * self.counters
            struct.pack_into("<Q64s", image, at, 0, name)
        if self.version == 4:
            struct.pack_into("<I", image, 8536, 0x52454459)
        return bytes(image)


@pytest.fixture
def stranger():
    """A process that lives, and knows nothing of this."""
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    yield process
    process.stdin.close()
    process.wait()


def put(tally, image, chip=CHIP):
    path = tally.counters / f"tt_device_{chip}_memory"
    path.write_bytes(image)
    return path


def kinds_of(device):
    return {kind["kind"]: kind for kind in device["kinds"]}


@pytest.mark.parametrize("version", (1, 2, 3, 4))
def test_totals_only(tally, stranger, version):
    path = put(tally, Format(version).file([(stranger.pid, b"stock-program")]))
    before = path.read_bytes(), path.stat().st_mtime_ns
    device, = tally.json("devices")["devices"]

    assert device["unique_id"] == hex(CHIP)
    for kind, amount in FIGURES.items():
        figure = kinds_of(device)[kind]
        assert (figure["bytes"], figure["unclassified_bytes"]) == (amount, amount), kind
        assert figure["user_bytes"] is figure["system_bytes"] is figure["cache_bytes"] is None
        assert figure["buffers"] is None and figure["capacity_bytes"] is None, "not known"
    process, = tally.json("ps")["processes"]
    assert (process["pid"], process["state"], process["source"]) == \
        (stranger.pid, "live", "tt_metal_counters")
    assert process["faults"] is None and process["counted"]
    assert tally.json("ls")["buffers"] == [], "the counters know no buffers"
    text = tally("devices")
    assert "~1.00 GB" in text and "~64.00 KB" in text
    assert "* totals only" in tally("top")
    text = tally("ps")
    assert "live*" in text and "stock-program" in text and "* totals only" in text
    assert "totals, no buffers" in tally("ls")
    for verb in ("leaks", "faults", "peak", "oom", "ls", "top"):
        tally(verb)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before, "never written to"


def test_unknown_is_not_zero(tally, stranger, mesh):
    put(tally, Format(4).file([(stranger.pid, b"stock-program")]))
    for verb, unknown in (("leaks", "Whether anything was leaked, lost or left is not known."),
                          ("faults", "Whether there were faults is not known."),
                          ("oom", "Whether an allocation failed is not known."),
                          ("peak", "The highest usage is not known.")):
        text = tally(verb)
        assert unknown in text and "1 process is known from tt-metal's counters alone" in text
        assert "Nothing" not in text and "No " not in text
    assert tally.json("leaks")["unknown_processes"] == 1

    mesh("--hooks=mesh").until("open")
    text = tally("leaks")
    assert "Nothing is known to be leaked, lost or left." in text and "counters alone" in text
    assert "No allocation has failed." in tally("oom")
    assert "counters alone" not in tally("leaks", "-p", tally.json("ls")["buffers"][0]["pid"])


@pytest.mark.parametrize("version", (1, 2, 3, 4))
def test_a_dead_process_in_the_counters(tally, version):
    """Killed programs leave their entry behind."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    put(tally, Format(version).file([(gone.pid, b"gone")]))
    process, = tally.json("ps")["processes"]
    assert (process["pid"], process["state"]) == (gone.pid, "dead")
    assert not process["counted"]
    devices = tally.json("devices")
    assert kinds_of(devices["devices"][0]) == {}, "not counted"
    totals = {total["kind"]: total for total in devices["counter_totals"]}
    for kind, amount in FIGURES.items():
        total = totals[kind]
        assert (total["file_bytes"], total["live_bytes"], total["dead_bytes"]) == \
            (amount, 0, amount), kind
    for verb in ("ps", "devices"):
        assert "device 0, DRAM: tt-metal's counters say 1 GB in all; their living processes " \
            "have 0 B, their dead ones 1 GB" in tally(verb, env={"COLUMNS": "200"})


def test_the_dead_beside_the_living(tally, stranger):
    """What counts is what the living have; the file's total has both."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    put(tally, Format(3).file([(gone.pid, b"gone"), (stranger.pid, b"stock")]))
    devices = tally.json("devices")
    half = FIGURES["DRAM"] // 2
    assert kinds_of(devices["devices"][0])["DRAM"]["bytes"] == half
    total, = [total for total in devices["counter_totals"] if total["kind"] == "DRAM"]
    assert (total["live_bytes"], total["dead_bytes"]) == (half, half)
    assert "1 entry in tt-metal's counters belongs to dead" in tally("doctor", status=None)


def test_totals_that_add_up_are_no_news(tally, stranger):
    put(tally, Format(4).file([(stranger.pid, b"stock")]))
    assert tally.json("devices")["counter_totals"] == []
    assert "in all" not in tally("devices")


def test_two_chips_and_two_processes(tally, stranger, mesh):
    for n in range(2):
        put(tally, Format(2 + n).file([(stranger.pid, b"a"), (1, b"b")]), CHIP + n)
    devices = tally.json("devices")["devices"]
    assert [device["unique_id"] for device in devices] == [hex(CHIP), hex(CHIP + 1)]
    assert all(kinds_of(device)["DRAM"]["bytes"] == FIGURES["DRAM"] for device in devices)
    assert tally.json("devices", "-d", hex(CHIP + 1), "-k", "L1")["devices"][0]["kinds"][0][
        "bytes"] == FIGURES["L1"]
    assert {process["pid"] for process in tally.json("ps")["processes"]} == {stranger.pid, 1}


def test_a_segment_counts_and_the_counters_are_witness(tally, reporter):
    """One process seen both ways is counted once."""
    program = reporter()
    space = program.device(CHIP, 0, 0, None)
    assert program.alloc(space, 1, 0, 1 << 20, 1 << 20, 0, 0, "own", 0) == 0
    put(tally, Format(4).file([(program.pid, b"own")], {"DRAM": (1 << 20) + 512, "L1": 0,
                                                        "L1_SMALL": 0, "TRACE": 0, "CB": 0}))
    devices = tally.json("devices")

    assert kinds_of(devices["devices"][0])["DRAM"]["bytes"] == 1 << 20
    witness = [each for each in devices["witnesses"] if each["kind"] == "DRAM"]
    assert [(each["counted_bytes"], each["witness_bytes"]) for each in witness] == \
        [(1 << 20, (1 << 20) + 512)]
    assert [(each["counted"], each["witness"]) for each in witness] == \
        [("segment", "tt_metal_counters")]
    assert "+512 B of what its segment says" in tally("ps")
    process, = [each for each in tally.json("ps")["processes"] if each["counted"]]
    assert process["source"] == "segment"


def test_beside_tracked_programs(tally, mesh, stranger):
    """A chip that a tracked program has open as well: what is known of it adds up."""
    mesh("--hooks=mesh").until("open")
    put(tally, Format(3).file([(stranger.pid, b"stock")]), 0x4d455348000002)
    devices = {device["unique_id"]: kinds_of(device) for device in
               tally.json("devices")["devices"]}
    assert len(devices) == 8
    assert devices["0x4d455348000002"]["DRAM"]["bytes"] == 14753792 + FIGURES["DRAM"]
    assert devices["0x4d455348000002"]["DRAM"]["capacity_bytes"] == 12 << 30
    assert devices["0x4d455348000003"]["DRAM"]["bytes"] == 14753792


@pytest.mark.parametrize("damage", ("empty", "cut", "version", "not ready", "fifo"))
def test_damaged_files(tally, stranger, damage):
    image = bytearray(Format(4).file([(stranger.pid, b"x")]))
    if damage == "empty":
        image = b""
    elif damage == "cut":
        image = image[:5000]
    elif damage == "version":
        image[0] = 9
    elif damage == "not ready":
        image[8536:8540] = bytes(4)
    if damage == "fifo":
        os.mkfifo(tally.counters / f"tt_device_{CHIP}_memory")
    else:
        put(tally, bytes(image))
    assert tally.json("devices")["devices"] == []
    unreadable, = tally.json("faults")["unreadable"]
    name = f"tt_device_{CHIP}_memory"
    assert name in unreadable["path"] and unreadable["reason"]
    assert tally.json("devices")["unreadable"] == [unreadable]
    for verb in ("devices", "ps", "doctor"):
        text = tally(verb, env={"COLUMNS": "400"}, status=None)
        assert name in text and unreadable["reason"] in text, f"{verb}: {text}"
    for figure in ("0 B", "0  B"):
        assert figure not in tally("devices"), "not known is not 0"
    if damage == "version":
        assert "version" in unreadable["reason"]
    elif damage == "not ready":
        assert "not ready" in unreadable["reason"]


def test_a_damaged_file_beside_good_ones(tally, stranger):
    good = Format(4).file([(stranger.pid, b"x")])
    put(tally, good)
    put(tally, good[:8536] + bytes(40), CHIP + 1)
    devices = tally.json("devices")
    assert [device["unique_id"] for device in devices["devices"]] == [hex(CHIP)]
    assert "not ready" in devices["unreadable"][0]["reason"]
    assert "not ready" in tally("devices") and "1 file could not be read" in tally("top")


def test_other_files_are_left_alone(tally, stranger):
    for name in ("tt_device_x_memory", "tt_device_1_memory.tmp", "other"):
        (tally.counters / name).write_bytes(Format(4).file([(stranger.pid, b"x")]))
    assert tally.json("devices")["devices"] == [] and tally.json("faults")["unreadable"] == []


def test_sums_are_of_the_devices_asked_for(tally, stranger):
    put(tally, Format(3).file([(stranger.pid, b"python")]))
    other = CHIP + 1
    half = {kind: amount // 2 for kind, amount in FIGURES.items()}
    image = bytearray(Format(3).file([(stranger.pid, b"python")], half))
    struct.pack_into("<QQI", image, 24, 78, other, 1)
    put(tally, bytes(image), chip=other)
    by_tag = {chip: tally.json("ls", "--by", "tag", "-d", hex(chip))["sums"] for chip in (CHIP, other)}
    assert sum(row["total_bytes"] for row in by_tag[CHIP]) == \
        2 * sum(row["total_bytes"] for row in by_tag[other])
