# SPDX-License-Identifier: Apache-2.0
"""What a call found, flags of buffers and devices, and the numbers of memory kinds."""
import enum
from typing import Dict, Union

from ._library import lib


class Result(enum.IntEnum):
    """What a call found, as in meshtally.h without its MT_. Below 16: fine, or told. 16 to 63: a
    fault, which is also in the fault log (`meshtally faults`). From 64: nothing was recorded."""
    OK = 0
    OFF = 1  # tracking is off
    VIRTUAL_ONLY = 2  # recorded but not counted
    LATE = 3  # freed after its space was closed
    INHERITED = 4  # a forked child freed what its parent had allocated
    BEFORE = 5  # freed, but allocated before tracking began
    NO_DETAIL = 6  # counted, but without a record of its own
    DUPLICATE = 16  # live already with the same size
    REPLACED = 17  # live with another size or kind: the old one was ended
    UNKNOWN_FREE = 18
    DOUBLE_FREE = 19
    OUT_OF_RANGE = 20
    OVER_CAPACITY = 21
    DRIFT = 22  # check(): the allocator's own figure differs
    CLASH = 23
    UNKNOWN_SPACE = 24
    WRONG_SPACE = 25
    ALLOC_FAILED = 26
    LOST_EVENTS = 27
    WRONG_PROCESS = 28
    MALFORMED = 29
    BAD_ARGUMENT = 64
    FULL = 65
    BUSY = 66

    def __str__(self) -> str:
        return self.name

    @property
    def is_fault(self) -> bool:
        """Whether something was wrong with what was reported."""
        return 16 <= self < 64

    @classmethod
    def _missing_(cls, value: object) -> "Result":
        # Of a newer library than this package.
        unknown = int.__new__(cls, value)  # type: ignore[call-overload]
        unknown._name_ = f"UNKNOWN_{value}"
        unknown._value_ = value
        return unknown  # type: ignore[no-any-return]


_known: Dict[int, Result] = {int(result): result for result in Result}


def result_of(code: int) -> Result:
    try:
        return _known[code]
    except KeyError:
        return Result(code)


class Flag(enum.IntFlag):
    """Flags of a buffer, as in meshtally.h."""
    SYSTEM = 1  # the runtime's own, from opening to closing; never a leak
    CACHE = 2  # kept on purpose, such as kernel binaries in a program cache; never a leak
    VIEW = 4  # lies in memory that another buffer owns: shown, never counted
    BACKING = 8
    LOCAL = 16
    POOL = 32  # a pool from which SUB buffers are cut: counted
    SUB = 64  # cut from the pool whose id is `parent`: shown as used of it, not counted
    IMPORT = 128  # another process's memory, opened here: shown, not counted
    EXISTING = 256  # was there before tracking began
    VIRTUAL = 512  # no memory behind it: recorded, not counted
    NO_ADDRESS = 1024  # nobody knows where it lies


UNIQUE_IDS = 1
UNPLACED = 2

NO_KIND = 0xffffffff
_kinds: Dict[str, int] = {"DRAM": 0, "L1": 1, "HOST": 2, "L1_SMALL": 3, "TRACE": 4, "CB": 5}


def kind_number(kind: Union[str, int]) -> int:
    """The number of a memory kind by its name; needs the library for names of one's own."""
    if isinstance(kind, int):
        return kind
    number = _kinds.get(kind)
    if number is None:
        number = lib.mt_kind(kind.encode()) if lib is not None else NO_KIND
        if number == NO_KIND:
            raise ValueError(f"no memory kind can be made of {kind!r}: names have 1 to 15 bytes, "
                             "and there are at most 32 kinds")
        _kinds[kind] = number
    return number
