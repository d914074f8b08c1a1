# SPDX-License-Identifier: Apache-2.0
"""The monitor in a real terminal: tmux draws it, keys are typed, the screen is read."""
import json
import re
import signal
import subprocess

import pytest

from e2e_support import TIMEOUT, wait_until

HELD = r"28\.27 MB"  # of DRAM on each device while the tensors live
SCREENS = ("Mesh", "Device", "Processes", "Tags", "Growth", "Faults")


def monitor_pid(tmux_):
    """The monitor's, as a child of the shell in the pane."""
    shell = tmux_.ask("pane_pid")
    found = subprocess.run(["pgrep", "-P", shell, "-x", "meshtally"], stdout=subprocess.PIPE,
                           check=False, text=True).stdout.split()
    assert len(found) == 1, found
    return int(found[0])


def where(shown, word):
    """Line and column of a word, from 0."""
    for row, line in enumerate(shown.splitlines()):
        if (column := line.find(word)) >= 0:
            return row, column
    raise AssertionError(f"no {word!r} in\n{shown}")


@pytest.fixture
def watching(tmux, mesh):
    """The monitor on the example, while its tensors live."""
    program = mesh("--hooks=mesh", "--leak", "--runs=3").until("matmul")
    terminal = tmux(120, 40)
    terminal.monitor("-a", "-r", "100")
    terminal.program = program
    terminal.until(HELD)
    return terminal


CONTENTS = {"1": HELD, "2": "wormhole|kernel binaries|command queue", "3": "mesh_allocation",
            "4": "inputs", "5": "step|mark", "6": r"[Nn]o(thing)? "}


def test_every_screen_by_its_number(watching):
    for key, content in CONTENTS.items():
        watching.keys(key)
        watching.until(content)
    watching.keys("3")
    watching.until(rf"\b{watching.program.pid}\b")


def test_tab_goes_round(watching):
    seen = []
    for _ in range(len(SCREENS)):
        watching.keys("Tab")
        before = watching.screen()
        wait_until(lambda: watching.screen() != seen[-1] if seen else True, "another screen")
        seen.append(before)
    watching.until(HELD)
    watching.keys("BTab")
    watching.until(CONTENTS["6"])


def test_enter_opens_a_device(watching):
    watching.keys("Right", "Enter")
    watching.until("command queue")
    watching.keys("Escape")
    watching.until(HELD)


def test_a_filter(watching):
    watching.keys("4")
    watching.until("inputs")
    watching.keys("/")
    watching.text("tag:add")
    watching.keys("Enter")
    watching.until_gone(r"\binputs\b")
    watching.until(r"\badd\b")
    watching.keys("Escape")
    watching.until("inputs")
    watching.keys("/")
    watching.text("weather:1")
    watching.keys("Enter")
    watching.until("there is no 'weather:'")
    watching.keys("Escape")
    watching.until_gone("there is no 'weather:'")
    watching.keys("q")
    watching.left()


def test_sort(watching):
    watching.keys("4")
    watching.until("inputs")
    watching.keys("s")
    first = watching.until("sorted by .*").group()
    watching.keys("S")
    wait_until(lambda: first not in watching.screen(), "another order")


def test_pause(watching):
    watching.keys("3")
    watching.until(r"224\.84 MB")
    watching.keys("p")
    watching.until("(?i)paused")
    watching.program.until("free-product")
    watching.keys("4", "3")
    watching.until(r"224\.84 MB")
    watching.keys("p")
    watching.until_gone(r"224\.84 MB")


def test_mark_and_growth(watching):
    """What the next run loses shows as growth; what it frees does not."""
    watching.program.until("free-product")
    watching.keys("5", "m")
    watching.until("(?i)mark")
    watching.program.until("free-product")
    found = watching.until(r"\badd\b.*")
    assert "4.00 MB" in found.group() or "32.00 MB" in found.group(), watching.screen()


def test_help(watching):
    watching.keys("?")
    watching.until("filter")
    watching.until("Ctrl-Z|suspend|show only what fits")
    watching.keys("Escape")
    watching.until(HELD)


@pytest.mark.parametrize("name", ("tags.json", "tags.csv"))
def test_export(watching, tmp_path, name):
    watching.keys("4")
    watching.until("inputs")
    watching.keys("e")
    watching.keys("C-u")
    watching.text(str(tmp_path / name))
    watching.keys("Enter")
    text = wait_until(lambda: (tmp_path / name).exists() and (tmp_path / name).read_text(), name)
    if name.endswith("json"):
        assert "inputs" in json.dumps(json.loads(text))
    else:
        lines = text.splitlines()
        assert any("inputs" in line for line in lines[1:]) and "," in lines[0]
    watching.until(re.escape(name))


def test_any_size(watching):
    for columns, rows in ((40, 10), (1, 1), (2, 3), (300, 100), (10, 60), (120, 40)):
        watching.resize(columns, rows)
        wait_until(lambda: watching.ask("window_width") == str(columns), "another size")
        watching.keys("Tab")
    watching.keys("1")
    watching.until(HELD)
    watching.keys("q")
    watching.left()


def test_suspended_and_back(watching):
    watching.keys("C-z")
    wait_until(lambda: watching.ask("alternate_on") == "0", "the shell's screen")
    watching.until(r"Stopped")
    watching.run("true")
    watching.text("fg")
    watching.keys("Enter")
    wait_until(lambda: watching.ask("alternate_on") == "1", "the monitor again")
    watching.until(HELD)
    watching.keys("q")
    watching.left()


def test_quit_leaves_what_was_there(tmux, tally):
    terminal = tmux(100, 30)
    terminal.run("stty -a > before")
    terminal.text("echo what was there")
    terminal.keys("Enter")
    terminal.until("^what was there")
    terminal.text("meshtally top; stty -a > after")
    terminal.keys("Enter")
    wait_until(lambda: terminal.ask("alternate_on") == "1", "the alternate screen")
    terminal.keys("q")
    wait_until(lambda: terminal.ask("alternate_on") == "0", "the shell's screen")
    terminal.until("^what was there")
    assert "before" not in terminal.run("cmp before after && echo same")
    terminal.left()


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGSEGV,
                                    signal.SIGABRT, signal.SIGQUIT))
def test_ended_from_outside(watching, number):
    subprocess.run(["kill", f"-{int(number)}", str(monitor_pid(watching))], check=True,
                   timeout=TIMEOUT)
    watching.left()
    status = watching.run("echo status $?")
    assert "status" in status


def test_hostile_tags(tmux, reporter):
    """Nothing that a program calls its tags changes the terminal."""
    program = reporter()
    space = program.device(0, 0x77, 12, 1 << 30)
    for number, tag in enumerate((b"\x1b[31mred\x1b[2J", b"\x1b]2;title\x07", b"\xc2\x9b31m",
                                  "\u202eevil".encode(), "模型".encode(), b"\xff\xfe")):
        program.push(tag)
        assert program.alloc(space, number + 1, 0x10000 * (number + 1), 4096, 4096) >= 0
        program.pop()
    terminal = tmux(100, 30)
    title = terminal.ask("pane_title")
    terminal.monitor("-r", "100", "--screen", "tags")
    shown = terminal.until(r"\\x1b\[31mred").string
    assert "模型" in shown and r"\xff\xfe" in shown
    assert terminal.ask("pane_title") == title
    terminal.keys("q")
    terminal.left()


def test_nothing_runs(tmux):
    terminal = tmux(80, 24)
    terminal.monitor()
    terminal.until("meshtally run")
    for key in "23456":
        terminal.keys(key)
    terminal.keys("q")
    terminal.left()


def test_a_snapshot(tmux, tally, mesh, tmp_path):
    mesh("--hooks=mesh").until("matmul")
    tally("snapshot", tmp_path / "kept.mts")
    terminal = tmux(120, 40)
    terminal.monitor("--from", tmp_path / "kept.mts")
    terminal.until(HELD)
    terminal.until("kept.mts")
    terminal.keys("2")
    terminal.until("command queue")
    terminal.keys("q")
    terminal.left()


@pytest.mark.parametrize("content", (None, b"", b"not a snapshot at all"))
def test_no_such_snapshot(tmux, tmp_path, content):
    path = tmp_path / "none.mts"
    if content is not None:
        path.write_bytes(content)
    terminal = tmux(80, 24)
    shown = terminal.run(f"meshtally top --from {path}; echo status $?")
    assert "meshtally top:" in shown and "status 1" in shown, shown
    assert terminal.ask("alternate_on") == "0"


@pytest.mark.parametrize("term", ("dumb", ""))
def test_a_terminal_that_cannot(tmux, mesh, term):
    mesh("--hooks=mesh").until("matmul")
    terminal = tmux(120, 40)
    shown = terminal.run(f"TERM={term} meshtally top; echo status $?")
    assert "printed once" in shown and "28.11 MB" in shown and "status 0" in shown, shown


def test_settings_are_kept(watching):
    watching.keys("4", "w")
    watching.until("monitor.conf")
    watching.keys("q")
    watching.left()
    watching.monitor()
    watching.until("inputs")
    watching.keys("q")
    watching.left()
