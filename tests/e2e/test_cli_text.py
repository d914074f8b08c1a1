# SPDX-License-Identifier: Apache-2.0
"""What people read: devices in one line, foreign text made harmless, clear words for nothing."""
import os
import re
import subprocess

import pytest

from e2e_support import TIMEOUT, steady

ESCAPES = (b"\x1b[2J\x1b]0;owned\x07", b"red \x1b[31m", b"line\nbreak\rback\x08\ttab",
           b"\x9b31m", b"\xff\xfe", "right-to-left \u202e and \u200b".encode(), b"%s%n")
TEXT_VERBS = (("devices",), ("ps",), ("ls",), ("ls", "--by", "tag"), ("leaks",), ("faults",),
              ("peak",), ("oom",), ("top", "--once"))


def test_devices_that_are_alike_share_a_line(tally, mesh):
    running = mesh("--hooks=mesh").until("tensor-a")
    text = tally("devices")

    assert re.search(r"^0-7 +DRAM +18\.07 MB", text, re.M)
    assert re.search(r"^0 +L1 +22\.00 KB", text, re.M) and re.search(r"^1-7 +L1 +0 +B", text, re.M)
    long = tally("devices", "--long")
    assert len(re.findall(r"^\d +0x4d4553480000", long, re.M)) == 16
    running.kill()


def test_the_odd_device_is_named(tally, reporter):
    """Equal but for a little: one line for all, and the difference of the odd one."""
    program = reporter()
    devices = [program.device(0x50 + n, n, 0, None) for n in range(8)]
    whole = program.mesh(2, 4, "mesh", *devices)
    assert program.alloc(whole, 1, 0, 14757888, 1229824, 0, 0, "weights", 0) == 0
    assert program.alloc(devices[0], 2, 0x200000, 36864, 4096, 0, 0, "extra", 0) == 0
    program.kill()
    text = tally("leaks")
    assert "devices 1-7: 14.07 MB each; device 0: +36 KB" in text


def test_naive_leftovers_in_one_row(tally, mesh):
    mesh("--hooks=naive-owned").until("closed")
    lines = [line for line in tally("leaks").splitlines() if line.startswith("leaked ")]

    assert len(lines) == 1 + 8, "a total, and a line per buffer that was left on seven devices"
    assert all(re.search(r" 1-7 ", line) for line in lines[1:])


@pytest.fixture
def hostile(reporter):
    """A program whose every text is an attack on the reader's terminal."""
    program = reporter()
    space = program.device(0xbad, 0, 0, b"\x1b[2J")
    for n, text in enumerate(ESCAPES):
        program.push(text)
        assert program.alloc(space, n + 1, 4096 * n, 4096, 4096, 0, 0, text, 0) == 0
        assert program.alloc(space, n + 1, 4096 * n, 4096, 4096, 0, 0, text, 0) == 16
        assert program.free(space, 1000 + n) == 18
        program.failed(space, 0, 1 << 40, 1 << 36, 1 << 29, 1 << 29, text)
        program.pop()
    program.mark(ESCAPES[0], 1)
    kind = program.kind(b"\x1b[31mVRAM\n")
    for n in (1, 2):
        assert program.alloc(space, 5000 + n, 0, 4096, 4096, kind, 0, None, 0) == 0
    program.failed(space, kind, 1 << 40, 1 << 36, 1 << 29, 1 << 29, "no")
    closed = program.device(0xbad + 1, 1, 0, None)
    assert program.alloc(closed, 1, 0, 4096, 4096, kind, 0, None, 0) == 0
    program.close(closed, 0)
    return program


def is_harmless(text):
    return all(character == "\n" or (character >= " " and not 0x7f <= ord(character) <= 0x9f
                                     and character not in "\u202e\u200b") for character in text)


@pytest.mark.parametrize("dead,locale", ((False, "C"), (True, "C"), (False, "C.UTF-8")))
def test_foreign_text_is_never_raw(tally, hostile, tmp_path, dead, locale):
    tally.env["LC_ALL"] = locale
    if dead:
        hostile.kill()
    verbs = [*TEXT_VERBS, ("ls", "--dead"), ("doctor",)]
    for verb in verbs:
        for columns in ("80", "200"):
            done = tally.all(*verb, status=None, env={"COLUMNS": columns})
            assert done.returncode in (0, 4)
            assert is_harmless(done.stdout) and is_harmless(done.stderr), verb
    for verb in TEXT_VERBS:
        done = tally.all(*verb, "--json")
        assert "\x1b" not in done.stdout and "\x9b" not in done.stdout, verb
        assert is_harmless(done.stdout.replace("\u202e", "").replace("\u200b", "")), verb
    tags = {line["tag"] for line in tally.json("ls", "--dead", "-n", 0)["buffers"]} - {None}
    assert len(tags) == len(ESCAPES), "and none is lost or merged"
    assert "\\xff\\xfe" in tags
    tally("snapshot", tmp_path / "file")
    assert is_harmless(tally("ls", "--from", tmp_path / "file"))


def test_foreign_text_in_the_summary_of_run(tally):
    done = tally.all("run", "--", "sh", "-c", "exit 3", "\x1b[2J", status=3)
    assert is_harmless(done.stderr)
    done = tally.all("run", "--", "./\x1b[2J", status=127)
    assert is_harmless(done.stderr)


def test_foreign_names_in_messages(tally, tmp_path):
    for arguments in (("ls", "-d", "\x1b[2J"), ("ls", "-k", "\x1b[2J"), ("\x1b[2J",),
                      ("ls", "--\x1b[2J"), ("ls", "--from", "\x1b[2J"),
                      ("snapshot", "/nonexistent/\x1b[2J"), ("help", "\x1b[2J")):
        done = tally.all(*arguments, status=None)
        assert done.returncode in (1, 2) and is_harmless(done.stderr), arguments


@pytest.mark.parametrize("verb", [verb for verb in TEXT_VERBS if verb[0] != "faults"])
def test_nothing_is_tracked(tally, verb):
    """No directory at all, then an empty one."""
    for _ in range(2):
        text = tally(*verb)
        assert "No process on this machine is tracked." in text
        assert "meshtally run -- PROGRAM" in text and "meshtally doctor" in text
        tally.dir.mkdir(exist_ok=True)


def test_readers_make_no_directory(tally):
    for verb in TEXT_VERBS:
        tally(*verb)
    assert not tally.dir.exists()


def unwritable(tally):
    """Nobody can write there, not even root: it is a file."""
    tally.dir.write_text("")


def test_unwritable_directory(tally, build):
    unwritable(tally)
    program = build / "examples" / "mesh_allocation"
    done = tally.all("run", "--", program, status=0)

    assert "Answers to the reports" in done.stdout, "the program itself is not disturbed"
    assert "left no segment" in done.stderr and "meshtally doctor" in done.stderr
    doctor = tally.all("doctor", status=4)
    assert f"programs of this user cannot write to {tally.dir}" in doctor.stdout
    assert "make it writable" in doctor.stdout


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_directory_without_permission(tally, build):
    tally.dir.mkdir(mode=0o500)
    done = tally.all("run", "--", build / "examples" / "mesh_allocation", status=0)
    assert "left no segment" in done.stderr
    assert "cannot write to" in tally("doctor", status=4)


def test_foreign_files_in_the_directory(tally, mesh):
    running = mesh("--hooks=mesh").until("tensor-a")
    good = steady(tally.json("ls", "-n", 0)["buffers"])
    (tally.dir / "1-0000000000000001.seg").write_bytes(b"")
    (tally.dir / "1-0000000000000002.seg").write_bytes(b"text" * 5000)
    os.mkfifo(tally.dir / "1-0000000000000004.seg")
    (tally.dir / "1-0000000000000005.seg").symlink_to("/etc/passwd")
    (tally.dir / "1-0000000000000006.seg").mkdir()

    assert steady(tally.json("ls", "-n", 0)["buffers"]) == good
    unreadable = tally.json("faults")["unreadable"]
    assert "2" in {file["path"][-5] for file in unreadable}
    assert all(file["reason"] for file in unreadable)
    assert "1-0000000000000002.seg" in tally("faults")
    running.kill()


@pytest.mark.parametrize("size", (100, 5000, 20000, 400000, -1))
def test_a_segment_that_was_cut_off(tally, mesh, size):
    running = mesh("--hooks=mesh").until("tensor-a")
    whole = tally.segments()[0].stat().st_size
    cut = tally.dir / "1-0000000000000003.seg"
    with open(tally.segments()[0], "rb") as segment:
        cut.write_bytes(segment.read(400000)[:size] if size > 0 else segment.read(400000))
    if size < 0:
        os.truncate(cut, whole + size)
    size %= whole
    assert len(tally.json("devices")["devices"]) == 8, "no ghosts"
    assert [process["pid"] for process in tally.json("ps")["processes"]] == [running.pid]
    unreadable, = tally.json("faults")["unreadable"]
    assert unreadable["path"] == str(cut)
    assert unreadable["reason"].startswith(f"cut off: {size:,} bytes")
    assert size < 4096 or unreadable["reason"].endswith(f" of {whole:,}")
    assert "cut off" in tally("faults", "--check", status=4)
    assert f"{cut} is not read: cut off" in tally("doctor", status=4)
    assert "cut off" in tally.all("ls", "--from", cut, status=None).stderr


@pytest.mark.parametrize("columns", (80, 100, 120, 200))
def test_tables_fit(tally, mesh, columns):
    mesh("--hooks=naive-owned").until("matmul")
    for verb in (("devices",), ("ps",), ("ls",), ("ls", "--by", "tag"), ("top", "--once")):
        lines = tally(*verb, env={"COLUMNS": str(columns)}).splitlines()
        tables = [line for line in lines if not line.startswith(("Circular", "8 devices"))]
        assert max(map(len, tables)) <= columns, verb


def test_top_where_there_is_no_terminal(tally, mesh):
    """Prints once. (On a terminal: test_top_tmux.py.)"""
    mesh("--hooks=mesh").until("tensor-a")
    assert tally("top", "-r", "10").count("18.07 MB") == 1
    both = tally.json("top", "--once", "-d", "1", "-d", "4")
    assert [device["row"] for device in both["devices"]] == [1, 4]


def test_output_nobody_reads(tally, mesh):
    mesh().until("tensor-a")
    full = os.open("/dev/full", os.O_WRONLY)
    done = subprocess.run([tally.command, "ls", "-n", "0"], env=tally.env, stdout=full,
                          stderr=subprocess.PIPE, timeout=TIMEOUT)
    os.close(full)
    assert done.returncode != 0
