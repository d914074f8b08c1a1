#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files of tests/data/tt_counters: counter files of tt-metal in all four versions, and
damaged ones, with which the fuzzer begins. fuzz/make_tt_counters.py FOLDER"""
import pathlib
import struct
import sys

READY = 0x52454459


def counter_file(version, pids, chips=1, ready=READY, device=0):
    """A file laid out as src/ingest/tt_counters.c reads it: so many chips, a process per pid."""
    first = version == 1
    counters = 6 if first else 5
    chip_at, chip_bytes = (96, 56) if first else (88, 48)
    process_at, process_bytes = (992, 128) if first else (856, 120)
    image = bytearray(9280 if first else 8576)
    struct.pack_into("<IIQI", image, 0, version, len(pids), 1_700_000_000_000_000_000, len(pids))
    struct.pack_into("<QQI", image, 24, 0x100000000000, 0xa51c, device)
    for i in range(counters):
        struct.pack_into("<Q", image, 48 + 8 * i, len(pids) * 4096 * (i + 1))
    for slot in range(16):
        at = chip_at + slot * chip_bytes
        unused = 0 if version < 3 else 0xffffffff
        struct.pack_into("<II", image, at, slot if slot < chips else unused, slot % 2)
        if slot < chips:
            struct.pack_into("<Q", image, at + 8, 4096 * (slot + 1))
    for slot, pid in enumerate(pids):
        at = process_at + slot * process_bytes
        struct.pack_into("<i", image, at, pid)
        for i in range(counters):
            struct.pack_into("<Q", image, at + 8 + 8 * i, 4096 * (i + 1))
        at += 8 + 8 * counters
        struct.pack_into("<Q64s", image, at, 1_700_000_000_000_000_000, b"program-%d" % pid)
    if version == 4:
        struct.pack_into("<I", image, 8536, ready)
    return bytes(image)


def files():
    for version in (1, 2, 3, 4):
        yield f"version-{version}", counter_file(version, [10, 11, 13])
    yield "version-9", counter_file(3, [10])[:100].replace(b"\3", b"\x09", 1)
    yield "not-ready", counter_file(4, [10], ready=0)
    yield "cut", counter_file(2, [10])[:5000]
    yield "full", counter_file(4, range(1, 65), chips=16)
    two = counter_file(1, [10, 12]) + counter_file(4, [10, 12, 13], device=1)
    yield "two-chips", two
    yield "huge-amounts", counter_file(3, [10, 12]).replace(struct.pack("<Q", 4096), b"\xff" * 8)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in files():
        (folder / name).write_bytes(image)


if __name__ == "__main__":
    main()
