# SPDX-License-Identifier: Apache-2.0
"""clpeak: few buffers, as large as the device takes: a quarter of 1 GB."""
import os
import signal
import time

import pytest

from real_support import TIMEOUT, agree, figures, needs, without_figures


@pytest.mark.parametrize("test, peak_bytes", [
    ("--kernel-latency", None),
    pytest.param("--transfer-bandwidth", 256 << 20, marks=pytest.mark.slow),
    pytest.param("--global-bandwidth", 512 << 20, marks=pytest.mark.slow),
])
def test_benchmark(real, test, peak_bytes):
    needs("clpeak")
    witness, = agree(real.both("clpeak", test, change=without_figures))
    assert peak_bytes in (None, figures(witness.changes)["peak_bytes"])


def test_killed(real):
    """What it held when it was killed is there afterwards, as that."""
    needs("clpeak")
    child = real.start("clpeak", "--transfer-bandwidth")
    deadline = time.monotonic() + TIMEOUT
    while not (held := real.json("ls")["buffers"]):
        assert child.poll() is None and time.monotonic() < deadline
    os.kill(held[0]["pid"], signal.SIGKILL)
    done = real.done(child)
    assert done.status == 128 + signal.SIGKILL
    agree(done, left=256 << 20)
    killed = done.summary["left"]["totals"]["killed"]
    assert (killed["total_bytes"], killed["records"]) == (256 << 20, 1)
