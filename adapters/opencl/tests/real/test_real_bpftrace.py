# SPDX-License-Identifier: Apache-2.0
"""A second witness, from outside of the process: the kernel's probes on the loader's own functions,
by which programs ask for buffers and give them back."""
import collections
import os
import select
import signal
import subprocess

import pytest

from real_support import TIMEOUT, agree, needs

LOADER = "/usr/lib/x86_64-linux-gnu/libOpenCL.so.1"
# Both intervals have ticked: all between them is attached, whatever the order is.
PROBES = """
interval:ms:50 { printf("first tick\\n"); }
uprobe:LOADER:clCreateBuffer { @bytes[tid] = arg2; }
uretprobe:LOADER:clCreateBuffer { printf("%d %s %lu\\n", pid, retval ? "made" : "not", @bytes[tid]); }
uprobe:LOADER:clRetainMemObject { printf("%d retained 1\\n", pid); }
uprobe:LOADER:clReleaseMemObject { printf("%d released 1\\n", pid); }
interval:ms:50 { printf("last tick\\n"); }
END { clear(@bytes); }
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
        """pid -> what happened -> numbers."""
        self.child.send_signal(signal.SIGINT)
        text = self.text + self.child.communicate(timeout=TIMEOUT)[0]
        told = collections.defaultdict(lambda: collections.defaultdict(list))
        for line in text.decode(errors="replace").splitlines():
            words = line.split()
            if len(words) == 3 and words[0].isdigit():
                told[int(words[0])][words[1]].append(int(words[2]))
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
    told = told[witness.pid]
    ours = [size for _, size in done.segments[0].changes]
    assert told["made"] == [size for size in ours if size > 0] and len(told["made"]) == buffers
    assert not told["not"]
    assert len(told["released"]) - len(told["retained"]) == len(witness.given_back) == buffers
