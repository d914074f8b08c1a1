# SPDX-License-Identifier: Apache-2.0
"""Finds the command `meshtally` and asks it: everything that reads segments is there."""
import json
import os
import pathlib
import shutil
import subprocess
from typing import Any, Iterator, Optional

from ._library import PACKAGE, SOURCE


class Error(RuntimeError):
    """The command `meshtally` could not do what it was asked for; the text is its own."""


class CommandMissing(Error):
    """There is no command `meshtally`; the text says what to install."""


def _near_package() -> Iterator[pathlib.Path]:
    if SOURCE is not None:
        yield SOURCE / "build" / "meshtally"
    for parent in PACKAGE.parents:
        if parent.name in ("lib", "lib64"):
            yield parent.parent / "bin" / "meshtally"
            break


def path() -> Optional[str]:
    """The command that is asked, or None."""
    wanted = os.environ.get("MESHTALLY_COMMAND")
    if wanted:
        return shutil.which(wanted)
    for near in _near_package():
        if os.access(near, os.X_OK) and near.is_file():
            return str(near)
    return shutil.which("meshtally")


def trouble() -> str:
    """What to do about a missing command; "" where there is one."""
    if path() is not None:
        return ""
    wanted = os.environ.get("MESHTALLY_COMMAND")
    if wanted:
        return f"MESHTALLY_COMMAND={wanted} is no program that can be run"
    return ("the command `meshtally`, which reads what is recorded, is not on the PATH: install "
            "the package meshtally (or run `make install`), or set MESHTALLY_COMMAND to its path")


def ask(*arguments: str, status: int = 0) -> str:
    """Runs a verb; what it printed. Error where it ends with another status."""
    command = path()
    if command is None:
        raise CommandMissing(trouble())
    done = subprocess.run([command, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode != status:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise Error(said or f"`meshtally {' '.join(arguments)}` ended with {done.returncode}")
    return done.stdout.decode("utf-8", "replace")


def ask_json(*arguments: str) -> Any:
    return json.loads(ask(*arguments, "--json"))


def own_segments() -> int:
    """How many segments of this process there are to read."""
    processes = ask_json("ps", "-p", str(os.getpid()))["processes"]
    return sum(process["source"] == "segment" for process in processes)
