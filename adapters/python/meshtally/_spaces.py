# SPDX-License-Identifier: Apache-2.0
"""What a runtime written in Python reports: devices, meshes, and what is allocated on them; and
turning tracking on and off. Names and rules are those of meshtally.h."""
import itertools
import struct
import sys
import threading
from ctypes import addressof, byref, c_char_p, c_uint32, c_uint64, cast, c_void_p
from typing import (Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple,
                    TypeVar, Union)

from . import _library as library
from ._library import gate, lib
from ._results import UNIQUE_IDS, UNPLACED, Flag, Result, kind_number, result_of
from ._tags import current_tag, tag_below

Self = TypeVar("Self", bound="Space")
Kind = Union[str, int]
bytes_type = bytes  # where a parameter has that name

_pack = struct.Struct(library.BUFFER_FORMAT).pack
_BUFFER_BYTES = struct.calcsize(library.BUFFER_FORMAT)
_NO_ADDRESS = int(Flag.NO_ADDRESS)

_PACKAGE = str(library.PACKAGE) + "/"
_SITE_LIMIT = 4096
_sites: Dict[Union[str, bytes], Tuple[int, bytes]] = {}

_open_spaces: "Dict[int, Space]" = {}  # by id(), in the order in which they were opened
_reporting: List[int] = []  # threads that are within report_live
_ids = itertools.count(1)


class Memory(NamedTuple):
    """One memory of a device; its capacity is banks * bank_bytes."""
    kind: Kind = "DRAM"
    banks: int = 1  # equal banks that an allocation is spread over
    bank_bytes: int = 0  # bytes per bank; 0: unknown, then range and capacity are not checked
    base: int = 0  # first address, within each bank
    align: int = 0  # allocation alignment in bytes; 0: unknown


def _bytes_of(text: Union[str, bytes, None]) -> Optional[bytes]:
    if text is None:
        return None
    found = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return found.replace(b"\0", b"?")


def _site_address(site: Union[str, bytes]) -> Tuple[int, bytes]:
    """Where a copy of it lies; the caller keeps the second while it uses the first."""
    kept = _sites.get(site)
    if kept is None:
        copy = _bytes_of(site) or b""
        kept = cast(c_char_p(copy), c_void_p).value or 0, copy
        if len(_sites) >= _SITE_LIMIT:
            _sites.clear()
        _sites[site] = kept
    return kept


def _existing_flag() -> int:
    return int(Flag.EXISTING) if threading.get_ident() in _reporting else 0


def caller(skip: int = 1) -> str:
    """ "file.py:17" of the first code outside of the module that asks (or of the one `skip - 1`
    modules further out), as a site."""
    frame: Any = sys._getframe(1)
    for _ in range(skip):
        module = frame.f_code.co_filename
        while frame.f_back is not None and (frame.f_code.co_filename == module or
                                            frame.f_code.co_filename.startswith(_PACKAGE)):
            frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"


def _check(result: Result, doing: str) -> Result:
    if result is Result.BAD_ARGUMENT:
        raise ValueError(f"{doing}: the library refuses these arguments (MT_BAD_ARGUMENT); "
                         "nothing was recorded")
    return result


class Space:
    """What an allocation lies in: one opening of a device or of a mesh."""

    def __init__(self) -> None:
        self._handle = 0
        self._refused = False
        self._closed = False
        _open_spaces[id(self)] = self
        if gate.value:
            self._open()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _make(self) -> int:
        raise NotImplementedError

    def _open(self) -> int:
        """Opens it in the library, where tracking was off when it was made, too."""
        if not self._handle and not self._closed and not self._refused:
            self._handle = self._make()
            self._refused = not self._handle and bool(gate.value)
        return self._handle

    @property
    def handle(self) -> int:
        """The library's number of it (mt_space), for adapters in C. 0: tracking is off, or there
        was no room for it."""
        return self._open() if gate.value else 0

    def alloc(self, id: int, bytes: int, *, kind: Kind = "DRAM", address: Optional[int] = None,
              span: int = 0, flags: int = 0, parent: int = 0, region: int = 0,
              tag: Optional[str] = None, site: Union[str, bytes_type, None] = None,
              uneven_bytes: Optional[Sequence[int]] = None) -> Result:
        """Reports an allocation. Call it after the range is yours.

        id            the runtime's name of the buffer, 64 bits
        bytes         asked for, on each device
        address       within each bank; None: not known, then ranges and overlaps are not checked
        span          addresses taken on each bank, in bytes, with padding; 0: bytes, in one bank
        flags         Flag.SYSTEM, Flag.CACHE, ...
        parent        id of the pool, owner or backing buffer that it is part of
        region        which address space of the kind, where a chip has several
        tag           a path such as "a/b"; None: the tags that are set
        site          operation or file:line
        uneven_bytes  of a mesh: bytes of each member, row by row

        Returns what was found; faults are in `meshtally faults` as well. ValueError: arguments that
        cannot be, and nothing was recorded.
        """
        if not gate.value:
            return Result.OFF
        handle = self._handle or self._open()
        if address is None:
            address = 0
            flags |= _NO_ADDRESS
        if _reporting:
            flags |= _existing_flag()
        path = current_tag() if tag is None else tag_below(0, tag)
        where, kept = _site_address(site) if site is not None else (0, b"")
        shares: Any = self._shares(uneven_bytes) if uneven_bytes is not None else None
        try:
            packed = _pack(_BUFFER_BYTES, handle, id, address, bytes, span, parent,
                           kind_number(kind), flags, region, path, where,
                           addressof(shares) if shares is not None else 0)
        except struct.error as error:
            raise ValueError(f"alloc({id!r}, {bytes!r}): {error}") from None
        code = lib.mt_alloc(packed)
        del kept, shares  # until here the library read what they point to
        if code == Result.BAD_ARGUMENT:
            _check(Result.BAD_ARGUMENT, f"alloc({id:#x}, {bytes}, kind={kind!r}, flags={flags:#x})")
        return result_of(code)

    def _shares(self, uneven_bytes: Sequence[int]) -> Any:
        raise ValueError("uneven_bytes are for meshes: a device has one share of everything")

    def free(self, id: int) -> Result:
        """Reports that a buffer is freed, on every device that it is on. Call it before the range
        is given back."""
        if not gate.value:
            return Result.OFF
        if not 0 <= id < _ID_LIMIT:
            _id(id)
        return result_of(lib.mt_free(self._handle or self._open(), id))

    def move(self, id: int, to: "Optional[Device]" = None, tag: Optional[str] = None) -> Result:
        """Reports that a live buffer belongs elsewhere from now on: to another device, or under
        another tag, or both. From then on it is freed by the Space of that device. ValueError: it
        is not live here, is divided over the members of a mesh, or `to` is a mesh or closed."""
        if not gate.value:
            return Result.OFF
        path = tag_below(0, tag) if tag is not None else 0
        target = to.handle if to is not None else 0
        return _check(result_of(lib.mt_move(self.handle, _id(id), target, path)),
                      "move(): not live there, divided over a mesh, or to a mesh")

    def buffer(self, bytes: int, **options: Any) -> "Buffer":
        """Reports an allocation under an id of its own (see alloc() for the options), as an object
        with free(), which is also a context manager. Not with unique_ids=True, where ids are the
        runtime's."""
        return Buffer(self, next(_ids), bytes, options)

    def alloc_failed(self, bytes: int, *, kind: Kind = "DRAM", span: int = 0, free_span: int = 0,
                     largest_span: int = 0, reason: Optional[str] = None) -> Result:
        """Reports an allocation that failed, before the exception is raised: who held what is kept
        for `meshtally oom`. All in bytes; spans are per bank, the free and the largest free one."""
        if not gate.value:
            return Result.OFF
        failure = library.mt_failure(kind=kind_number(kind), space=self.handle, bytes=bytes,
                                     span=span, free_span=free_span, largest_span=largest_span,
                                     reason=_bytes_of(reason))
        failure.struct_size = _size(failure)
        return _check(result_of(lib.mt_alloc_failed(byref(failure))), "alloc_failed")

    def check(self, kind: Kind, held: int) -> Result:
        """Compares with the allocator's own figure of what this process holds of a kind on each
        device, in bytes: Result.OK or Result.DRIFT."""
        if not gate.value:
            return Result.OFF
        return _check(result_of(lib.mt_check(self.handle, kind_number(kind), held)), "check")

    def ready(self) -> Result:
        """What was allocated here until now is the runtime's own: system buffers."""
        return result_of(lib.mt_ready(self.handle)) if gate.value else Result.OFF

    def close(self, lost: bool = False) -> Result:
        """Closes it: what the user had in it was leaked, or, when the device was reset under the
        program (lost), lost. A second time it does nothing."""
        if self._closed:
            return Result.OK
        result = Result.OFF
        if gate.value and self._handle:
            result = result_of(lib.mt_close(self._handle, int(lost)))
        self._closed = True
        _open_spaces.pop(id(self), None)
        return result



_ID_LIMIT = 1 << 64
# What move() says where it was done: the faults are about where it lies now.
_MOVED = (Result.OK, Result.VIRTUAL_ONLY, Result.OUT_OF_RANGE, Result.OVER_CAPACITY)


def _id(id: int) -> int:
    if not 0 <= id < _ID_LIMIT:
        raise ValueError(f"the id of a buffer has 64 bits: {id!r} does not fit")
    return id


def _size(structure: Any) -> int:
    return memoryview(structure).nbytes


class Device(Space):
    """A device being opened. The same unique id again is one more opening of the same device.

    ordinal     the number this process knows it by
    unique_id   the chip's own, 64 bits; 0: unknown, then bus and ordinal identify it
    arch, bus   "wormhole_b0", "0000:81:00.0"; None: unknown
    memories    at most 8 Memory
    unique_ids  ids of buffers are unique in the process for all time, not addresses
    unplaced    no chip, but the place of what is allocated and on no chip yet
    """

    def __init__(self, ordinal: int = 0, unique_id: int = 0, *, arch: Optional[str] = None,
                 bus: Optional[str] = None, memories: Iterable[Memory] = (),
                 unique_ids: bool = False, unplaced: bool = False) -> None:
        self.ordinal = ordinal
        self.unique_id = unique_id
        self.arch = arch
        self.bus = bus
        self.memories: List[Memory] = [Memory(*memory) for memory in memories]
        self.flags = (UNIQUE_IDS if unique_ids else 0) | (UNPLACED if unplaced else 0)
        self._validate()
        super().__init__()

    def _validate(self) -> None:
        kinds = [memory.kind for memory in self.memories]
        if len(kinds) > 8 or len(set(kinds)) < len(kinds):
            raise ValueError("a device has at most 8 memories, one of each kind")
        if not 0 <= self.unique_id < 1 << 64:
            raise ValueError(f"unique_id has 64 bits: {self.unique_id!r} does not fit")
        if not -1 << 31 <= self.ordinal < 1 << 31:
            raise ValueError(f"ordinal has 32 bits: {self.ordinal!r} does not fit")
        for memory in self.memories:
            if not 0 <= memory.banks <= 4096 or min(memory[2:]) < 0:
                raise ValueError(f"{memory}: 1 to 4,096 banks, and no figure below 0")
        if self.flags & UNPLACED and (self.unique_id or self.bus or self.memories):
            raise ValueError("what is on no chip has no unique_id, bus or memories")

    def __repr__(self) -> str:
        name = f"meshtally.Device({self.ordinal}"
        return name + (f", unique_id={self.unique_id:#x})" if self.unique_id else ")")

    def _make(self) -> int:
        count = len(self.memories)
        memories = (library.mt_memory * max(count, 1))(
            *(library.mt_memory(kind_number(m.kind), m.banks, m.base, m.bank_bytes, m.align)
              for m in self.memories))
        device = library.mt_device(ordinal=self.ordinal, unique_id=self.unique_id,
                                   arch=_bytes_of(self.arch), bus=_bytes_of(self.bus),
                                   memories=memories, memory_count=count, flags=self.flags)
        device.struct_size = _size(device)
        return lib.mt_device_open(byref(device))  # type: ignore[no-any-return]


class Mesh(Space):
    """A mesh being opened over open devices, row by row: Mesh([[d0, d1], [d2, d3]]). None is a
    device of another host: in the shape, not counted. Closing it leaves the devices open.

    parent      the mesh that this one is a part of
    unique_ids  as of a device
    """

    def __init__(self, rows: Sequence[Sequence[Optional[Device]]], *, name: Optional[str] = None,
                 parent: "Optional[Mesh]" = None, unique_ids: bool = False) -> None:
        self.rows = [list(row) for row in rows]
        self.name = name
        self.parent = parent
        self.flags = UNIQUE_IDS if unique_ids else 0
        widths = {len(row) for row in self.rows}
        if len(widths) != 1 or not max(widths) or len(self.rows) * max(widths) > 1024:
            raise ValueError("a mesh has rows of the same length, with 1 to 1,024 devices in all")
        members = [id(device) for device in self.devices]
        if not all(isinstance(device, Device) for device in self.devices) \
                or len(set(members)) < len(members):
            raise ValueError("members of a mesh are Device objects, each at one place")
        super().__init__()

    def __repr__(self) -> str:
        return f"meshtally.Mesh({len(self.rows)}x{len(self.rows[0])})"

    @property
    def devices(self) -> List[Device]:
        """Those of this host."""
        return [device for row in self.rows for device in row if device is not None]

    def _make(self) -> int:
        members = [device.handle if device is not None else 0
                   for row in self.rows for device in row]
        mesh = library.mt_mesh(rows=len(self.rows), columns=len(self.rows[0]), flags=self.flags,
                               devices=(c_uint32 * len(members))(*members),
                               parent=self.parent.handle if self.parent is not None else 0,
                               name=_bytes_of(self.name))
        mesh.struct_size = _size(mesh)
        return lib.mt_mesh_open(byref(mesh))  # type: ignore[no-any-return]

    def _shares(self, uneven_bytes: Sequence[int]) -> Any:
        members = len(self.rows) * len(self.rows[0])
        if len(uneven_bytes) != members or min(uneven_bytes) < 0:
            raise ValueError(f"uneven_bytes: {members} numbers, one of each member")
        return (c_uint64 * members)(*uneven_bytes)

    def free_on(self, id: int, device: Device) -> Result:
        """Reports that the share of one device of a buffer is freed."""
        if not gate.value:
            return Result.OFF
        return result_of(lib.mt_free_on(self.handle, _id(id), device.handle))


class Buffer:
    """One allocation, as reported: id, bytes (on each device), result (of reporting it)."""

    def __init__(self, space: Space, id: int, bytes: int, options: Dict[str, Any]) -> None:
        self.space = space
        self.id = id
        self.bytes = bytes
        self.freed = False
        self.result = space.alloc(id, bytes, **options)

    def __repr__(self) -> str:
        state = "freed" if self.freed else self.result.name
        return f"<meshtally.Buffer {self.id} of {self.bytes} bytes on {self.space!r}: {state}>"

    def __enter__(self) -> "Buffer":
        return self

    def __exit__(self, *exception: object) -> None:
        if not self.freed:
            self.free()

    def free(self) -> Result:
        """Reports that it is freed; twice is a fault, as with a real one."""
        self.freed = True
        return self.space.free(self.id)

    def free_on(self, device: Device) -> Result:
        """Of a buffer on a mesh: reports that the share of one device is freed."""
        if not isinstance(self.space, Mesh):
            raise ValueError("only what is on a mesh has shares")
        return self.space.free_on(self.id, device)

    def move(self, to: Optional[Device] = None, tag: Optional[str] = None) -> Result:
        """Reports that it lies on another device from now on, or belongs to another tag."""
        result = self.space.move(self.id, to, tag)
        if to is not None and result in _MOVED:
            self.space = to
        return result


def enable(on: bool = True, report_live: Optional[Callable[[], object]] = None) -> Result:
    """Turns tracking on or off. When it is on already, nothing happens.

    Turned on late, the Device and Mesh objects that are open are reported first; then report_live()
    is called once, in which a runtime reports what is live, by alloc() as always. Frees of what was
    not reported then are Result.BEFORE, not faults. Result.OFF: the library is missing, status()
    has more."""
    if lib is None:
        return Result.OFF
    failed: List[BaseException] = []

    def report(_: Optional[int]) -> None:
        _reporting.append(threading.get_ident())
        try:
            for space in list(_open_spaces.values()):
                space._refused = False
                space._open()
            if report_live is not None:
                report_live()
        except BaseException as error:  # has no way through the library
            failed.append(error)
        finally:
            _reporting.remove(threading.get_ident())

    if not on:
        for space in list(_open_spaces.values()):
            space._handle = 0
    result = result_of(lib.mt_enable(int(on), library.REPORT_LIVE(report), None))
    if failed:
        raise failed[0]
    return result
