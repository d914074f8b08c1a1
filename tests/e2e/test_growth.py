# SPDX-License-Identifier: Apache-2.0
"""`meshtally growth` on programs that leak a buffer per step: what came and stayed is told, and what
came and went is not."""
import json
import os
import pty
import signal
import subprocess

import pytest

from e2e_support import TIMEOUT
from test_cli_json import EXAMPLES, same_keys

DRAM, L1 = 0, 1
SYSTEM, CACHE = 1, 2
STEP_BYTES = 4096


class Growth:
    """The verb in the background, from the moment on at which it watches."""

    def __init__(self, tally, *arguments):
        self.master, slave = pty.openpty()
        self.child = subprocess.Popen(
            [tally.command, "growth", *map(str, arguments)], env=tally.env, stderr=slave,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        os.close(slave)
        said = b""
        while b"\n" not in said:
            said += os.read(self.master, 4096)
        assert said.startswith(b"watching "), said

    def end(self, status=0):
        output = self.child.communicate(timeout=TIMEOUT)[0].decode()
        os.close(self.master)
        assert self.child.returncode == status, output
        return output

    def interrupt(self, status=0):
        self.child.send_signal(signal.SIGINT)
        return self.end(status)


@pytest.fixture
def program(reporter):
    """A program with a device open, and a buffer that was there before."""
    program = reporter()
    space = program.device(0x4d4553480001, 0, 0, "0000:01:00.0")
    program.alloc(space, 0x10, 0, 65536, 0, DRAM, 0, "model.py:1", 0)
    program.space = space
    return program


def step(program, n, flags=0):
    """One that stays, one that goes."""
    program.mark("step", n)
    program.push("train")
    program.alloc(program.space, 0x1000 + n, 0, STEP_BYTES, 0, DRAM, flags, "loss.py:17", 0)
    program.pop()
    program.alloc(program.space, 0x9000, 0, 1 << 20, 0, DRAM, 0, "forward.py:3", 0)
    program.free(program.space, 0x9000)


def test_leak_of_every_step(tally, program):
    growth = Growth(tally, "--for", "1h", "--json", "-p", program.pid)
    for n in range(4):
        step(program, n)
    told = json.loads(growth.interrupt())
    same_keys(EXAMPLES["growth"], told, "growth")
    assert told["cut_short"] == "interrupted" and told["exact"]
    assert (told["records"], told["total_bytes"]) == (4, 4 * STEP_BYTES)
    (line,) = told["growth"]
    assert (line["tag"], line["site"], line["kind"]) == ("train", "loss.py:17", "DRAM")
    assert line["process"]["pid"] == program.pid and line["class"] == "user"
    assert line["step_bytes"] == [STEP_BYTES] * 4 and line["grows_each_step"]
    assert program.end() == 0


def test_text_and_check(tally, program):
    growth = Growth(tally, "--for", "1h", "--check")
    for n in range(4):
        step(program, n)
    text = growth.interrupt(status=4)
    assert "16 KB came and stayed: 4 records, 4 device buffers." in text
    line = next(line for line in text.splitlines() if "loss.py:17" in line).split()
    assert line[:3] == ["16.00", "KB", "4"]
    assert "of 3" in " ".join(line) and str(program.pid) in line and "train" in line
    assert "forward.py" not in text and "model.py" not in text
    assert "leak" in text


def test_nothing_grows(tally, program):
    step(program, 0)
    growth = Growth(tally, "--for", "1h", "--check")
    program.alloc(program.space, 0x77, 0, 4096, 0, DRAM, 0, None, 0)
    program.free(program.space, 0x77)
    assert "nothing came that is still there" in growth.interrupt()


def test_a_cache_that_fills_up_is_told_and_is_no_growth(tally, program):
    growth = Growth(tally, "--for", "1h", "--check", "--json")
    program.alloc(program.space, 0x55, 0, 8192, 0, DRAM, CACHE, "cache.py:1", 0)
    told = json.loads(growth.interrupt())
    assert [(line["class"], line["total_bytes"]) for line in told["growth"]] == [("cache", 8192)]


def test_filters(tally, program, reporter):
    other = reporter()
    growth = Growth(tally, "--for", "1h", "--json", "-p", program.pid, "-k", "L1")
    space = other.device(0x4d4553480001, 0, 0, "0000:01:00.0")
    other.alloc(space, 1, 0, 512, 0, L1, 0, None, 0)
    step(program, 0)
    program.alloc(program.space, 0x33, 0, 2048, 0, L1, 0, "l1.py:1", 0)
    told = json.loads(growth.interrupt())
    assert [(line["site"], line["total_bytes"]) for line in told["growth"]] == [("l1.py:1", 2048)]


def test_a_program_that_comes_meanwhile_counts_from_its_beginning(tally, program, reporter):
    growth = Growth(tally, "--for", "1h", "--json")
    other = reporter()
    space = other.device(0x4d4553480001, 0, 0, "0000:01:00.0")
    other.alloc(space, 1, 0, 512, 0, DRAM, 0, None, 0)
    told = json.loads(growth.interrupt())
    assert [line["process"]["pid"] for line in told["growth"]] == [other.pid]


def test_ends_when_nobody_is_left(tally, program):
    growth = Growth(tally, "--for", "1h", "--json")
    step(program, 0)
    program.kill()
    told = json.loads(growth.end())
    assert told["cut_short"] == "ended" and told["seconds"] < 3600
    assert [line["site"] for line in told["growth"]] == ["loss.py:17"]
    assert told["growth"][0]["process"]["state"] == "killed"


def test_time_is_over(tally, program):
    told = tally.json("growth", "--for", "50ms")
    assert told["cut_short"] is None and told["seconds"] >= 0.05
    assert told["growth"] == [] and told["growth_total"] == 0


def test_nobody_to_watch(tally, program):
    done = tally.all("growth", "-p", 1, status=1)
    assert "nothing to watch" in done.stderr and "meshtally ps" in done.stderr
    assert program.end() == 0


def test_nothing_tracked_says_what_to_type(tally):
    assert "meshtally run" in tally("growth")


def test_limit(tally, program):
    growth = Growth(tally, "--for", "1h", "-n", "1")
    for n in range(3):
        program.alloc(program.space, 0x100 + n, 0, 4096 << n, 0, DRAM, 0, f"site{n}.py:1", 0)
    text = growth.interrupt()
    assert "site2.py" in text and "site1.py" not in text and "the first 1 of 3" in text
