#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the Python package costs, beside what Python costs anyway: an empty context manager, and a
call through ctypes that does nothing. Medians of turns that take them one after the other.

Usage: bench_python.py BUILD
"""
import os
import pathlib
import statistics
import sys
import time

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
os.environ["MESHTALLY_LIBRARY"] = str(BUILD / "libmeshtally.so.1")
os.environ["MESHTALLY_COMMAND"] = str(BUILD / "meshtally")
for name in ("MESHTALLY", "TT_ALLOC_TRACKING_ENABLED", "MESHTALLY_RUN"):
    os.environ.pop(name, None)
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "adapters" / "python"))

import meshtally as mt  # noqa: E402
from meshtally import _library  # noqa: E402

TURNS = 9
CALLS = 50000
LIVE = 1000  # buffers that are live meanwhile


class Empty:
    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


nothing = _library.lib.mt_abi_version
empty, tag = Empty(), mt.tag("layer3/attn")
device = mt.Device(0, 0x77, memories=[mt.Memory("DRAM", banks=12, bank_bytes=1 << 30)])


def loop():
    for _ in range(CALLS):
        pass


def block_empty():
    for _ in range(CALLS):
        with empty:
            pass


def call_nothing():
    for _ in range(CALLS):
        nothing()


def block_tag():
    for _ in range(CALLS):
        with tag:
            pass


def block_tag_made():
    for _ in range(CALLS):
        with mt.tag("layer3/attn"):
            pass


def alloc_free():
    alloc, free = device.alloc, device.free
    for i in range(CALLS):
        alloc(i, 4096, address=i * 64, site="op.py:3")
        free(i)


def marks():
    for i in range(CALLS):
        mt.mark("step", i)


def usage():
    for _ in range(CALLS // 10):
        mt.usage(device, "DRAM")


def measure(benches):
    """{name: ns per turn of its loop, less the bare loop}."""
    times = {name: [] for name in benches}
    for _ in range(TURNS):
        for name, (function, calls) in benches.items():
            start = time.perf_counter_ns()
            function()
            times[name].append((time.perf_counter_ns() - start) / calls)
    bare = statistics.median(times["loop"])
    return {name: statistics.median(each) - bare for name, each in times.items()}


def main():
    floors = {"loop": (loop, CALLS), "empty block": (block_empty, CALLS),
              "ctypes call": (call_nothing, CALLS)}
    rows = {"tag block": (block_tag, CALLS), "tag block, new object": (block_tag_made, CALLS),
            "alloc and free": (alloc_free, CALLS), "mark": (marks, CALLS)}
    off = measure({**floors, **rows})
    mt.enable()
    for i in range(LIVE):
        device.alloc(1 << 40 | i, 4096)
    on = measure({**floors, **rows, "usage": (usage, CALLS // 10)})

    print(f"Python {sys.version.split()[0]}: empty block {on['empty block']:.0f} ns, ctypes call "
          f"that does nothing {on['ctypes call']:.0f} ns, {LIVE} live buffers")
    print(f"{'':24}{'off, ns':>9}{'on, ns':>9}{'off / block':>13}{'on / block':>12}"
          f"{'on / ctypes call':>18}")
    for name in [*rows, "usage"]:
        without = off.get(name)
        print(f"{name:24}{'-' if without is None else format(without, '9.0f'):>9}"
              f"{on[name]:9.0f}"
              f"{'-' if without is None else format(without / off['empty block'], '.2f'):>13}"
              f"{on[name] / on['empty block']:12.2f}{on[name] / on['ctypes call']:18.2f}")

    times = []
    for _ in range(TURNS):
        start = time.perf_counter()
        mt.snapshot()
        times.append(time.perf_counter() - start)
    print(f"snapshot() of {LIVE} buffers: {statistics.median(times) * 1e3:.1f} ms, "
          f"nothing but starting the command four times: "
          f"{4 * statistics.median(start_command() for _ in range(TURNS)) * 1e3:.1f} ms")
    for i in range(LIVE):
        device.free(1 << 40 | i)
    device.close()


def start_command():
    start = time.perf_counter()
    mt._command.ask("version")
    return time.perf_counter() - start


main()
