# SPDX-License-Identifier: Apache-2.0
"""A program must run wherever its author forgot to install something; and where library and command
are looked for."""
import os
import pathlib
import shutil
import subprocess

import pytest
from python_support import BUILD, PACKAGE, run

USE = """
import meshtally as mt
with mt.tag("a"):
    device = mt.Device(0, 5, memories=[mt.Memory("VRAM", 1, 1 << 30)])
    assert device.alloc(1, 5, kind="VRAM") is mt.Result.OFF
    assert device.free(1) is mt.Result.OFF
    mt.Mesh([[device]]).close()
@mt.tag("f")
def f():
    return 5
assert f() == 5 and mt.carry(f)() == 5
mt.mark("step", 3)
assert mt.enable() is mt.Result.OFF and mt.enable(False) is mt.Result.OFF
assert not mt.is_on() and mt.usage(device, "VRAM").bytes is None
print(mt.status())
"""


def test_no_library(build, segments, tmp_path):
    out = run(USE, MESHTALLY_LIBRARY=str(tmp_path / "none.so"), MESHTALLY="1")
    assert "MESHTALLY_LIBRARY=" in out and "cannot be loaded" in out and "tracking  off" in out


def installed(tmp_path, *files):
    """The package in a prefix of its own, where there is no source tree around it."""
    place = tmp_path / "prefix" / "lib" / "python3" / "dist-packages"
    shutil.copytree(PACKAGE / "meshtally", place / "meshtally",
                    ignore=shutil.ignore_patterns("__pycache__"))
    for name, source in files:
        (tmp_path / "prefix" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, tmp_path / "prefix" / name)
    return {"PYTHONPATH": str(place), "MESHTALLY_LIBRARY": None, "MESHTALLY_COMMAND": None}


LIBRARY, COMMAND = BUILD / "libmeshtally.so.1", BUILD / "meshtally"
WHERE = "import meshtally; s = meshtally.status(); print(s.library, s.command)"


@pytest.mark.parametrize("name", ["lib/libmeshtally.so.1",
                                  "lib/python3/dist-packages/meshtally/libmeshtally.so.1"])
def test_found_near_the_package(build, segments, tmp_path, name):
    env = installed(tmp_path, (name, LIBRARY), ("bin/meshtally", COMMAND))
    out = run(WHERE, **env)
    assert out == f"{tmp_path}/prefix/{name} {tmp_path}/prefix/bin/meshtally\n"


def test_found_by_the_system(build, segments, tmp_path):
    env = installed(tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "meshtally").symlink_to(COMMAND)
    library = LIBRARY.resolve()
    out = run(WHERE, LD_LIBRARY_PATH=str(BUILD),
              PATH=f"{tmp_path}/bin:{os.environ['PATH']}", **env)
    assert out == f"{library} {tmp_path}/bin/meshtally\n"


def test_the_one_that_is_there_already(build, segments, tmp_path):
    """An adapter has loaded the library before: the same copy is used, whatever lies nearer."""
    env = installed(tmp_path, ("lib/libmeshtally.so.1", LIBRARY))
    load = f"import ctypes; ctypes.CDLL({str(LIBRARY)!r}); "
    assert run(load + WHERE, **env).startswith(str(LIBRARY.resolve()))
    env["LD_PRELOAD"] = str(LIBRARY)
    assert run(WHERE, **env).startswith(str(LIBRARY.resolve()))


def test_two_copies_are_told(build, segments, tmp_path):
    other = tmp_path / "libmeshtally.so.1"
    shutil.copy(LIBRARY, other)
    out = run(f"import ctypes, meshtally; ctypes.CDLL({str(other)!r}); print(meshtally.status())")
    assert "several copies" in out and str(other) in out


@pytest.mark.parametrize("version, wrong", [("1 << 16", "its interface is 1.0"),
                                            ("2 << 16 | 5", "its interface is 2.5"),
                                            (None, "older")])
def test_another_library(build, segments, tmp_path, version, wrong):
    from meshtally import _library
    names = [name for name in _library.FUNCTIONS if version or name != "mt_move"]
    bodies = {"mt_abi_version": f"return {version or '1 << 16'};"}
    source = tmp_path / "other.c"
    source.write_text("".join(f"unsigned {name}(void) {{ {bodies.get(name, 'return 0;')} }}\n"
                              for name in names) + "unsigned gate = 1, *mt_gate = &gate;\n")
    library = tmp_path / "libother.so"
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    out = run(USE, MESHTALLY_LIBRARY=str(library))
    assert wrong in out and "cannot be used" in out


def test_no_command(build, segments, tmp_path):
    env = installed(tmp_path, ("lib/libmeshtally.so.1", LIBRARY))
    env.update(PATH="/nonexistent", MESHTALLY="1")
    out = run("""
import meshtally as mt
device = mt.Device(0, 5)
assert device.alloc(1, 4096) is mt.Result.OK  # recording needs none
assert mt.usage(device)["DRAM"].bytes == 4096
for ask in (mt.snapshot, mt.leaks, mt.devices, lambda: mt.usage("0x5")):
    try:
        ask()
    except mt.CommandMissing as error:
        text = str(error)
print(text)
print(mt.status())
""", **env)
    assert out.count("install the package meshtally") == 2


def test_neither_tracking_nor_command(build, segments, tmp_path):
    """Reading is part of programs that are run without meshtally, too."""
    out = run("""
import meshtally as mt
before = mt.snapshot()
assert not before.tracked and not mt.diff(before, mt.snapshot())
assert mt.leaks() == () and mt.devices() == ()
assert mt.usage("0x5")["DRAM"].bytes is None and mt.usage("0x5", "L1").bytes is None
print(before)
""", **{**installed(tmp_path), "PATH": "/nonexistent", "MESHTALLY": None})
    assert "Nothing of this process is recorded" in out


def test_unknown_device_while_off(untracked):
    assert untracked.usage("0x5")["DRAM"].bytes is None


@pytest.mark.parametrize("place", ["/meshtally", "/deps/meshtally", "/opt/deps/meshtally"])
def test_package_near_the_root(monkeypatch, place):
    """As `pip install --target /deps` puts it."""
    from meshtally import _command, _library
    package = pathlib.Path(place)
    monkeypatch.setattr(_library, "PACKAGE", package)
    monkeypatch.setattr(_command, "PACKAGE", package)
    assert _library.source_tree(package) is None
    assert package / "libmeshtally.so.1" in _library._near_package()
    assert list(_command._near_package()) is not None


def test_a_command_that_fails(mt, device, tmp_path, monkeypatch):
    command = tmp_path / "meshtally"
    command.write_text("#!/bin/sh\necho its own words >&2\nexit 3\n")
    command.chmod(0o755)
    monkeypatch.setenv("MESHTALLY_COMMAND", str(command))
    with pytest.raises(mt.Error, match="its own words"):
        mt.snapshot()


def test_no_multiprocessing_or_asyncio_is_imported(build, segments):
    """Programs that use neither do not pay for them."""
    out = run("import sys, meshtally; print([name for name in ('asyncio', 'multiprocessing', "
              "'pytest') if name in sys.modules])")
    assert out == "[]\n"


def test_plug_in_imports_nothing(build, segments):
    out = run("import sys, pytest_meshtally; print('meshtally' in sys.modules)")
    assert out == "False\n"
