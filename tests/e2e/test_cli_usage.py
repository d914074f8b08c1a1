# SPDX-License-Identifier: Apache-2.0
"""Help of every verb, and wrong use: status 2, one sentence, nothing done."""
import re

import pytest

VERBS = ("run", "devices", "ps", "ls", "leaks", "faults", "oom", "peak", "top", "growth", "snapshot",
         "diff", "doctor", "serve")
DATA = ("devices", "ps", "ls", "leaks", "faults", "oom", "peak", "top")


def test_the_command_lists_its_verbs(tally):
    text = tally("--help")
    listed = re.findall(r"^  (\S+) {2,}\S", text, re.M)

    assert set(VERBS) <= set(listed)
    assert tally("help") == text == tally("-h")
    for verb in listed:
        assert verb in tally(verb, "--help", status=0), verb


@pytest.mark.parametrize("verb", VERBS)
def test_help(tally, verb):
    done = tally.all(verb, "--help", status=0)

    assert done.stdout.startswith(f"usage: meshtally {verb}") and done.stderr == ""
    assert done.stdout == tally(verb, "-h") == tally("help", verb)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not tally.dir.exists(), "asking for help makes nothing"


@pytest.mark.parametrize("verb", DATA)
def test_data_verbs_have_the_common_options(tally, verb):
    text = tally(verb, "--help")
    for option in ("-d, --device DEVICE", "-p, --pid PID", "-k, --kind KIND", "--json", "--from"):
        assert option in text


WRONG = [
    (), ("nonsense",), ("help", "nonsense"), ("--nonsense",),
    *[(verb, "--nonsense") for verb in VERBS if verb != "run"],
    *[(verb, "operand") for verb in DATA], ("doctor", "operand"),
    ("run",), ("run", "--"), ("run", "--keep"), ("run", "--at", "peak", "--", "true"),
    ("run", "--keep", "f", "--at", "noon", "--", "true"),
    ("run", "--keep", "f", "--at", "mark=step", "--", "true"),
    ("run", "--keep", "f", "--at", "mark=:3", "--", "true"),
    ("run", "--nonsense", "--", "true"),
    ("snapshot",), ("snapshot", "a", "b"), ("diff",), ("diff", "a"), ("diff", "a", "b", "c"),
    ("ls", "-p", "x"), ("ls", "-p", "0"), ("ls", "-p", "-1"), ("ls", "-p", "99999999999"),
    ("ls", "-n", "many"), ("ls", "-n"), ("ls", "--sort", "colour"), ("ls", "--by", "colour"),
    ("top", "-r", "soon"), ("top", "-r", "1"), ("top", "--screen", "weather"),
    ("top", "--filter", "size>"), ("top", "--filter", "weather:1"), ("top", "--filter", '"open'),
    ("top", "--json", "--screen", "mesh"), ("growth", "--for", "soon"), ("growth", "operand"),
    ("devices", "-d"), ("ls", "--fail-on-leak"),
]


@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: " ".join(arguments) or "none")
def test_wrong_use(tally, arguments, tmp_path):
    done = tally.all(*arguments, status=2, cwd=tmp_path)

    assert done.stdout == "" and "meshtally" in done.stderr
    if arguments:
        assert len(done.stderr.splitlines()) == 1
    assert not tally.dir.exists()


def test_version(tally):
    assert tally.json("version")["segment_version"] >= 1
    assert tally("--version") == tally("version")


def test_doctor_where_nothing_ran_yet(tally):
    """The library makes the directory itself, so that one is not missed."""
    checks = tally.json("doctor", status=None)["checks"]
    own = [check for check in checks if check["about"] == "directory"]
    assert "not there yet" in own[0]["text"] and own[0]["state"] == "ok"


def test_doctor(tally, mesh):
    running = mesh()
    running.until("tensor-a")
    text = tally("doctor", status=None)
    assert "segments are read from" in text
    assert re.search(r"ok +program", text), text
