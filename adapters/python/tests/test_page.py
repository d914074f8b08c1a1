# SPDX-License-Identifier: Apache-2.0
"""The code in docs/python.md and in the README of the package is run, and prints what is there."""
import importlib.util
import os
import re
import subprocess
import sys

import pytest
from python_support import BUILD, PACKAGE, TIMEOUT, environment

PAGE = (PACKAGE.parents[1] / "docs" / "python.md").read_text()
FILES = dict(re.findall(r"<!-- file (\S+) -->\n```python\n(.*?)```", PAGE, re.S))
RUNS = re.findall(r"<!-- run (.+?) -->\n```\n(.*?)```", PAGE, re.S)


@pytest.fixture
def folder(build, segments, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "meshtally").symlink_to(BUILD / "meshtally")
    # No link: an environment's python3 is known by where it lies.
    (tmp_path / "bin" / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "bin" / "python3").chmod(0o755)
    return tmp_path


def test_page_is_as_it_was_read():
    assert PAGE.count("```python") == len(FILES) and len(RUNS) == 5
    assert PAGE.count("```\n") - len(FILES) == 2 * len(RUNS) + 2  # and the two lines on top


@pytest.mark.parametrize("command, shown", RUNS, ids=[command for command, _ in RUNS])
def test_code(folder, command, shown):
    if "torch" in command and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed (Debian: python3-torch)")
    words = command.split()
    env = environment(PATH=f"{folder}/bin:{os.environ['PATH']}", MESHTALLY="1",
                      PYTEST_PLUGINS="pytest_meshtally")
    done = subprocess.run(words, cwd=folder, env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT,
                          check=False)
    out = done.stdout.decode()
    assert done.returncode == (1 if "pytest" in words else 0), out
    if words[:2] == ["python3", words[-1]]:
        assert out == shown
    else:
        assert shown in out


def test_readme(folder):
    """Both programs of the README, as they are."""
    programs = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.S)
    assert len(programs) == 2
    done = subprocess.run([sys.executable, "-c", programs[0]], env=environment(MESHTALLY="1"),
                          stdout=subprocess.PIPE, timeout=TIMEOUT, check=True)
    assert done.stdout.decode().splitlines()[0] == "+0 B: 0 B before, 0 B after"
    (folder / "test_readme.py").write_text(programs[1])
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "pytest_meshtally",
                           "test_readme.py"], cwd=folder, env=environment(),
                          stdout=subprocess.PIPE, timeout=TIMEOUT, check=True)
    assert "1 judged for device leaks, 0 left something" in done.stdout.decode()
