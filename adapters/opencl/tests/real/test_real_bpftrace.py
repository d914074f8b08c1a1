# SPDX-License-Identifier: Apache-2.0
"""A second witness, from outside of the process: the kernel's probes on the loader's own functions,
by which programs ask for buffers and give them back."""
import collections
import os
import re
import select
import signal
import subprocess

import pytest

from real_support import TIMEOUT, agree, figures, needs

LOADER = "/usr/lib/x86_64-linux-gnu/libOpenCL.so.1"
# Both intervals have ticked: all between them is attached, whatever the order is. Sums, because
# lines get lost when many come at once.
PROBES = """
interval:ms:50 { printf("first tick\\n"); }
uprobe:LOADER:clCreateBuffer { @asked[tid] = arg2; }
uretprobe:LOADER:clCreateBuffer / retval != 0 / {
    @made[pid] = count();
    @bytes[pid] = sum(@asked[tid]);
}
uretprobe:LOADER:clCreateBuffer / retval == 0 / { @failed[pid] = count(); }
uprobe:LOADER:clRetainMemObject { @retained[pid] = count(); }
uprobe:LOADER:clReleaseMemObject { @released[pid] = count(); }
interval:ms:50 { printf("last tick\\n"); }
END { clear(@asked); }
""".replace("LOADER", LOADER)


class Probes:
    def __init__(self):
        self.child = subprocess.Popen(["bpftrace", "-B", "none", "-e", PROBES],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
        self.text = b""
        while b"first tick" not in self.text or b"last tick" not in self.text:
            ready = select.select([self.child.stdout], [], [], TIMEOUT)[0]
            more = os.read(self.child.stdout.fileno(), 65536) if ready else b""
            if not more:
                self.child.kill()
                self.child.wait()
                pytest.skip("no probes here: " + self.text.decode(errors="replace").strip())
            self.text += more

    def end(self):
        """What happened -> pid -> how often, or how many bytes."""
        self.child.send_signal(signal.SIGINT)
        text = (self.text + self.child.communicate(timeout=TIMEOUT)[0]).decode(errors="replace")
        told = collections.defaultdict(collections.Counter)
        for what, pid, number in re.findall(r"@(\w+)\[(\d+)\]: (\d+)", text):
            told[what][int(pid)] = int(number)
        return told


@pytest.mark.slow
@pytest.mark.parametrize("command, buffers", [
    (("clFFT-client", "-x", "1024", "-p", "2"), 3),
    (("clblast_test_xaxpy",), 2016),
])
def test_calls_of_the_loader(real, command, buffers):
    needs("bpftrace")
    needs(command[0])
    probes = Probes()
    try:
        done = real.tracked(*command)
    finally:
        told = probes.end()
    witness, = agree(done)
    pid, ours = witness.pid, figures(done.segments[0].changes)
    assert told["made"][pid] == ours["allocations"] == buffers and not told["failed"][pid]
    assert told["bytes"][pid] == ours["allocated_bytes"]
    assert told["released"][pid] - told["retained"][pid] == len(witness.given_back) == buffers
