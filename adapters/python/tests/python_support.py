# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Python package share: programs of their own, and a report as C code makes
it, which knows nothing of Python's contexts."""
import json
import os
import struct
import subprocess
import sys

from conftest import BUILD, PACKAGE
from meshtally import _library

TIMEOUT = 60


def environment(**changes):
    """Of a program that finds package, library and command; None takes a variable out."""
    env = {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1", **changes}
    return {name: value for name, value in env.items() if value is not None}


def run(source, *arguments, status=0, python=sys.executable, **changes):
    """Runs a program; its standard output."""
    done = subprocess.run([python, "-c", source, *map(str, arguments)], env=environment(**changes),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == status, f"ended with {done.returncode}\n{out}\n{err}"
    return out


def command(*arguments):
    """What a verb prints, as JSON."""
    done = subprocess.run([BUILD / "meshtally", *map(str, arguments), "--json"], check=True,
                          stdout=subprocess.PIPE, timeout=TIMEOUT)
    return json.loads(done.stdout)


def native_alloc(space, buffer, size=4096, address=0):
    """As a runtime in C reports: with the tag of the thread."""
    packed = struct.pack(_library.BUFFER_FORMAT, 80, space.handle, buffer, address, size, 0, 0, 0,
                         0 if address else 1024, 0, 0, 0, 0)
    assert _library.lib.mt_alloc(packed) == 0


def tags(snapshot):
    """{id: tag} of what is live."""
    return {buffer.id: buffer.tag for buffer in snapshot}
