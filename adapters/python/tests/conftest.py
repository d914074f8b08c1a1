# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of the Python package. The package is that of the source tree, library and
command are those of the build; each test has a directory of segments of its own."""
import os
import pathlib
import sys

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("MESHTALLY_BUILD", SOURCE / "build"))
PACKAGE = SOURCE / "adapters" / "python"

for name in [name for name in os.environ if name.startswith(("MESHTALLY", "TT_ALLOC"))]:
    del os.environ[name]
os.environ["MESHTALLY_LIBRARY"] = str(BUILD / "libmeshtally.so.1")
os.environ["MESHTALLY_COMMAND"] = str(BUILD / "meshtally")
sys.path.insert(0, str(PACKAGE))

import meshtally  # noqa: E402  with the environment above
from meshtally import _spaces  # noqa: E402


@pytest.fixture(scope="session")
def build():
    for needed in ("meshtally", "libmeshtally.so.1"):
        assert (BUILD / needed).exists(), f"no {needed} in {BUILD}: set MESHTALLY_BUILD"
    return BUILD


@pytest.fixture
def segments(tmp_path, monkeypatch):
    """The directory of segments of this test, and of what it starts."""
    monkeypatch.setenv("MESHTALLY_DIR", str(tmp_path / "segments"))
    monkeypatch.setenv("MESHTALLY_TT_SHM", str(tmp_path))
    return tmp_path / "segments"


@pytest.fixture
def mt(build, segments):
    """The module, with tracking on in this process."""
    assert meshtally.enable() is meshtally.Result.OK
    yield meshtally
    for space in reversed(list(_spaces._open_spaces.values())):
        space.close()
    meshtally.enable(False)


@pytest.fixture
def untracked(build, segments):
    """The module, with tracking off."""
    assert not meshtally.is_on()
    yield meshtally
    for space in reversed(list(_spaces._open_spaces.values())):
        space.close()
    meshtally.enable(False)


@pytest.fixture
def device(mt):
    return mt.Device(0, 0x4d01, memories=[mt.Memory("DRAM", banks=12, bank_bytes=1 << 30)])
