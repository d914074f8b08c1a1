#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the first files of tests/data/tt_protocol: eight bytes that say how fuzz_tt_protocol cuts the
stream, then a client's stream of each size. What the fuzzer finds is added by hand."""
import os
import random
import struct
import sys

out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "tests", "data", "tt_protocol")
SIZES = (72, 112, 128, 144)


def msg(kind, device=0, size=0, buffer_type=0, pid=1234, ident=0, time=0, frame=112):
    head = struct.pack("<B3xiQB3xiQQ", kind, device, size, buffer_type, pid, ident, time)
    return head + bytes(frame - 40)


def put(name, control, stream):
    with open(os.path.join(out, name), "wb") as file:
        file.write((bytes(control) + bytes(8))[:8] + stream)


os.makedirs(out, exist_ok=True)
for f in SIZES:
    mesh = msg(1, 0, 4096, ident=0x1000, time=1, frame=f)
    mesh += b"".join(msg(1, d, 4096, ident=0x1000, time=2, frame=f) for d in range(8))
    frees = b"".join(msg(2, d, ident=0x1000, frame=f) for d in range(8))
    guessed = msg(2, 0, ident=0x1000, frame=f)
    put(f"mesh_{f}", [0, 0, 0, 3, 7, 50, 100, 200], mesh + frees + guessed)
    put(f"python_frees_{f}", [0, 0, 0, 9], mesh[f:] + guessed * 8)
    put(f"lone_query_{f}", [0, f, 0, f // 2], msg(3, 0, pid=0, frame=f))
    put(f"lone_then_more_{f}", [0, f, 0, 5], msg(6, -1, pid=0, frame=f) + msg(3, 2, frame=f))
    put(f"slow_first_{f}", [0, 72, 40, 5], msg(1, 1, 64, frame=f) + msg(2, 1, frame=f))
    put(f"types_{f}", [0, 0, 0, 11],
        b"".join(msg(t, 1, 64, ident=t, frame=f) for t in range(13)))
    put(f"type_zero_second_{f}", [0, 0, 0, 11],
        msg(1, 1, 64, frame=f) + msg(0, 1, 64, frame=f) + msg(2, 1, frame=f))
    put(f"type_zero_first_{f}", [0, f, 0, 11], msg(0, 1, 64, frame=f))
    put(f"bad_{f}", [0, 0, 0, 40],
        b"".join(msg(1, d, 64, frame=f) for d in (-1, 1024, 100000, 2**31 - 1))
        + msg(1, 3, 2**63, frame=f) + msg(1, 3, 0, frame=f) + msg(1, 3, 5, 255, frame=f))
    put(f"cb_kernel_{f}", [0, 0, 0, 33],
        msg(8, 1, 2048, ident=0x8000, frame=f) + msg(10, 1, 12288, 1, ident=0x3ffff000, frame=f)
        + msg(10, 1, 12288, 0, ident=0x3fff0000, frame=f) + msg(9, 1, ident=0x8000, frame=f)
        + msg(11, 1, ident=0x3ffff000, frame=f))
    put(f"lost_{f}", [0, 0, 0, 17],
        msg(1, 1, 64, frame=f) + msg(2, 1, ident=1, frame=f) + b"\1\2\3\4" + bytes(f))
    put(f"fixed_{f}", [4 + SIZES.index(f), 0, 0, 17],
        msg(1, 1, 64, frame=f) + msg(2, 1, frame=f) + msg(1, 0, 1, 2, frame=f)[:50])
    put(f"half_{f}", [0, 30, 40, 17], msg(1, 1, 64, frame=f)[:f // 2])
random.seed(1)
put("random", [0, 10, 20, 7], bytes(random.randrange(256) for _ in range(500)))
put("zeros", [0, 0, 0, 7], bytes(500))
