# SPDX-License-Identifier: Apache-2.0
"""What the monitor sends to its terminal, byte by byte, and what it takes from it."""
import fcntl
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import termios
import time

import pytest

from e2e_support import wait_until
from top_support import Terminal, plain

COLOR = re.compile(rb"\x1b\[([0-9;:]*[;:])?(3[0-8]|4[0-8]|9[0-7]|10[0-7])([;:][0-9;:]*)?m")


@pytest.fixture
def program(mesh):
    return mesh("--hooks=mesh").until("matmul")


@pytest.mark.parametrize("term", ("xterm", "xterm-256color", "linux", "screen", "tmux-256color",
                                  "vt100", "rxvt", "ansi"))
def test_terminals(program, terminal, term):
    shown = terminal("-r", "100", env={"TERM": term})
    shown.until(r"28\.27")
    assert (COLOR.search(shown.all) is None) == (term == "vt100"), term
    shown.send("3")
    shown.until(str(program.pid))
    shown.send("q")
    assert shown.end() == 0
    shown.is_clean()


@pytest.mark.parametrize("options,env", ((("--no-color",), {}), ((), {"NO_COLOR": "1"})))
def test_no_color(program, terminal, options, env):
    shown = terminal("-r", "100", *options, env=env)
    shown.until(r"28\.27")
    for key in "23456?":
        shown.send(key)
    shown.send("\x1b")
    shown.quiet()
    shown.send("q")
    assert shown.end() == 0
    assert COLOR.search(shown.all) is None


def test_true_colors(program, terminal):
    shown = terminal("-r", "100", env={"COLORTERM": "truecolor"})
    shown.until(r"28\.27")
    assert re.search(rb"[34]8[;:]2[;:]", shown.all)


def test_ascii(program, terminal):
    shown = terminal("--ascii")
    shown.until(r"28\.27")
    for key in "23456?":
        shown.send(key)
    shown.quiet()
    assert all(byte < 0x80 for byte in shown.all)


def test_a_quiet_screen_writes_nothing(program, tally):
    """Between the steps of "no events for 10 s" there is not one byte, on any screen."""
    names = ("mesh", "device", "processes", "tags", "growth", "faults")
    screens = {name: Terminal(tally, "-r", "100", "--screen", name) for name in names}
    try:
        for shown in screens.values():
            wait_until(lambda s=shown: s.read(0.05) and "no events for 10 s" in plain_first_line(s),
                       "the step at 10 s")
            shown.quiet(0.3)
        seen = {name: len(shown.all) for name, shown in screens.items()}
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            for shown in screens.values():
                shown.read(0.02)
        for name, shown in screens.items():
            assert shown.all[seen[name]:] == b"", name
    finally:
        for shown in screens.values():
            shown.close()


def test_the_mouse(program, terminal):
    shown = terminal("-r", "100", columns=120, rows=40)
    shown.until(r"28\.27")
    assert b"\x1b[?1000h" in shown.all and b"\x1b[?1006h" in shown.all
    first = plain_first_line(shown)
    for name, wanted in (("Tags", "inputs"), ("Processes", str(program.pid))):
        column = first.index(name) + 1
        shown.send(f"\x1b[<0;{column + 1};1M\x1b[<0;{column + 1};1m")
        shown.until(wanted)
    shown.send("q")
    assert shown.end() == 0
    shown.is_clean()


def plain_first_line(shown, columns=120, rows=40):
    """The first line as it was drawn, made of what was written at its places."""
    from_top = Screen(columns, rows)
    from_top.feed(shown.all)
    return from_top.lines()[0]


class Screen:
    """As much of a terminal as is needed to read a line: characters, places, REP and ECH."""

    def __init__(self, columns, rows):
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        self.last = " "

    def put(self, character):
        if self.row < len(self.cells) and self.column < len(self.cells[0]):
            self.cells[self.row][self.column] = character
        self.column += 1
        self.last = character

    def feed(self, sent):
        text = sent.decode(errors="replace")
        at = 0
        while at < len(text):
            found = re.compile(r"\x1b\[([0-9;:?<>=]*)[ -/]*([@-~])").match(text, at)
            if found:
                self.control(found.group(1), found.group(2))
                at = found.end()
            elif text[at] == "\x1b":
                at += 3 if text[at + 1:at + 2] in "()" else 2
            else:
                if text[at] == "\r":
                    self.column = 0
                elif text[at] == "\n":
                    self.row += 1
                elif text[at] >= " ":
                    self.put(text[at])
                at += 1

    def control(self, parameters, final):
        numbers = [int(n) if n.isdigit() else 0 for n in parameters.split(";")]
        if final in "Hf":
            self.row = max(numbers[0], 1) - 1
            self.column = max(numbers[1] if len(numbers) > 1 else 1, 1) - 1
        elif final == "C":
            self.column += max(numbers[0], 1)
        elif final == "G":
            self.column = max(numbers[0], 1) - 1
        elif final == "d":
            self.row = max(numbers[0], 1) - 1
        elif final == "b":
            for _ in range(numbers[0]):
                self.put(self.last)
        elif final == "J":
            self.cells = [[" "] * len(row) for row in self.cells]

    def lines(self):
        return ["".join(row) for row in self.cells]


def test_a_reader_that_is_slow(program, terminal):
    """Nobody reads: it goes on, and `q` ends it."""
    shown = terminal("-r", "10", columns=300, rows=100)
    shown.until(r"28\.27")
    for key in "123456" * 200:
        shown.send(key)
    time_left = time.monotonic() + 20
    shown.send("q")
    while shown.child.poll() is None and time.monotonic() < time_left:
        os.sched_yield()
    assert shown.child.poll() == 0


def test_hung_up(program, tally):
    """The terminal is gone: so is the monitor."""
    shown = Terminal(tally, "-r", "100")
    try:
        shown.until(r"28\.27")
        os.close(shown.ours)
        os.close(shown.its)
        shown.child.wait(20)
        shown.ours, shown.its = os.openpty()
    finally:
        shown.close()


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT))
def test_left_clean(program, terminal, number):
    shown = terminal("-r", "100")
    shown.until(r"28\.27")
    shown.child.send_signal(number)
    status = shown.end()
    assert status in (-number, 1, 66), "by the signal; 1 and 66 are sanitizers'"
    shown.is_clean()


SHELL = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = subprocess.Popen(sys.argv[1:], preexec_fn=lambda: (
    os.setpgid(0, 0), os.tcsetpgrp(0, os.getpid()), signal.signal(signal.SIGTTOU, signal.SIG_DFL)))
os.write(3, b"%d\\n" % child.pid)
while order := os.read(4, 1):
    os.tcsetpgrp(0, child.pid if order == b"f" else os.getpid())
    os.write(3, b"\\n")
"""


def test_continued_in_the_background(program, tally):
    """With input that waits, which is the shell's then: it leaves the terminal alone, and lives."""
    told, tell = os.pipe()
    obeys, order = os.pipe()
    ours, its = os.openpty()
    env = {**tally.env, "LC_ALL": "C.UTF-8", "TERM": "xterm", "XDG_CONFIG_HOME": "/nonexistent"}

    def prepare():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        for number, descriptor in ((3, os.dup(tell)), (4, os.dup(obeys))):
            os.dup2(descriptor, number)
    shell = subprocess.Popen([sys.executable, "-c", SHELL, tally.command, "top", "-r", "100"], env=env,
                             stdin=its, stdout=its, stderr=its, preexec_fn=prepare, close_fds=False)
    pid = int(os.read(told, 100))

    def put(where):
        os.write(order, where)
        os.read(told, 1)

    def shows():
        return select.select([ours], [], [], 0.02)[0] and os.read(ours, 1 << 16)
    try:
        wait_until(lambda: b"28.27" in (shows() or b""), "the picture")
        for _ in range(5):
            os.kill(pid, signal.SIGSTOP)
            put(b"b")
            os.write(ours, b"?")
            os.kill(pid, signal.SIGCONT)
            while shows():
                pass
            assert os.waitid(os.P_PID, shell.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
            # Stopped (T) if it was about to set the terminal when it lost it: a shell says so.
            assert pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] in "SRDT"
            put(b"f")
            os.kill(pid, signal.SIGCONT)
            wait_until(shows, "the picture again")
        os.kill(pid, signal.SIGTERM)
    finally:
        os.close(order)
        shell.kill()
        shell.wait()
        for descriptor in (told, tell, obeys, ours, its):
            os.close(descriptor)


def test_garbage_from_the_terminal(program, terminal):
    """Whatever comes as input is dropped, or a key: it lives on."""
    shown = terminal("-r", "100")
    shown.until(r"28\.27")
    for some in (b"\x1b[<999999999;99999999;1M", b"\x1b[" + b"1;" * 2000 + b"m", bytes(range(128, 256)),
                 b"\x1b]11;rgb:" + b"f" * 5000 + b"\x07", b"\x1bP" + b"x" * 3000 + b"\x1b\\",
                 b"\xff\xfe\x00\x00"):
        shown.send(some)
        shown.quiet(0.1)
        assert shown.child.poll() is None
    shown.send(b"\x1b")
    shown.quiet(0.2)
    wait_until(lambda: shown.child.poll() is None, "still there")
    shown.send("q")
    shown.send("q")
    assert shown.end() == 0


def test_standard_input_is_no_terminal(program, tally):
    ours, its = os.openpty()
    try:
        done = tally.all("top", status=0, preexec_fn=lambda: os.dup2(its, 1))
    finally:
        os.close(its)
        os.close(ours)
    assert "printed once" in done.stderr


def test_print_a_screen(program, tally):
    for name, word in (("mesh", "28.27"), ("device", "command queue"), ("processes", program.pid),
                       ("tags", "inputs"), ("growth", "ark"), ("faults", "ault")):
        text = tally("top", "--once", "--screen", name, "--ascii", env={"COLUMNS": "100"})
        assert str(word) in text, (name, text)
        assert "\x1b" not in text and max(map(len, text.splitlines())) <= 100
        assert not text.endswith("\n\n") and text.isascii()
        assert "? help" not in text
    text = tally("top", "--once", "--filter", "tag:inputs", "--screen", "tags")
    assert "inputs" in text and "matmul" not in text
    assert not tally("top", "--screen", "mesh").isascii()
