# SPDX-License-Identifier: Apache-2.0
"""Children by fork and by multiprocessing, and threads: each process has its own segment, and what
a child leaves is the child's."""
import json
import subprocess
import sys

import pytest
from python_support import BUILD, TIMEOUT, command, environment, run

CHILD = """
import json, multiprocessing, os, sys
import meshtally as mt

def open_device(number):
    return mt.Device(number, 0x900 + number, memories=[mt.Memory("DRAM", 1, 1 << 30)])

def clean(number):
    with open_device(number) as device, mt.tag(f"child{number}"):
        with device.buffer(4096):
            return [b.tag for b in mt.snapshot()], os.getpid(), mt.is_on()

def holds(number):
    open_device(number).alloc(1, 4096, site="held")

def only_tags(number):
    with mt.tag("worker"):
        mt.mark("step", number)
"""

MAIN = CHILD + """
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    device = open_device(0)
    device.alloc(1, 512, tag="parent")
    with context.Pool(3) as pool:
        told = pool.map(clean, range(1, 7))
        pool.close()
        pool.join()
    for function in (only_tags, holds) if "hold" in sys.argv else (only_tags,):
        child = context.Process(target=function, args=(9,))
        child.start()
        child.join()
        assert child.exitcode == 0
    mine = [(b.id, b.tag) for b in mt.snapshot()]
    print(json.dumps({"told": told, "mine": mine, "pid": os.getpid(), "child": child.pid}))
    device.free(1)
    device.close()
"""


@pytest.fixture
def program(build, segments, tmp_path):
    """program(SOURCE, ARGUMENT...): runs it from a file, as multiprocessing needs; its output."""
    path = tmp_path / "program.py"

    def start(source, *arguments, under=(), status=0, **changes):
        path.write_text(source)
        done = subprocess.run([*under, sys.executable, path, *arguments],
                              env=environment(**{"MESHTALLY": "1", **changes}),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
        assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.decode()

    return start


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(program, segments, method):
    told = json.loads(program(MAIN, method))
    assert told["mine"] == [[1, "parent"]]
    for i, (tags, pid, on) in enumerate(told["told"]):
        assert (tags, on) == ([f"child{i + 1}"], True) and pid != told["pid"]
    assert list(segments.glob("*.seg")) == []


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_what_a_child_leaves_is_found(program, segments, method):
    told = json.loads(program(MAIN, method, "hold"))
    (left,) = command("leaks")["leaks"]
    assert (left["process"]["pid"], left["site"], left["total_bytes"]) == (told["child"], "held",
                                                                         4096)
    assert left["verdict"] == ("leaked" if method == "spawn" else "killed")


def test_under_run(program, segments, tmp_path):
    report = tmp_path / "report.json"
    program(MAIN, "fork", "hold", under=(BUILD / "meshtally", "run", f"--json={report}", "--"),
            MESHTALLY=None)
    found = json.loads(report.read_text())
    assert [leak["site"] for leak in found["left"]["leaks"]] == ["held"]


def test_enabled_by_a_call_goes_to_forked_children(program, segments):
    source = CHILD + """
if __name__ == "__main__":
    mt.enable()
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(pool.apply(clean, (3,)))
"""
    first, second = program(source, MESHTALLY=None).splitlines()
    assert first.startswith("(['child3'],") and first.endswith("True)")
    assert second.startswith("([],") and second.endswith("False)")


def test_fork(build, segments):
    """A child's frees of what it inherited are no faults, and the parent's figures stay."""
    told = run("""
import json, os
import meshtally as mt
device = mt.Device(0, 7, memories=[mt.Memory("DRAM", 1, 1 << 30)])
with mt.tag("parent"):
    device.alloc(1, 4096)
    child = os.fork()
    if child == 0:
        results = [device.free(1).name, device.alloc(2, 512).name]
        live = [(b.id, b.tag) for b in mt.snapshot()]
        print(json.dumps([results, live]), flush=True)
        device.free(2)
        os._exit(0)
    os.waitpid(child, 0)
    print(json.dumps([(b.id, b.tag) for b in mt.snapshot()]))
device.free(1)
""", MESHTALLY="1")
    child, parent = map(json.loads, told.splitlines())
    assert child == [["INHERITED", "OK"], [[2, "parent"]]]
    assert parent == [[1, "parent"]]
    assert command("faults")["faults"] == []


def test_threads_allocate_at_once(mt, device):
    import threading
    barrier = threading.Barrier(4)

    def work(number):
        barrier.wait(60)
        with mt.tag(f"t{number}"):
            for i in range(300):
                assert device.alloc(number * 1000 + i, 64, site=f"s{i % 7}") is mt.Result.OK
                if i % 3:
                    assert device.free(number * 1000 + i) is mt.Result.OK

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = mt.snapshot()
    assert {b.id: b.tag for b in snapshot} == {number * 1000 + i: f"t{number}"
                                               for number in range(4) for i in range(0, 300, 3)}
    assert snapshot.exact and mt.usage(device)["DRAM"].faults == 0
    assert len({b.thread for b in snapshot}) == 4


def test_imported_after_multiprocessing_in_the_child(program, segments):
    """The forked child imports the package itself."""
    source = """
import multiprocessing
def child():
    import meshtally as mt
    with mt.tag("late"):
        pass
if __name__ == "__main__":
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == 0
"""
    program(source)
    assert list(segments.glob("*.seg")) == []


def test_no_command_in_the_child(program, segments):
    """Then what the child left stays to be looked at, and nothing else goes wrong."""
    program(MAIN.replace("told = pool", "told = None and pool").replace("mt.snapshot()", "()"),
            "fork", MESHTALLY_COMMAND="/nonexistent")
    states = {process["state"] for process in command("ps")["processes"]}
    assert states <= {"killed", "ended"}


def test_exec_in_the_same_process(build, segments):
    """What the process was before exec() is not what it holds now."""
    told = run("""
import os, sys
import meshtally as mt
mt.Device(0, 7).alloc(1, 4096)
os.execv(sys.executable, [sys.executable, "-c", '''
import meshtally as mt
assert not mt.snapshot().tracked
mt.Device(0, 7).alloc(2, 512)
print([b.id for b in mt.snapshot()])
'''])
""", MESHTALLY="1")
    assert told == "[2]\n"
