# SPDX-License-Identifier: Apache-2.0
"""What the monitor sends to its terminal, byte by byte, and what it takes from it."""
import os
import re
import signal
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


def test_a_quiet_screen_writes_nothing(program, terminal):
    """Nothing happens, readings go on: the only thing that may change is how long ago."""
    shown = terminal("-r", "100")
    shown.until(r"28\.27")
    shown.quiet(1.5)
    seen = len(shown.all)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        shown.read(0.1)
    assert len(shown.all) - seen < 200, shown.all[seen:]


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


def plain_first_line(shown):
    """The first line as it was drawn, made of what was written at its places."""
    from_top = Screen(120, 40)
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
    assert status in (-number, 1), "by the signal; 1 is a sanitizer's"
    shown.is_clean()


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
