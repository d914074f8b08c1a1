# SPDX-License-Identifier: Apache-2.0
"""The wheel and what `make install` installs: complete, alike, and usable where neither source tree
nor build is known."""
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import zipfile

import pytest
from python_support import BUILD, PACKAGE, TIMEOUT, environment, run

WHERE = "import meshtally; s = meshtally.status(); print(s.library, s.on)"


def needs_setuptools():
    if importlib.util.find_spec("setuptools") is None or importlib.util.find_spec("wheel") is None:
        pytest.skip("needs setuptools and wheel (Debian: python3-setuptools, python3-wheel)")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    needs_setuptools()
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run([PACKAGE / "make-wheel", BUILD, folder], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=120, check=False,
                          env={**os.environ, "PYTHON": sys.executable})
    assert done.returncode == 0, done.stdout.decode()
    (made,) = folder.glob("*.whl")
    assert done.stdout.decode().strip() == str(made)
    return made


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What the install rule puts below a prefix."""
    stage = tmp_path_factory.mktemp("stage")
    subprocess.run(["cmake", "-DCMAKE_INSTALL_PREFIX=/opt/meshtally", "-P",
                    BUILD / "adapters" / "python" / "install_package.cmake"], check=True,
                   env={**os.environ, "DESTDIR": str(stage)}, stdout=subprocess.PIPE,
                   timeout=TIMEOUT)
    return stage / "opt/meshtally/lib/python3/dist-packages"


def unpacked(wheel, folder):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return {"PYTHONPATH": str(folder), "MESHTALLY_LIBRARY": None}


def plug_in_is_found(folder, **env):
    """pytest loads the plug-in by the metadata alone."""
    (folder / "test_leaks.py").write_text("""
import meshtally as mt
def test_keeps():
    mt.Device(0, 5).alloc(1, 4096, site="here")
""")
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           "--no-device-leak", str(folder / "test_leaks.py")], cwd=folder,
                          env=environment(**env), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False)
    assert done.returncode == 1 and b"4.00 KB of device memory was left" in done.stdout, \
        done.stdout.decode()


def test_tag(wheel):
    """For this processor, every Python 3, and no newer glibc than the library was linked with."""
    found = re.fullmatch(r"meshtally-(.+)-py3-none-manylinux_2_(\d+)_(\w+)\.whl", wheel.name)
    libc = os.confstr("CS_GNU_LIBC_VERSION").split(".")
    assert int(found.group(2)) <= int(libc[1]) and found.group(3) == os.uname().machine
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    sources = {f"meshtally/{path.name}" for path in (PACKAGE / "meshtally").glob("*.py")}
    assert sources | {"meshtally/py.typed", "meshtally/libmeshtally.so.1",
                      "pytest_meshtally.py"} <= names
    assert not any(name.startswith("tests") for name in names)


def test_wheel_is_enough(wheel, segments, tmp_path):
    env = unpacked(wheel, tmp_path / "site")
    out = run(WHERE, MESHTALLY="1", **env)
    assert out == f"{tmp_path}/site/meshtally/libmeshtally.so.1 True\n"
    plug_in_is_found(tmp_path, **env)


def test_pip_takes_the_wheel(wheel, segments, tmp_path):
    if importlib.util.find_spec("pip") is None:
        pytest.skip("needs pip (Debian: python3-pip)")
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps",
                    "--target", tmp_path / "site", wheel], check=True, timeout=TIMEOUT,
                   env=environment(PYTHONPATH=None, PIP_ROOT_USER_ACTION="ignore"))
    out = run(WHERE, PYTHONPATH=str(tmp_path / "site"), MESHTALLY_LIBRARY=None)
    assert out == f"{tmp_path}/site/meshtally/libmeshtally.so.1 False\n"


def test_installed_is_enough(installed, segments, tmp_path):
    env = {"PYTHONPATH": str(installed)}
    assert run("import meshtally; print(meshtally.__file__)", **env) == \
        f"{installed}/meshtally/__init__.py\n"
    plug_in_is_found(tmp_path, **env)


def test_wheel_and_installation_are_alike(wheel, installed, tmp_path):
    unpacked(wheel, tmp_path)

    def files(folder):
        return {path.relative_to(folder).as_posix(): path.read_bytes()
                for path in folder.rglob("*.py") if "__pycache__" not in path.parts}

    assert files(tmp_path) == files(installed)
    (theirs,), (ours,) = tmp_path.glob("*.dist-info"), installed.glob("*.dist-info")
    assert theirs.name == ours.name
    assert (theirs / "entry_points.txt").read_text().split() == \
        (ours / "entry_points.txt").read_text().split()
    fields = [dict(line.split(": ", 1) for line in (info / "METADATA").read_text().splitlines()
                   if re.match(r"(Name|Version|Summary|License|Requires-Python): ", line))
              for info in (theirs, ours)]
    assert fields[0] == fields[1] and len(fields[0]) == 5


def test_version_is_that_of_the_project():
    project = (PACKAGE.parents[1] / "CMakeLists.txt").read_text()
    (version,) = re.findall(r"project\(meshtally VERSION ([\d.]+)", project)
    assert run("import meshtally; print(meshtally.__version__)").strip() == version


def test_without_the_library_a_wheel_is_for_all(tmp_path):
    """What pip makes of the source tree."""
    needs_setuptools()
    tree = tmp_path / "tree"
    (tree / "meshtally").mkdir(parents=True)
    for path in [*PACKAGE.glob("meshtally/*.py"), *PACKAGE.glob("*.py"), PACKAGE / "README.md",
                 PACKAGE / "pyproject.toml", PACKAGE / "meshtally" / "py.typed"]:
        target = tree / pathlib.Path(path).relative_to(PACKAGE)
        target.write_bytes(path.read_bytes())
    subprocess.run([sys.executable, "-c", "from setuptools import build_meta; "
                    f"build_meta.build_wheel({str(tmp_path)!r})"], cwd=tree, check=True,
                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT)
    assert [path.name.rpartition("-py3-")[2] for path in tmp_path.glob("*.whl")] == ["none-any.whl"]
