# SPDX-License-Identifier: Apache-2.0
"""Kernels, shared virtual memory and command buffers, with their tags."""
import pytest


def test_a_kernel_brings_its_arguments_and_names_them(steps):
    run = steps(2)
    run("buffer a 1000")
    run("buffer b 2000")
    run("buffer c 3000")
    for kernel, out, source in (("first", "a", "b"), ("second", "c", "a")):
        run(f"kernel {kernel}")
        run(f"arg {kernel} 0 {out}")
        run(f"arg {kernel} 1 {source}")
    assert run.places() == {"-": 6000}
    run("launch 1 first")
    assert run.places() == {"-": 3000, 1: 3000}
    assert run.tags() == {1000: "first", 2000: "first", 3000: None}
    run("launch 0 second")
    assert run.places() == {0: 3000, 1: 3000}
    assert run.places("view_bytes") == {0: 1000}
    assert run.tags() == {1000: "first", 2000: "first", 3000: "second"}
    run("launch 1 first")
    run("finish 0")
    run("finish 1")
    operations = max(record["operation"] for record in run.records())
    run("launch 1 first")
    run("finish 1")
    assert max(record["operation"] for record in run.records()) == operations
    for name in "abc":
        run(f"release {name}")
    assert run.records() == []
    assert run.end()["faults_total"] == 0


def test_one_device_gets_tags_too(steps):
    run = steps(1)
    run("buffer a 1000")
    run("buffer b 2000")
    run("kernel first")
    run("arg first 0 a")
    run("arg first 1 b")
    assert run.places() == {0: 3000}
    run("launch 0 first")
    assert run.tags() == {1000: "first", 2000: "first"}
    assert run.places() == {0: 3000}


def test_a_launch_that_fails_places_nothing(steps):
    run = steps(2)
    run("buffer a 1000")
    run("kernel first")
    run("arg first 0 a")
    run("launch 1 first", error=-52)  # its second argument is not set
    assert run.places() == {"-": 1000}


def test_a_clone_has_its_own_arguments(steps):
    run = steps(2)
    run("buffer a 1000")
    run("buffer b 2000")
    run("buffer c 4000")
    run("kernel first")
    run("arg first 0 a")
    run("arg first 1 b")
    run("clone first copy")
    run("arg first 0 c")
    run("launch 1 copy")
    run("finish 1")
    assert run.places() == {"-": 4000, 1: 3000}


# --- shared virtual memory ----------------------------------------------------------------------

def test_shared_virtual_memory(steps):
    run = steps(2)
    run("svm s 4096")
    run("svm t 8192")
    assert run.places() == {"-": 12288}
    run("svmfill 1 s")  # within it
    assert run.places() == {"-": 8192, 1: 4096}
    run("kernel first")
    run("arg first 0 t 64")
    run("arg first 1 s")
    run("launch 0 first")
    run("finish 0")
    assert run.places() == {0: 8192, 1: 4096}
    assert run.places("view_bytes") == {0: 4096}
    assert run.tags() == {4096: "first", 8192: "first"}
    run("svmfree t")
    assert run.places() == {1: 4096}
    run("svmfree s")
    assert run.records() == []
    assert run.end()["faults_total"] == 0


@pytest.mark.parametrize("callback", ("", "own"))
def test_freed_by_a_command_when_it_runs(steps, callback):
    run = steps(2)
    run("svm s 4096")
    run(f"later 1 s {callback}")
    assert run.places() == {"-": 4096}
    run("let")
    run("finish 1")
    assert run.records() == []
    assert run.end()["faults_total"] == 0


# --- command buffers ----------------------------------------------------------------------------

def test_command_buffers(steps):
    run = steps(2)
    run("buffer a 1000")
    run("buffer b 2000")
    run("buffer c 4000")
    run("kernel first")
    run("arg first 0 a")
    run("arg first 1 b")
    run("record 1")
    run("recordfill c")
    run("recordlaunch first")
    run("finalize")
    assert run.places() == {"-": 7000}
    run("enqueue")
    run("finish 1")
    assert run.places() == {1: 7000}
    assert run.tags() == {1000: "first", 2000: "first", 4000: None}
    run("enqueue")
    run("finish 1")
    assert run.places() == {1: 7000}
    run("drop")
    for name in "abc":
        run(f"release {name}")
    assert run.end()["faults_total"] == 0
