# SPDX-License-Identifier: Apache-2.0
"""PyOpenCL's examples and its own tests, as its authors ship them (python-pyopencl-doc)."""
import pathlib
import re

import pytest

from real_support import ALL, agree, figures, needs_module, without_figures

EXAMPLES = pathlib.Path("/usr/share/doc/python-pyopencl-doc/examples")
EIGHT = " ".join(["pthread"] * 8)


def example(name):
    needs_module("pyopencl")
    if not EXAMPLES.exists():
        message = "python-pyopencl-doc is not installed: scripts/check-real installs and runs it"
        pytest.fail(message) if ALL else pytest.skip(message)
    return EXAMPLES / name


@pytest.mark.parametrize("name, allocations, peak_bytes", [
    ("demo.py", 3, 600000),
    ("demo_array.py", 5, 1000000),
    ("demo_array_svm.py", 4, 819196),  # shared virtual memory
    ("svm.py", 2, 80),
    ("narray.py", 1, 10000),
    pytest.param("demo-struct-reduce.py", 4, 80252, marks=pytest.mark.slow),
    # None: its arrays end when the device is done with them
    pytest.param("demo_elementwise.py", 7, None, marks=pytest.mark.slow),
])
def test_example(real, name, allocations, peak_bytes):
    done = real.both("/usr/bin/python3", example(name), change=without_figures, PYOPENCL_CTX="0")
    witness, = agree(done)
    assert figures(witness.changes)["allocations"] == allocations
    assert peak_bytes in (None, figures(witness.changes)["peak_bytes"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo_mandelbrot.py", "n-body.py", "pi-monte-carlo.py"])
def test_long_example(real, name):
    done = real.tracked("/usr/bin/python3", example(name), PYOPENCL_CTX="0")
    assert done.status == 0, done.error
    agree(done)


def passed(text):
    """pytest's last line without the time."""
    return re.findall(r"\d+ (?:passed|failed|skipped|xfailed|xpassed|errors?)\b", text)


@pytest.mark.parametrize("name", [
    "test_enqueue_copy.py",
    pytest.param("test_wrapper.py", marks=pytest.mark.slow),  # all of the interface
    pytest.param("test_arrays_in_structs.py", marks=pytest.mark.slow),
    pytest.param("test_clrandom.py", marks=pytest.mark.slow),
])
def test_own_tests(real, name):
    done = real.both("/usr/bin/python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                     example(name), change=passed)
    agree(done)


@pytest.mark.parametrize("name", [
    "demo.py",
    "demo_array_svm.py",
    pytest.param("demo_array.py", marks=pytest.mark.slow),
])
def test_context_of_eight_devices(real, name):
    """The example takes all devices of the platform into one context and uses the first. What is
    allocated is counted once, whatever it is shown on."""
    done = real.both("/usr/bin/python3", example(name), change=without_figures,
                     POCL_DEVICES=EIGHT, PYOPENCL_CTX="0:0,1,2,3,4,5,6,7")
    witness, = agree(done, one_device=False)
    assert list(witness.contexts.values()) == [8]
