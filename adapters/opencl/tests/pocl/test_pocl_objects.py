# SPDX-License-Identifier: Apache-2.0
"""Objects from their creation to their end, as PoCL ends them."""
import os

import pytest

from conftest import TIMEOUT, Steps


class Objects(Steps):
    """opencl_objects: a scenario that stops at each step until it is told to go on."""

    def __init__(self, directory, cache, scenario, devices, options, **more):
        super().__init__(directory, cache, devices,
                         {"POCL_MEMORY_LIMIT": "2", "MESHTALLY_RUN": "", **options},
                         command=("opencl_objects", scenario), **more)
        self.waiting = False

    def until(self, step):
        """The numbers that the program says at this step, where it waits."""
        if self.waiting:
            self.child.stdin.write("\n")
            self.child.stdin.flush()
        line = self.child.stdout.readline().split()
        if not line:
            error = self.child.communicate()[1]
            if "clGetPlatformIDs" in error:
                pytest.skip("PoCL is not there (Debian: pocl-opencl-icd)")
            pytest.fail(error)
        assert line[0] == step
        self.waiting = True
        return [int(word) for word in line[1:]]

    def live(self):
        """(bytes, class) of each record, in the order of their making."""
        return [(record["bytes"], record["class"])
                for record in sorted(self.records(), key=lambda record: int(record["id"], 16))]

    def end(self):
        if self.waiting:
            self.child.stdin.write("\n")
        return super().end()


@pytest.fixture
def objects(tmp_path, cache):
    """objects(SCENARIO, DEVICES): starts the program."""
    started = []

    def start(scenario, devices=1, more=None, **options):
        started.append(Objects(tmp_path, cache, scenario, devices, options, **(more or {})))
        return started[-1]

    yield start
    for each in started:
        each.child.kill()
        each.child.wait(TIMEOUT)
        for pipe in (each.child.stdin, each.child.stdout, each.child.stderr):
            pipe.close()


def test_nothing_is_there_before_the_first_allocation(objects):
    run = objects("orders")
    run.until("begun")
    assert not run.dir.exists() or not list(run.dir.glob("*.seg"))


def test_released_in_any_order(objects):
    run = objects("orders")
    run.until("begun")
    run.until("made")
    assert run.live() == [(1 << 20, "user"), (1000, "user"), (4096, "view")]
    assert run.places() == {0: (1 << 20) + 1000}
    assert all(record["address"] is None for record in run.records())
    run.until("retained")
    assert run.live() == [(1 << 20, "user"), (1000, "user"), (4096, "view")]
    run.until("sub-buffer")  # it keeps its buffer
    assert run.live() == [(1 << 20, "user"), (1000, "user"), (4096, "view")]
    run.until("one")
    assert run.live() == [(1000, "user")]
    run.until("none")
    assert run.live() == []
    assert run.end()["faults_total"] == 0
    assert run.tally("leaks")["leaks"] == []


def test_images(objects):
    run = objects("images")
    image_bytes, = run.until("made")
    assert image_bytes >= 640 * 480 * 16
    assert run.live()[:2] == [(image_bytes, "user"), (1600, "user")]
    assert [record["class"] for record in run.records()].count("view") == 1
    run.until("view")
    assert run.places() == {0: 1600}
    run.until("none")
    assert run.live() == []
    assert run.end()["faults_total"] == 0


def test_pipes(objects):
    run = objects("pipes")
    pipe_bytes, = run.until("made")
    assert run.live() == ([(pipe_bytes, "user")] if pipe_bytes else [])
    run.until("none")
    assert run.end()["faults_total"] == 0


def test_the_programs_own_memory_is_shown_and_not_counted(objects):
    run = objects("host")
    run.until("made")
    assert run.live() == [(65536, "view"), (3000, "user"), (500, "user")]
    assert run.places() == {0: 3500}


def test_what_a_queued_command_uses_is_held(objects):
    run = objects("queued")
    run.until("released")
    assert run.places() == {0: 4096}
    run.until("done")
    assert run.places() == {} and run.live() == []
    assert run.end()["faults_total"] == 0


def test_one_copy_for_all_devices(objects):
    run = objects("shared", 8)
    count, = run.until("together")
    assert count == 8
    assert run.places() == {"-": 1 << 20}
    assert run.places("view_bytes") == {"-": 8192}
    run.until("each")
    assert run.places() == {i: 1000 * (i + 1) for i in range(8)}
    assert run.end()["faults_total"] == 0


def test_many_contexts(objects):
    run = objects("contexts", 8)
    run.until("done")
    assert run.live() == []
    assert run.end()["faults_total"] == 0


def test_threads(objects):
    run = objects("threads")
    kept, = run.until("kept")
    assert run.places() == {0: kept}
    assert len(run.live()) == 8
    assert run.end()["faults_total"] == 0


def test_what_is_never_released_is_a_leak(objects):
    run = objects("leaks")
    run.until("made")
    assert run.live() == [(12345, "user")]
    run.end()
    leaks = run.tally("leaks")["leaks"]
    assert [(leak["verdict"], leak["bytes"], leak["site"]) for leak in leaks] == \
        [("leaked", 12345, "clCreateBuffer")]


def test_the_driver_refuses(objects):
    run = objects("failures")
    error, = run.until("refused")
    assert error == -61  # CL_INVALID_BUFFER_SIZE
    failure, = run.tally("oom")["failures"]
    assert failure["reason"].startswith(
        "CL_INVALID_BUFFER_SIZE by clCreateBuffer: an object has at most ")
    assert run.until("wrong") == [-61]
    assert len(run.tally("oom")["failures"]) == 1  # 0 bytes are a wrong call, not a full device
    assert run.until("filled") == [0]
    assert run.places() == {0: 81 << 20}


def test_a_budget_refuses(objects):
    run = objects("failures", MESHTALLY_OPENCL_DEVICE_MEMORY=str(25 << 20))
    assert run.until("refused") == [-4]  # CL_MEM_OBJECT_ALLOCATION_FAILURE
    run.until("wrong")
    assert run.until("filled") == [-4]
    assert run.places() == {0: 21 << 20}
    failures = run.tally("oom")["failures"]
    assert [failure["reason"] for failure in failures] == \
        ["CL_MEM_OBJECT_ALLOCATION_FAILURE by clCreateBuffer: over the budget "
         f"MESHTALLY_OPENCL_DEVICE_MEMORY={25 << 20}"] * 2


def test_a_fork(objects):
    """Parent and child see one device, each with its own."""
    gate, gate_end = os.pipe()
    try:
        run = objects("forks", more={"pass_fds": (gate, gate_end)}, OBJECTS_GATE=str(gate),
                      OBJECTS_GATE_END=str(gate_end))
        child, = run.until("both")
        wait_for(lambda: run.places() == {0: 1030}, "both have allocated")
        assert len(run.tally("devices")["devices"]) == 1
        assert {record["pid"] for record in run.records()} == {run.child.pid, child}
        assert run.until("parent") == [0]
        assert run.places() == {0: 1000}
        assert run.live() == [(1000, "user")]
    finally:
        os.close(gate)
        os.close(gate_end)
    assert run.end()["faults_total"] == 0


def wait_for(condition, what):
    """For what has no descriptor to wait on: each look is a run of the command."""
    for _ in range(1000):
        if condition():
            return
    pytest.fail(f"not so: {what}")
