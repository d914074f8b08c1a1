# SPDX-License-Identifier: Apache-2.0
"""`meshtally run`: exit statuses, signals, the summary, and programs that tell nothing."""
import json
import signal
import subprocess
import sys

import pytest

from e2e_support import TIMEOUT, Reporter


def run(tally, *arguments, status=0, env=None):
    return tally.all("run", *arguments, status=status, env=env)


def mesh_allocation(tally, *options):
    return ("--", tally.build / "examples" / "mesh_allocation", *options)


def test_fail_on_leak(tally):
    leaky = run(tally, "--fail-on-leak", *mesh_allocation(tally, "--hooks=mesh", "--leak"),
                status=4)

    assert "leaked  32 MB: 1 record, 8 device buffers" in leaky.stderr
    assert "devices 0-7: 4 MB each" in leaky.stderr
    leak = tally.json("leaks", "--dead")["leaks"][0]
    assert (leak["verdict"], leak["tag"], leak["site"]) == ("leaked", "add", "add")
    assert (leak["bytes"], leak["total_bytes"], leak["records"]) == (4194304, 33554432, 1)


def test_leak_without_the_option(tally):
    leaky = run(tally, *mesh_allocation(tally, "--hooks=both", "--leak"), status=0)

    assert "leaked  32 MB: 8 records, 8 device buffers" in leaky.stderr


def test_no_leak(tally):
    clean = run(tally, "--fail-on-leak", *mesh_allocation(tally), status=0)

    assert "Nothing was leaked, lost or left." in clean.stderr
    assert "peak 28.27 MB each" in clean.stderr
    assert clean.stdout.startswith("A 2x4 mesh"), "the program's own output, and nothing else"
    assert "meshtally" not in clean.stdout
    assert tally.segments() == []


@pytest.mark.parametrize("own,wanted", ((7, 7), (1, 1), (0, 4)))
def test_own_failure_wins_over_a_leak(tally, own, wanted):
    running = Reporter(tally.build, tally.env, under=(tally.command, "run", "--fail-on-leak", "--"))
    space = running.device(0x77, 0, 0, None)
    assert running.alloc(space, 5, 0x1000, 4096, 4096, 0, 0, None, 0) == 0
    running.exit(own)
    assert running.end() == wanted
    assert tally.json("leaks", "--dead")["totals"]["leaked"]["total_bytes"] == 4096


@pytest.mark.parametrize("status", (0, 1, 2, 4, 42, 255))
def test_exit_status_is_forwarded(tally, status):
    run(tally, "--", "sh", "-c", f"exit {status}", status=status)


def test_death_by_signal(tally):
    done = run(tally, "--", "sh", "-c", "kill -SEGV $$", status=128 + 11)
    assert "signal 11" in done.stderr


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1,
                                    signal.SIGUSR2, signal.SIGQUIT))
def test_signals_are_forwarded(tally, number):
    """The program says that it is ready, gets the signal that `run` was sent, and answers."""
    program = ("import signal, sys\n"
               f"signal.signal({int(number)}, lambda *_: sys.exit(40 + {int(number)}))\n"
               "print('ready', flush=True)\n"
               "while True: signal.pause()\n")
    running = subprocess.Popen([tally.command, "run", "--", sys.executable, "-c", program],
                               env=tally.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert running.stdout.readline() == b"ready\n"
        running.send_signal(number)
        running.communicate(timeout=TIMEOUT)
        assert running.returncode == 40 + number
    finally:
        running.kill()


def test_input_and_arguments_reach_the_program(tally):
    done = subprocess.run([tally.command, "run", "--", "sh", "-c", 'cat; printf "%s|" "$@"', "sh",
                           "--json", "-p", "a b"], input=b"in\n", env=tally.env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT)
    assert done.stdout == b"in\n--json|-p|a b|"


def test_a_program_without_the_library(tally):
    done = run(tally, "--fail-on-leak", "--", "true")

    assert "left no segment: nothing is known of its memory" in done.stderr
    assert "libmeshtally is not in the program" in done.stderr
    assert "Nothing was leaked" not in done.stderr, "not known is not zero"


def test_a_program_with_the_library_that_opens_nothing(tally):
    done = run(tally, "--", tally.build / "tests" / "e2e" / "e2e_reporter")

    assert "libmeshtally is in the program, but it opened no device" in done.stderr


def test_no_such_program(tally, tmp_path):
    assert "no-such-program" in run(tally, "--", "./no-such-program", status=127).stderr
    plain = tmp_path / "plain"
    plain.write_text("text")
    run(tally, "--", plain, status=126)


def test_run_wins_over_off(tally):
    """MESHTALLY=0 of the shell's environment does not silence `run`."""
    done = run(tally, *mesh_allocation(tally), env={"MESHTALLY": "0"})
    assert "peak 28.27 MB" in done.stderr


def test_summary_as_json(tally, tmp_path):
    file = tmp_path / "summary.json"
    done = run(tally, f"--json={file}", *mesh_allocation(tally, "--hooks=mesh", "--leak"))
    summary = json.loads(file.read_text())

    assert done.stderr == "" and done.stdout.startswith("A 2x4 mesh")
    assert (summary["status"], summary["signal"], summary["silence"]) == (0, None, None)
    assert summary["left"]["totals"]["leaked"]["total_bytes"] == 33554432
    assert summary["peaks"][0]["peaks"][0]["peak_held_bytes"] == 29638656
    assert len(summary["segments_kept"]) == 1 and str(tally.segments()[0]) in \
        summary["segments_kept"]


def test_only_processes_of_this_run(tally, reporter):
    other = reporter()
    space = other.device(0x99, 0, 0, None)
    assert other.alloc(space, 1, 0, 1 << 20, 1 << 20, 0, 0, "other", 0) == 0
    done = run(tally, *mesh_allocation(tally))
    assert "other" not in done.stderr and "processes were tracked" not in done.stderr
    assert other.end() == 0


def test_children_are_part_of_the_run(tally):
    program = tally.build / "examples" / "mesh_allocation"
    done = run(tally, "--", "sh", "-c", f"{program} --leak >/dev/null & {program} >/dev/null; wait")

    assert "2 processes were tracked" in done.stderr
    assert "leaked  32 MB" in done.stderr


@pytest.mark.parametrize("env,is_on", (
    ({"MESHTALLY": "1"}, True), ({"TT_ALLOC_TRACKING_ENABLED": "1"}, True), ({}, False),
    ({"MESHTALLY": "0", "TT_ALLOC_TRACKING_ENABLED": "1"}, False), ({"MESHTALLY": "0"}, False)))
def test_on_and_off_by_environment(tally, env, is_on):
    running = Reporter(tally.build, {**tally.env, **env})
    space = running.device(5, 0, 0, None)
    result = running.alloc(space, 1, 0, 64, 64, 0, 0, None, 0)

    assert (space != 0, result) == ((True, 0) if is_on else (False, 1))
    assert len(tally.json("ps")["processes"]) == is_on
    assert tally.dir.exists() == is_on, "off, nothing is touched"
    assert running.end() == 0
