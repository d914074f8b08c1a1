# SPDX-License-Identifier: Apache-2.0
"""Whether this process is tracked, and if not, why."""
from typing import List, NamedTuple, Optional

from . import _command, _library
from ._spaces import _open_spaces


class Status(NamedTuple):
    """on: tracking is on. library, command: their paths, or None. notes: what is wrong, and what to
    do about it."""
    on: bool
    library: Optional[str]
    command: Optional[str]
    notes: List[str]

    @property
    def advice(self) -> str:
        if self.notes:
            return self.notes[0]
        if not self.on:
            return ("tracking is off: start the program with `meshtally run -- python3 ...` or "
                    "with MESHTALLY=1 in the environment, or call meshtally.enable()")
        return "tracking is on, and no runtime has reported anything yet (`meshtally doctor`)"

    def __repr__(self) -> str:
        lines = [f"tracking  {'on' if self.on else 'off'}",
                 f"library   {self.library or '-'}",
                 f"command   {self.command or '-'}"]
        lines += [f"note      {note}" for note in self.notes]
        if not self.on and not self.notes:
            lines.append(f"note      {self.advice}")
        return "\n".join(lines)


def status() -> Status:
    """Whether this process is tracked; what is missing, if anything. Never raises."""
    notes = []
    if _library.trouble:
        notes.append(_library.trouble)
    copies = _library.mapped()
    if len(copies) > 1:
        notes.append("there are several copies of the library in this process, tags reach one of "
                     "them only: " + ", ".join(copies))
    refused = [space for space in _open_spaces.values() if space._refused]
    if refused:
        notes.append(f"there was no room for {refused[0]!r} (`meshtally faults`)")
    if _command.trouble():
        notes.append(_command.trouble())
    library = _library.path()
    if _library.lib is not None and library is None:
        library = "(part of the program)"
    return Status(_library.is_on(), library, _command.path(), notes)
