# SPDX-License-Identifier: Apache-2.0
"""Who holds device memory in this program, on which accelerator, from which line, and did it come
back.

    import meshtally as mt

    with mt.tag("layer3/attn"):      # what is allocated here is layer3/attn's
        y = model(x)
    mt.mark("step", n)               # a point to compare with
    before = mt.snapshot()
    print(mt.diff(before, mt.snapshot()))

Tracking is on under `meshtally run -- python3 train.py`, with MESHTALLY=1 in the environment, or by
enable(). Otherwise, or where libmeshtally is not installed, all of this does nothing; status() says
which it is. Runtimes written in Python report by Device, Mesh and their alloc() and free().

All amounts are bytes, as int; None is "not known". docs/python.md has more.
"""
from ._children import watch as _watch
from ._command import CommandMissing, Error
from ._figures import DeviceUsage, Usage, devices, usage
from ._library import is_on
from ._results import Flag, Result
from ._snapshot import (Change, DeviceInfo, Diff, Leak, Leaks, LiveBuffer, Snapshot, diff, leaks,
                        snapshot)
from ._spaces import Buffer, Device, Memory, Mesh, caller, enable
from ._status import Status, status
from ._tags import carry, follow_tasks, mark, tag
from ._version import VERSION

__version__ = VERSION
__all__ = ["Buffer", "Change", "CommandMissing", "Device", "DeviceInfo", "DeviceUsage", "Diff",
           "Error", "Flag", "Leak", "Leaks", "LiveBuffer", "Memory", "Mesh", "Result", "Snapshot",
           "Status", "Usage", "caller", "carry", "devices", "diff", "enable", "follow_tasks",
           "is_on", "leaks", "mark", "snapshot", "status", "tag", "usage"]

_watch()
