# SPDX-License-Identifier: Apache-2.0
"""The plug-in of pytest, in runs of pytest over a project of a small runtime."""
import re
import subprocess
import sys

import pytest
from python_support import TIMEOUT, environment

RUNTIME = """
import meshtally as mt

class Tensor:
    def __init__(self, device, size):
        self.buffer = device.buffer(size, site=mt.caller())
    def __del__(self):
        self.buffer.free()

def open_device(number=0):
    return mt.Device(number, 0x77 + number, memories=[mt.Memory("DRAM", 12, 1 << 30)])
"""

FIXTURES = """
import pytest
from runtime import Tensor, open_device

@pytest.fixture(scope="session")
def device():
    with open_device() as opened:
        yield opened

@pytest.fixture(scope="module")
def model(device):
    return Tensor(device, 4096)

@pytest.fixture
def x(device):
    return Tensor(device, 512)

@pytest.fixture
def forgets(device):
    device.alloc(99, 64, site="fixture")
"""

HEAD = """
import pytest
import meshtally as mt
from runtime import Tensor, open_device
kept = []
"""


@pytest.fixture
def project(build, segments, tmp_path):
    """project(TESTS, OPTION...): runs pytest over them: its output, {test: outcome}."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "runtime.py").write_text(RUNTIME)
    (folder / "conftest.py").write_text(FIXTURES)

    def start(tests, *options, status, **changes):
        (folder / "test_project.py").write_text(HEAD + tests)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "pytest_meshtally", "-p", "no:cacheprovider",
             "-rA", *options], cwd=folder, env=environment(**changes), check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=TIMEOUT)
        out = done.stdout.decode()
        assert done.returncode == status, out
        outcomes = {}
        for outcome, name in re.findall(r"^([A-Z]+) test_project\.py::(\w+)", out, re.M):
            outcomes[name] = "ERROR" if outcomes.get(name) == "ERROR" else outcome
        return out, outcomes

    start.folder = folder
    return start


def test_left_and_not_left(project):
    out, outcomes = project("""
@pytest.mark.no_device_leak
def test_frees(model, x):
    Tensor(x.buffer.space, 100)

@pytest.mark.no_device_leak
def test_cycle(device):
    cycle = [Tensor(device, 100)]
    cycle.append(cycle)

@pytest.mark.no_device_leak
def test_keeps(model, x):
    with mt.tag("layer1/attn"):
        kept.append(Tensor(x.buffer.space, 3000))
        kept.append(Tensor(x.buffer.space, 3000))

@pytest.mark.no_device_leak(ignore="layer1/*")
def test_keeps_what_it_may(device):
    with mt.tag("layer1/cache"):
        kept.append(Tensor(device, 3000))

@pytest.mark.no_device_leak
def test_closes_too_early():
    early = open_device(3)
    early.alloc(1, 2048, site="conv")
    early.close()

@pytest.mark.no_device_leak
def test_system_and_caches(device):
    device.alloc(5, 100, flags=mt.Flag.CACHE)
    device.alloc(6, 100, flags=mt.Flag.SYSTEM)

@pytest.mark.no_device_leak
def test_fixture_forgets(forgets):
    pass

def test_unmarked(device):
    kept.append(Tensor(device, 1234))
""", status=1)
    assert {name for name, outcome in outcomes.items() if outcome == "ERROR"} == {
        "test_keeps", "test_closes_too_early", "test_fixture_forgets"}
    assert "5.86 KB of device memory was left by this test:" in out
    line = next(i for i, text in enumerate((project.folder / "test_project.py").read_text()
                                           .splitlines(), 1) if "3000" in text)
    rows = [re.split(r"  +", row.strip()) for row in out.splitlines()]
    assert ["2.93 KB", "1", "0", "DRAM", "layer1/attn", f"test_project.py:{line}", "live"] in rows
    assert ["2.93 KB", "1", "0", "DRAM", "layer1/attn", f"test_project.py:{line + 1}",
            "live"] in rows
    assert ["2.00 KB", "1", "3", "DRAM", "-", "conv", "its device was closed"] in rows
    assert ["64 B", "1", "0", "DRAM", "-", "fixture", "live"] in rows
    assert "meshtally: 7 judged for device leaks, 3 left something" in out


def test_what_is_not_judged(project):
    out, outcomes = project("""
pytestmark = pytest.mark.no_device_leak

def test_fails(device):
    tensor = Tensor(device, 100)
    assert False

def test_skipped(device):
    kept.append(Tensor(device, 100))
    pytest.skip("no")

@pytest.mark.xfail
def test_expected(device):
    tensor = Tensor(device, 100)
    assert False

def test_after_them(device):
    pass
""", status=1)
    assert {name: outcome for name, outcome in outcomes.items() if outcome != "SKIPPED"} == {
        "test_fails": "FAILED", "test_expected": "XFAIL", "test_after_them": "PASSED"}
    assert "meshtally: 1 judged for device leaks, 0 left something" in out


@pytest.mark.parametrize("ini", [False, True])
def test_all_tests(project, ini):
    if ini:
        (project.folder / "pytest.ini").write_text("[pytest]\nno_device_leak = true\n")
    _, outcomes = project("""
def test_keeps(device):
    kept.append(Tensor(device, 100))

def test_frees(device):
    Tensor(device, 100)
""", *(() if ini else ("--no-device-leak",)), status=1)
    assert outcomes == {"test_keeps": "ERROR", "test_frees": "PASSED"}


def test_nothing_asked_for(project, segments):
    out, outcomes = project("""
def test_keeps(device):
    kept.append(Tensor(device, 100))
    assert not mt.is_on()
""", status=0)
    assert outcomes == {"test_keeps": "PASSED"} and "meshtally:" not in out
    assert not segments.exists()


def test_the_same_twice_is_seen_twice(project):
    """Each test is judged by what it left itself, though it looks like what was there."""
    _, outcomes = project("""
@pytest.mark.no_device_leak
@pytest.mark.parametrize("turn", [0, 1, 2])
def test_keeps(device, turn):
    if turn != 1:
        kept.append(Tensor(device, 100))
""", status=1)
    out, _ = project("""
@pytest.mark.no_device_leak
@pytest.mark.parametrize("turn", [0, 1, 2])
def test_keeps(device, turn):
    if turn != 1:
        kept.append(Tensor(device, 100))
""", status=1)
    assert re.findall(r"^ERROR test_project.py::test_keeps\[(\d)\]", out, re.M) == ["0", "2"]
    assert outcomes


def test_no_device_is_told(project):
    out, _ = project("""
@pytest.mark.no_device_leak
def test_of_a_runtime_that_does_not_report():
    pass
""", status=0)
    assert "in 1 no device was seen" in out


@pytest.mark.parametrize("missing", ["MESHTALLY_LIBRARY", "MESHTALLY_COMMAND"])
def test_cannot_be_judged(project, missing):
    """That is said, and no test passes unjudged."""
    tests = "@pytest.mark.no_device_leak\ndef test_any():\n    pass\n"
    out, outcomes = project(tests, status=1, **{missing: "/nonexistent"})
    assert outcomes == {"test_any": "ERROR"} and "cannot be judged" in out and missing in out
    out, _ = project(tests, "--no-device-leak", status=4, **{missing: "/nonexistent"})
    assert "cannot be judged" in out
