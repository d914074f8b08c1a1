# SPDX-License-Identifier: Apache-2.0
"""The dead: that a process has ended, by any means, is noticed; how; what it left is kept, once;
its segment goes. And who is not dead."""
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys

import pytest

from e2e_support import SOURCE, TIMEOUT, Reporter
from serve_support import (NAMESPACE, Server, may, needs_namespaces, use_memory, wait_readable,
                           wait_until)

DRAM = 0
KB = 1 << 10


@pytest.fixture
def serve(tally):
    """serve(OPTION...): starts a server, with segments where they are in earnest: in memory."""
    started = []
    made = use_memory(tally)

    def start(*options, **more):
        more.setdefault("directory", started[0].directory if started else None)
        started.append(Server(tally, *options, **more))
        return started[-1]

    yield start
    for server in reversed(started):
        server.close()
    shutil.rmtree(made, ignore_errors=True)


def hold(program, number=1, bytes=4 * KB):
    """Opens device 0 and allocates a few buffers, ids 1 and on."""
    space = program.device(0x10, 0, 0, None)
    for i in range(number):
        assert program.alloc(space, i + 1, i * bytes, bytes, bytes, DRAM, 0, "test.c:1", 0) == 0
    return space


def known(server, *programs):
    """Waits until the server has seen them: how one ends that has gone by then, nobody knows."""
    for program in programs:
        wait_until(lambda: f"Pid:\t{program.pid}\n" in descriptors(server.pid),
                   f"the server knows {program.pid}")


def dead(tally, server, *arguments):
    return tally.json("leaks", "--dead", *arguments,
                      env={"MESHTALLY_STATE_DIR": str(server.state)})


def ended(tally, server, pid):
    """The one end of a process, once it is kept and the segment has gone."""
    wait_until(lambda: not list(tally.dir.glob(f"{pid}-*.seg")), f"segment of {pid}: {server.log}")
    found = dead(tally, server, "-p", pid)
    assert found["ended_total"] == 1, server.log
    return found["ended"][0], found


def live_bytes(tally):
    return sum(kind["bytes"] for device in tally.json("devices")["devices"]
               for kind in device["kinds"])


def reap(program):
    program.child.communicate(timeout=TIMEOUT)


# ---- how they end ----

def test_kill(serve, tally, reporter):
    server = serve()
    program = reporter()
    space = hold(program, 3)
    program.push("layer")
    assert program.alloc(space, 0x77, 1 << 20, 64 * KB, 64 * KB, DRAM, 0, "big.c:9", 0) == 0
    pidfd = os.pidfd_open(program.pid)
    known(server, program)
    assert live_bytes(tally) == 76 * KB

    program.child.kill()
    wait_readable(pidfd)
    os.close(pidfd)
    assert live_bytes(tally) == 0, "its bytes leave the totals at once"
    reap(program)
    end, found = ended(tally, server, program.pid)
    assert (end["how"], end["signal"], end["signal_name"]) == ("signal", 9, "SIGKILL")
    assert end["status"] is None and end["unix_seconds"] is not None
    assert (end["records"], end["total_bytes"]) == (4, 76 * KB)
    assert [leak["verdict"] for leak in found["leaks"]] == ["killed"] * len(found["leaks"])
    assert found["leaks"][0]["tag"] == "layer" and found["leaks"][0]["total_bytes"] == 64 * KB
    assert re.search(rf"process {program.pid} \(e2e_reporter\) was killed by signal 9 \(SIGKILL\): "
                     r"4 buffers, 76 KB on 1 device were live; kept as \S+\.mshsnap", server.log)
    assert "killed by signal 9 (SIGKILL)" in tally(
        "leaks", "--dead", env={"MESHTALLY_STATE_DIR": str(server.state)})
    assert "killed by signal 9 (SIGKILL)" in tally("leaks", "--from", end["file"])


def test_exit_with_something_left(serve, tally, reporter):
    server = serve()
    program = reporter()
    hold(program)
    known(server, program)
    program.exit(0)
    reap(program)

    end, found = ended(tally, server, program.pid)
    assert (end["how"], end["status"], end["signal"]) == ("exit", 0, None)
    assert found["totals"]["leaked"]["total_bytes"] == 4 * KB


def test_exit_with_nothing_left_is_not_kept(serve, tally, reporter):
    server = serve("--log-level=debug")
    program, other = reporter(), reporter()
    program.free(hold(program), 1)
    hold(other)
    known(server, program, other)
    program.kill()
    other.kill()

    ended(tally, server, other.pid)
    assert tally.segments() == []
    assert dead(tally, server)["ended_total"] == 1
    assert f"process {program.pid} (e2e_reporter) was killed by signal 9 (SIGKILL): nothing was " \
        "live" in server.log


@pytest.mark.parametrize("number", (signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, 34))
def test_signals(serve, tally, reporter, number):
    server = serve()
    program = reporter(ASAN_OPTIONS="handle_segv=0", TSAN_OPTIONS="handle_segv=0")
    hold(program)
    known(server, program)
    program._call("raise", (int(number),))
    reap(program)

    end, _ = ended(tally, server, program.pid)
    assert (end["how"], end["signal"]) == ("signal", number)
    assert end["signal_name"] == (None if number == 34 else signal.Signals(number).name)


def test_a_zombie_is_dead(serve, tally, reporter):
    server = serve()
    program = reporter()
    hold(program)
    program.child.kill()

    end, _ = ended(tally, server, program.pid)
    assert pathlib.Path(f"/proc/{program.pid}/stat").read_text().split()[2] == "Z"
    assert (end["how"], end["signal"]) == ("signal", 9)
    reap(program)


def test_without_its_first_thread_it_lives(serve, tally, reporter):
    server = serve()
    program, other = reporter(), reporter()
    space = hold(program)
    hold(other)
    known(server, program, other)
    program.leader()
    wait_until(lambda: pathlib.Path(f"/proc/{program.pid}/stat").read_text().split()[2] == "Z",
               "its first thread has ended")
    other.kill()
    ended(tally, server, other.pid)
    assert program.alloc(space, 2, 4 * KB, 4 * KB, 4 * KB, DRAM, 0, None, 0) == 0
    assert live_bytes(tally) == 8 * KB

    program.kill()
    end, _ = ended(tally, server, program.pid)
    assert (end["how"], end["signal"], end["records"]) == ("signal", 9, 2)


def test_exec_is_no_death_but_an_end_of_the_program(serve, tally, reporter):
    server = serve()
    program = reporter()
    hold(program)
    assert program._call("exec", ()) == 0

    end, found = ended(tally, server, program.pid)
    assert (end["how"], end["status"], end["signal"]) == ("exec", None, None)
    assert found["totals"]["open"]["records"] == 1
    assert program.child.poll() is None
    assert f"process {program.pid} (e2e_reporter) replaced its program by exec" in server.log


def test_stopped_is_not_dead(serve, tally, reporter):
    server = serve()
    stopped, other = reporter(), reporter()
    hold(stopped)
    hold(other)
    stopped.child.send_signal(signal.SIGSTOP)
    other.kill()
    ended(tally, server, other.pid)
    assert live_bytes(tally) == 4 * KB
    assert dead(tally, server, "-p", stopped.pid)["ended"] == []
    stopped.child.send_signal(signal.SIGCONT)
    stopped.kill()
    ended(tally, server, stopped.pid)


def test_many_at_once(serve, tally, reporter):
    server = serve()
    programs = [reporter() for _ in range(50)]
    for program in programs:
        hold(program)
    known(server, *programs)
    assert live_bytes(tally) == 50 * 4 * KB
    for program in programs:
        program.child.kill()
    wait_until(lambda: not tally.segments(), "all segments have gone")
    found = dead(tally, server, "-n", 0)
    assert sorted(end["process"]["pid"] for end in found["ended"]) == \
        sorted(program.pid for program in programs)
    assert {(end["how"], end["signal"]) for end in found["ended"]} == {("signal", 9)}
    times = [end["unix_seconds"] for end in found["ended"]]
    assert times == sorted(times, reverse=True), "the newest first"
    for program in programs:
        reap(program)


# ---- namespaces, users ----

def children(pid):
    return [int(child) for child in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@needs_namespaces
@pytest.mark.parametrize("number", (0, signal.SIGKILL))
def test_in_a_pid_namespace_of_its_own(serve, tally, number):
    server = serve()
    program = Reporter(tally.build, {**tally.env, "MESHTALLY": "1"}, NAMESPACE)
    hold(program)
    assert [path.name.split("-")[0] for path in tally.segments()] == ["1"]
    inner, = children(program.pid)
    # It is found by and by: the server has its pidfd then.
    wait_until(lambda: f"Pid:\t{inner}\n" in descriptors(server.pid), "the server knows its pid")
    pidfd = os.pidfd_open(inner)
    if number:
        os.kill(inner, number)
    else:
        program.exit(5)
    wait_readable(pidfd)
    os.close(pidfd)
    assert live_bytes(tally) == 0
    end, _ = ended(tally, server, 1)
    assert (end["how"], end["signal"], end["status"]) == \
        (("signal", 9, None) if number else ("exit", None, 5))
    reap(program)


def descriptors(pid):
    """What /proc says of all descriptors of a process."""
    texts = []
    for path in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            texts.append(path.read_text())
        except OSError:
            pass
    return "".join(texts)


HOLDER = """
mount -t tmpfs -o mode=1777 none /dev/shm && mount -t tmpfs none /run &&
mkdir /run/meshtally && chgrp 2 /run/meshtally && chmod 3777 /run/meshtally && {proc}
echo ready && exec cat
"""


class Machine:
    """A /dev/shm and /run of its own, in which others do not see each other's processes."""

    def __init__(self, tally, hide):
        proc = "mount -t proc -o hidepid=2 proc /proc &&" if hide else ""
        self.holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", HOLDER.format(proc=proc)],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.holder.stdout.readline() == b"ready\n"
        self.env = {name: value for name, value in tally.env.items() if name != "MESHTALLY_DIR"}

    def under(self, uid, gid):
        return ("nsenter", f"--target={self.holder.pid}", "--mount", "setpriv", f"--reuid={uid}",
                f"--regid={gid}", "--clear-groups")

    def close(self):
        self.holder.communicate()


@pytest.fixture(params=(False, True), ids=("seen", "hidden"))
def machine(tally, request):
    made = Machine(tally, request.param)
    yield made
    made.close()


MOUNT = ("unshare", "--mount")


@pytest.mark.skipif(os.getuid() != 0 or not may(*MOUNT), reason="root is needed for other users")
def test_another_users_process_is_not_dead_and_its_segment_not_ours(tally, machine):
    server_under, nobody = machine.under(1, 2), machine.under(65534, 65534)
    found = pathlib.Path(f"/proc/{machine.holder.pid}/root/run/meshtally/65534")
    tally.env = machine.env
    server = Server(tally, under=server_under, wait=False)
    try:
        shutil.chown(server.directory, 1, 2)
        server.state.mkdir()
        shutil.chown(server.state, 1, 2)
        server.kill()
        server = Server(tally, directory=server.directory, under=server_under, wait=False)
        server.wait_log("meshtally .* serves")
        living, program = (Reporter(tally.build, {**tally.env, "MESHTALLY": "1"}, nobody)
                           for _ in range(2))
        hold(living)
        hold(program)
        program.child.kill()
        server.wait_log(rf"process {program.pid} \(e2e_reporter\) was killed by signal 9|"
                        rf"process {program.pid} \(e2e_reporter\) died")
        assert len(list(found.glob("*.seg"))) == 2, "only its owner removes a segment"
        reap(program)
        server.kill()

        again = Server(tally, directory=server.directory, under=server_under, wait=False)
        again.wait_log("meshtally .* serves")
        other = Reporter(tally.build, {**tally.env, "MESHTALLY": "1"}, nobody)
        hold(other)
        other.kill()
        again.wait_log(rf"process {other.pid} ")
        kept = [path.name for path in (server.state / "dead").iterdir()]
        assert sorted(int(name.split("-")[1]) for name in kept) == \
            sorted((program.pid, other.pid)), "each once, and nobody who lives"
        assert not re.search(rf"process {living.pid} ", server.log + again.log)
        assert living.alloc(1, 9, 0, 4 * KB, 4 * KB, DRAM, 0, None, 0) is not None
        living.kill()
        again.close()
    finally:
        server.close()


# ---- what the server can meet ----

def test_before_the_server_began(serve, tally, reporter):
    use = serve()
    use.stop()
    program = reporter()
    hold(program)
    program.kill()
    before = dead(tally, use)
    assert before["ended_total"] == 1 and before["ended"][0]["unix_seconds"] is None
    assert before["ended"][0]["how"] == "unknown"
    server = serve()

    end, _ = ended(tally, server, program.pid)
    assert end["how"] == "unknown" and end["unix_seconds"] is not None
    assert end["records"] == 1


def test_killed_in_the_middle_of_keeping(serve, tally, reporter):
    server = serve()
    pids = []
    for _ in range(6):
        programs = [reporter() for _ in range(5)]
        for program in programs:
            hold(program, 20)
        pids += [program.pid for program in programs]
        wait_until(lambda: len(tally.segments()) >= 5, "segments")
        for program in programs:
            program.child.kill()
        # Anywhere between the first word of a death and the last removal.
        count = random.randrange(6)
        wait_until(lambda: len(tally.segments()) <= 5 - count, "some have gone")
        server.kill()
        server = serve()
        wait_until(lambda: not tally.segments(), f"none is left: {server.log}")
    found = dead(tally, server, "-n", 0)
    assert sorted(end["process"]["pid"] for end in found["ended"]) == sorted(pids)
    names = [path.name for path in (server.state / "dead").iterdir() if path.name[0] != "."]
    assert len(names) == len(pids), "each is kept once"


def test_a_state_directory_that_cannot_be_written(serve, tally, reporter):
    server = serve()
    server.stop()
    shutil.rmtree(server.state, ignore_errors=True)
    server.state.write_text("in the way")
    server = serve()
    programs = [reporter() for _ in range(3)]
    for program in programs:
        hold(program)
        program.kill()
    server.wait_log(rf"no post-mortem of \S+/\d+-[0-9a-f]+\.seg: {server.state}/dead: ")
    later = reporter()
    later.free(hold(later), 1)
    later.kill()
    wait_until(lambda: len(tally.segments()) == 3, "the spotless one has gone")
    assert server.log.count("no post-mortem of") == 1
    found = dead(tally, server)
    assert sorted(end["process"]["pid"] for end in found["ended"]) == \
        sorted(program.pid for program in programs), "they are seen where they lie"


def test_a_corrupt_one_is_said_once_and_left(serve, tally, reporter):
    server = serve()
    program, other = reporter(), reporter()
    hold(program)
    hold(other)
    path, = tally.dir.glob(f"{program.pid}-*.seg")
    with open(path, "r+b") as file:
        file.write(b"NONSENSE")
    program.kill()
    server.wait_log(re.escape(str(path)) + " is left alone: not a segment: bad magic")
    other.kill()
    ended(tally, server, other.pid)
    assert path.exists()
    assert server.log.count("is left alone") == 1


def test_what_is_kept_is_bounded(serve, tally, reporter):
    server = serve("--keep-dead=3")
    pids = []
    for _ in range(5):
        program = reporter()
        hold(program)
        program.kill()
        ended(tally, server, program.pid)
        pids.append(program.pid)
    assert [end["process"]["pid"] for end in dead(tally, server)["ended"]] == pids[:-4:-1]


def test_none_are_to_be_kept(serve, tally, reporter):
    server = serve("--keep-dead=0")
    program = reporter()
    hold(program)
    program.kill()
    server.wait_log(f"process {program.pid} .* not kept, the segment stays")
    assert len(tally.segments()) == 1
    assert dead(tally, server)["ended_total"] == 1


def test_run_reads_its_segments_first(serve, tally, mesh):
    server = serve()
    program = mesh("--leak", under=("run",))
    assert program.end() == 0
    assert "leaked" in program.error and "leaks --dead" in program.error
    wait_until(lambda: not tally.segments(), f"the server has taken it over:\n{server.log}")
    assert dead(tally, server)["totals"]["leaked"]["records"] > 0
    assert [path.name for path in tally.dir.iterdir()
            if path.name.startswith(".run-")] == [], "no mark stays"


CLIENT = f"""
import sys
sys.path.insert(0, {str(SOURCE / "tests" / "e2e")!r})
from tt_client import Client
client = Client(sys.argv[1])
client.alloc(0, 0x1000, 8192)
client.query(0)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("number", (0, signal.SIGKILL))
def test_a_client_of_the_socket(serve, tally, number):
    server = serve()
    client = subprocess.Popen([sys.executable, "-c", CLIENT, server.tt_socket],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdout.readline() == b"ready\n"
    assert live_bytes(tally) == 8192
    if number:
        client.send_signal(number)
    client.communicate(timeout=TIMEOUT)

    wait_until(lambda: live_bytes(tally) == 0, "its bytes have left the totals")
    wait_until(lambda: not tally.segments(), f"its proxy is gone:\n{server.log}")
    found = dead(tally, server, "-p", client.pid)
    end, = found["ended"]
    expected = ("signal", 9, None) if number else ("exit", None, 0)
    assert (end["how"], end["signal"], end["status"]) == expected
    assert found["totals"]["killed" if number else "open"]["total_bytes"] == 8192


def test_ls_has_them_too(serve, tally, reporter):
    server = serve()
    programs = [reporter(), reporter()]
    for number, program in enumerate(programs):
        hold(program, number + 1)
        program.kill()
        ended(tally, server, program.pid)
    env = {"MESHTALLY_STATE_DIR": str(server.state)}
    assert tally.json("ls", "--dead", env=env)["records"] == 3
    assert tally.json("ls", "--dead", "-p", programs[1].pid, env=env)["records"] == 2
    assert tally.json("ls", env=env)["records"] == 0
    first = dead(tally, server, "-p", programs[0].pid)["ended"][0]
    assert tally.json("leaks", "--from", first["file"])["leaks_total"] == 1


def test_doctor_tells_of_the_server_and_of_post_mortems(serve, tally, reporter):
    server = serve()
    program = reporter()
    hold(program)
    program.kill()
    ended(tally, server, program.pid)

    def told():
        checks = tally.json("doctor", env={"MESHTALLY_STATE_DIR": str(server.state)},
                            status=None)["checks"]
        return [check["text"] for check in checks if check["about"] in ("server", "post-mortems")]

    assert told()[0] == f"a server (pid {server.pid}) runs, and writes to {tally.dir}"
    assert re.fullmatch(rf"1 in {server.state}/dead \(.*B\)", told()[1])
    server.stop()
    assert told()[0].startswith("no server of this user runs")


# ---- what lies among post-mortems ----

def test_what_is_no_post_mortem_does_not_count(serve, tally, reporter):
    """Nor does it do harm: a segment of one that lives, a corrupt file, names that nobody made."""
    server = serve()
    living, program = reporter(), reporter()
    hold(living, 3)
    hold(program)
    program.kill()
    end, _ = ended(tally, server, program.pid)
    kept = server.state / "dead"
    segment, = tally.segments()
    identity = segment.stem.split("-")[1]
    shutil.copy(segment, kept / f"1700000000000-{living.pid}-{identity}.mshsnap")
    shutil.copy(segment, kept / f"1700000000000-77-{77:016x}.mshsnap")
    (kept / f"1700000000000-78-{78:016x}.mshsnap").write_bytes(b"\x7fnonsense" * 1000)
    (kept / f"1700000000000-79-{79:016x}.mshsnap").symlink_to(end["file"])
    os.mkfifo(kept / f"1700000000000-80-{80:016x}.mshsnap")
    (kept / "\x1b[31mname.mshsnap").write_bytes(b"")

    env = {"MESHTALLY_STATE_DIR": str(server.state)}
    assert [each["process"]["pid"] for each in dead(tally, server)["ended"]] == [program.pid]
    assert tally.json("ls", "--dead", env=env)["records"] == 4
    text = tally("leaks", "--dead", env={**env, "COLUMNS": "200"})
    assert text.count("not read: ") == 3 and "\x1b" not in text
    assert text.count("(no post-mortem: it does not tell of an end)") == 2
    assert live_bytes(tally) == 3 * 4 * KB


def test_nobody_has_ended(tally):
    """It says where it looked: a server may keep post-mortems elsewhere."""
    text = tally("leaks", "--dead")
    assert text.startswith("No process is known that has ended and left something.\n")
    assert tally.env["MESHTALLY_STATE_DIR"] + "/dead" in text and str(tally.dir) in text


def test_the_command_is_told_from_its_beginning(serve, tally, mesh):
    server = serve()
    program = mesh("--leak")
    program.until("add")
    program.kill()
    ended(tally, server, program.pid)
    for columns in 80, 120:
        head = tally("leaks", "--dead", env={"MESHTALLY_STATE_DIR": str(server.state),
                                             "COLUMNS": str(columns)}).splitlines()[1]
        assert re.search(r"  mesh_alloca", head), head
