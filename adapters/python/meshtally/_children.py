# SPDX-License-Identifier: Apache-2.0
"""Children of multiprocessing that were forked end by os._exit(), past the library's own exit
handler: what they leave would look as if they had been killed, one file of each. So one that holds
nothing ends its segment itself; one that holds something stays as it is, for `meshtally leaks`."""
import os
import sys
from typing import Any

from . import _command
from ._library import REPORT_LIVE, gate, lib

_no_report = REPORT_LIVE(0)  # NULL

class _Anchor:
    pass


_anchor = _Anchor()
_armed = 0  # the process in which the end is waited for


def _end() -> None:
    # Under `meshtally run` that looks after what is left.
    if not gate.value or os.environ.get("MESHTALLY_RUN"):
        return
    try:
        processes = _command.ask_json("ps", "-p", str(os.getpid()))["processes"]
    except (_command.Error, OSError, ValueError):
        return
    held = [kind for process in processes for kind in process["kinds"]
            if kind["buffers"] is None or kind["buffers"] or kind["held_bytes"]]
    faults = [process for process in processes if process["faults"]]
    if not held and not faults:
        lib.mt_enable(0, _no_report, None)


def _arm(*_: Any) -> None:
    global _armed
    util = sys.modules.get("multiprocessing.util")
    if util is not None and _armed != os.getpid():
        _armed = os.getpid()
        util.Finalize(None, _end, exitpriority=-1000)


def _forked() -> None:
    util = sys.modules.get("multiprocessing.util")
    if util is not None:  # its own child forgets finalizers, and then calls _arm
        util.register_after_fork(_anchor, _arm)


def watch() -> None:
    """Once, when the package is imported."""
    if lib is None:
        return
    os.register_at_fork(after_in_child=_forked)
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return
    _forked()
    if process.parent_process() is not None:  # imported in the child itself
        _arm()

