# SPDX-License-Identifier: Apache-2.0
"""What this process holds, buffer by buffer; what came and went between two moments; what was
leaked. Read by the command `meshtally` from an image of this process' segments, so that all figures
are of one moment."""
import collections
import json
import os
import shutil
import tempfile
import time
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from . import _command
from ._library import gate
from ._tables import ROWS_SHOWN, Shown, Table, bytes_text, change_text, count_text, counted, ranges


UNPLACED = "unplaced"


class DeviceInfo(NamedTuple):
    """A device as other processes know it."""
    label: str  # short: its ordinal where that is enough; "unplaced": on no device yet
    ordinal: Optional[int]
    unique_id: Optional[int]
    arch: Optional[str]
    bus: Optional[str]

    @property
    def identity(self) -> Tuple[Any, ...]:
        """The same for the same device at all times."""
        if self.unique_id:
            return ("uid", self.unique_id)
        return ("bus", self.bus) if self.bus else ("label", self.label)


class LiveBuffer(NamedTuple):
    """One live buffer. Bytes are what was asked for: `bytes` on each device (the largest share,
    where they differ), `total_bytes` on all."""
    tag: Optional[str]
    site: Optional[str]
    kind: str
    buffer_class: str  # user, system, cache (these count); view, sub, import, virtual
    bytes: int
    total_bytes: int
    devices: Tuple[DeviceInfo, ...]
    id: int
    address: Optional[int]  # within each bank; None: not known
    span_bytes_per_bank: Optional[int]
    parent: Optional[int]
    thread: Optional[int]
    allocated_unix_seconds: Optional[float]
    operation: int  # the order of everything that a segment recorded
    identity: str  # of the segment
    records: int  # more than 1: reported per device

    @property
    def is_counted(self) -> bool:
        return self.buffer_class in ("user", "system", "cache")

    def __repr__(self) -> str:
        where = ranges([device.label for device in self.devices])
        return (f"<{bytes_text(self.bytes)} {self.kind} on device {where}, tag {self.tag!r}, "
                f"site {self.site!r}>")


def _number(text: Optional[str]) -> Optional[int]:
    return int(text, 16) if text is not None else None


def devices_of(answer: Dict[str, Any]) -> Dict[int, DeviceInfo]:
    """By row of this one answer."""
    ordinals = collections.Counter(device["ordinal"] for device in answer["devices"])
    found = {}
    for device in answer["devices"]:
        ordinal = device["ordinal"]
        alone = ordinal is not None and ordinals[ordinal] == 1
        label = UNPLACED if device.get("unplaced") else str(ordinal) if alone else \
            device["unique_id"] or device["bus"] or f"row {device['row']}"
        found[device["row"]] = DeviceInfo(label, ordinal, _number(device["unique_id"]),
                                          device["arch"], device["bus"])
    return found


def devices_text(devices: Iterable[DeviceInfo]) -> str:
    """How many; what is on none yet is none."""
    return counted(sum(device.label != UNPLACED for device in devices), "device")


def _of_rows(rows: Iterable[int], devices: Dict[int, DeviceInfo]) -> Tuple[DeviceInfo, ...]:
    return tuple(devices.get(row) or DeviceInfo(f"row {row}", None, None, None, None)
                 for row in rows)


def _buffer(line: Dict[str, Any], devices: Dict[int, DeviceInfo]) -> LiveBuffer:
    return LiveBuffer(line["tag"], line["site"], line["kind"], line["class"], line["bytes"],
                      line["total_bytes"], _of_rows(line["rows"], devices),
                      int(line["id"], 16), _number(line["address"]), line["span_bytes_per_bank"],
                      _number(line["parent"]), line["thread"], line["start_unix_seconds"],
                      line["operation"], line["identity"], line["records"])


class Image:
    """The segments of this process in a file, which is deleted again unless it was asked for."""

    def __init__(self, keep: Optional[str]) -> None:
        self.kept = keep
        self._folder = tempfile.mkdtemp(prefix="meshtally-") if keep is None else None
        self.file = keep if keep is not None else os.path.join(self._folder or "", "image")
        self.taken = False

    def __enter__(self) -> "Image":
        try:
            _command.ask("snapshot", "-p", str(os.getpid()), "--", self.file)
            self.taken = True
        except _command.CommandMissing:
            if gate.value:
                self.__exit__()
                raise
        except _command.Error:
            if _command.own_segments():
                self.__exit__()
                raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, verb: str, *options: str) -> Any:
        return json.loads(_command.ask(verb, "--from", self.file, "--json", *options))


class Snapshot(Shown):
    """All that this process held at one moment.

    buffers  LiveBuffer, the largest first
    devices  DeviceInfo
    tracked  False: nothing of this process is recorded, so an empty list means nothing
    exact    False: figures are a lower bound
    file     the image, where one was asked for
    taken_unix_seconds  when; None: nothing is recorded
    """

    def __init__(self, buffers: Sequence[LiveBuffer] = (), devices: Sequence[DeviceInfo] = (),
                 tracked: bool = False, exact: bool = True, file: Optional[str] = None,
                 taken_unix_seconds: Optional[float] = None) -> None:
        self.buffers = tuple(buffers)
        self.devices = tuple(devices)
        self.tracked = tracked
        self.exact = exact
        self.file = file
        self.taken_unix_seconds = taken_unix_seconds

    def __len__(self) -> int:
        return len(self.buffers)

    def __iter__(self) -> Any:
        return iter(self.buffers)

    @property
    def total_bytes(self) -> int:
        """Asked for, on all devices; views and the like are not counted."""
        return sum(buffer.total_bytes for buffer in self.buffers if buffer.is_counted)

    def by_tag(self) -> Dict[Optional[str], int]:
        """Total bytes of each tag, the largest first. None: no tag."""
        sums: "collections.Counter[Optional[str]]" = collections.Counter()
        for buffer in self.buffers:
            if buffer.is_counted:
                sums[buffer.tag] += buffer.total_bytes
        return dict(sums.most_common())

    def _table(self) -> Table:
        mark = "" if self.exact else "~"
        title = (f"{mark}{bytes_text(self.total_bytes)} in {counted(len(self.buffers), 'buffer')} "
                 f"on {devices_text(self.devices)}")
        notes = [] if self.tracked else [_untracked()]
        rows = [[bytes_text(b.bytes), ranges([d.label for d in b.devices]), b.kind, b.buffer_class,
                 b.tag or "-", b.site or "-"] for b in self.buffers[:ROWS_SHOWN]]
        return Table(title, ("BYTES>", "DEVICES", "KIND", "CLASS", "TAG", "SITE"), rows,
                     len(self.buffers), notes)


def _untracked() -> str:
    from ._status import status
    return f"Nothing of this process is recorded: {status().advice}"


def _read(image: Image) -> Tuple[Snapshot, Dict[int, DeviceInfo]]:
    if not image.taken:
        return Snapshot(), {}
    taken = time.time()
    devices = devices_of(image.ask("devices"))
    # Not those that were ended by enable(False), or belong to what this process was before exec().
    live = {process["identity"] for process in image.ask("ps")["processes"]
            if process["state"] == "live"}
    answer = image.ask("ls", "-n", "0")
    buffers = [_buffer(line, devices) for line in answer["buffers"] if line["identity"] in live]
    exact = answer["exact"] and not answer["buffers_without_record"]
    return Snapshot(buffers, tuple(devices.values()), bool(live), exact, image.kept,
                    (taken + time.time()) / 2), devices


def snapshot(path: Optional[str] = None) -> Snapshot:
    """What this process holds now, through whatever it was reported: this module, the OpenCL layer,
    a runtime in C++. With a path the image stays there, for `meshtally diff` and for every verb
    with --from.

    Takes some milliseconds. CommandMissing where tracking is on and there is no command
    `meshtally`."""
    with Image(os.path.abspath(path) if path is not None else None) as image:
        return _read(image)[0]


class Change(NamedTuple):
    """Buffers that are alike and came, went, or did both. Bytes on all devices."""
    tag: Optional[str]
    site: Optional[str]
    kind: str
    buffer_class: str
    bytes: int  # of one buffer on one device
    devices: Tuple[DeviceInfo, ...]
    came: int  # buffers, counted once per device that they are on
    came_bytes: int
    went: int
    went_bytes: int


class Diff(Shown):
    """What came and what went between two snapshots, the largest change first. True where anything
    did. `came` and `went` are of single buffers, whatever their sizes add up to."""

    def __init__(self, changes: Sequence[Change], before_bytes: int, after_bytes: int,
                 exact: bool) -> None:
        self.changes = tuple(changes)
        self.before_bytes = before_bytes
        self.after_bytes = after_bytes
        self.exact = exact

    def __len__(self) -> int:
        return len(self.changes)

    def __iter__(self) -> Any:
        return iter(self.changes)

    @property
    def came(self) -> Tuple[Change, ...]:
        return tuple(change for change in self.changes if change.came)

    @property
    def went(self) -> Tuple[Change, ...]:
        return tuple(change for change in self.changes if change.went)

    def _table(self) -> Table:
        total = change_text(self.after_bytes - self.before_bytes)
        title = (f"{'' if self.exact else '~'}{total}: {bytes_text(self.before_bytes)} before, "
                 f"{bytes_text(self.after_bytes)} after")
        rows = [[change_text(c.came_bytes - c.went_bytes), count_text(c.came), count_text(c.went),
                 bytes_text(c.bytes), ranges([d.label for d in c.devices]), c.kind,
                 c.buffer_class, c.tag or "-", c.site or "-"] for c in self.changes[:ROWS_SHOWN]]
        return Table(title, ("CHANGE>", "CAME>", "WENT>", "BYTES>", "DEVICES", "KIND", "CLASS",
                             "TAG", "SITE"), rows, len(self.changes))


_Share = Tuple[LiveBuffer, DeviceInfo, int]  # the buffer, one device of it, bytes there


def _that_changed(before: Snapshot, after: Snapshot) -> Tuple[List[LiveBuffer], List[LiveBuffer]]:
    """Without those that are on both sides, wherever they were moved meanwhile."""
    sides: List[List[LiveBuffer]] = []
    known: "List[Dict[Any, List[LiveBuffer]]]" = []
    for snapshot in (before, after):
        groups: "Dict[Any, List[LiveBuffer]]" = collections.defaultdict(list)
        for b in snapshot.buffers:
            if b.records == 1:
                groups[b.identity, b.id].append(b)
        sides.append([b for b in snapshot.buffers if b.records > 1])
        known.append(groups)

    def is_untouched(x: LiveBuffer, y: LiveBuffer) -> bool:
        return x.operation == y.operation and x.total_bytes == y.total_bytes

    def is_moved(x: LiveBuffer, y: LiveBuffer) -> bool:
        # A move is an operation; the time stays that of the allocation. Times are approximate.
        return x.total_bytes == y.total_bytes and y.allocated_unix_seconds is not None and \
            before.taken_unix_seconds is not None and \
            y.allocated_unix_seconds < before.taken_unix_seconds

    for key in {**known[0], **known[1]}:
        old, new = known[0].get(key, []), known[1].get(key, [])
        for is_same in (is_untouched, is_moved):
            for b in list(new):
                match = next((o for o in old if is_same(o, b)), None)
                if match is not None:
                    old.remove(match)
                    new.remove(b)
        sides[0] += old
        sides[1] += new
    return sides[0], sides[1]


def _shares(buffers: Iterable[LiveBuffer]) -> "Dict[Any, List[_Share]]":
    """What is on each device, by all that can be seen of it but the operation."""
    found: "Dict[Any, List[_Share]]" = collections.defaultdict(list)
    for b in buffers:
        even = b.bytes * len(b.devices) == b.total_bytes or not b.devices
        for i, device in enumerate(b.devices or (DeviceInfo("-", None, None, None, None),)):
            amount = b.bytes if even else b.total_bytes if i == 0 else 0
            key = (b.identity, b.kind, b.buffer_class, b.address, b.bytes, b.tag, b.site,
                   device.identity)
            found[key].append((b, device, amount))
    return found


def _cancel(went: "List[_Share]", came: "List[_Share]") -> None:
    """Takes out of both what is the same buffer. A line that joins the records of several devices
    has the operation of the first of them only, so it is any that looks the same."""
    there = {share[0].operation: share for share in went if share[0].records == 1}
    for share in [share for share in came if share[0].records == 1]:
        if share[0].operation in there:
            went.remove(there.pop(share[0].operation))
            came.remove(share)
    for share in [share for share in came if share[0].records > 1]:
        if went:
            went.pop()
            came.remove(share)
    for share in [share for share in went if share[0].records > 1]:
        if came:
            came.pop()
            went.remove(share)


def _changes(before: "Dict[Any, List[_Share]]",
             after: "Dict[Any, List[_Share]]") -> List[Change]:
    groups: Dict[Any, List[Any]] = {}
    for key in {**before, **after}:
        went, came = list(before.get(key, ())), list(after.get(key, ()))
        _cancel(went, came)
        for share, side in [(s, 0) for s in came] + [(s, 2) for s in went]:
            b, device, amount = share
            alike = (b.tag, b.site, b.kind, b.buffer_class, b.bytes)
            group = groups.setdefault(alike, [0, 0, 0, 0, {}])
            group[side] += 1
            group[side + 1] += amount
            group[4][device.identity] = device
    changes = [Change._make((*alike, tuple(group[4].values()), *group[:4]))
               for alike, group in groups.items()]
    return sorted(changes, key=lambda c: (-abs(c.came_bytes - c.went_bytes),
                                          -max(c.came_bytes, c.went_bytes)))


def diff(before: Snapshot, after: Snapshot) -> Diff:
    """What came and what went between two snapshots of the same process. What was moved to another
    device or tag (move()) did neither."""
    old, new = _that_changed(before, after)
    return Diff(_changes(_shares(old), _shares(new)), before.total_bytes, after.total_bytes,
                before.exact and after.exact)


class Leak(NamedTuple):
    """Records that are alike and were not given back."""
    verdict: str  # leaked (live when its space was closed) or lost (the device was reset)
    tag: Optional[str]
    site: Optional[str]
    kind: str
    bytes: int  # of one, on each device
    total_bytes: int
    records: int
    device_buffers: int
    devices: Tuple[DeviceInfo, ...]


class Leaks(Shown, Tuple[Leak, ...]):
    """What was leaked or lost, the largest first."""

    def _table(self) -> Table:
        total = sum(leak.total_bytes for leak in self)
        title = f"{bytes_text(total)} leaked or lost" if self else "Nothing was leaked or lost."
        rows = [[leak.verdict, bytes_text(leak.bytes), count_text(leak.device_buffers),
                 bytes_text(leak.total_bytes), ranges([d.label for d in leak.devices]), leak.kind,
                 leak.tag or "-", leak.site or "-"] for leak in self[:ROWS_SHOWN]]
        return Table(title, ("VERDICT", "BYTES>", "BUFFERS>", "TOTAL>", "DEVICES", "KIND", "TAG",
                             "SITE"), rows, len(self))


def _leaks(image: Image, devices: Dict[int, DeviceInfo]) -> Leaks:
    answer = image.ask("leaks", "-n", "0")
    return Leaks(Leak(leak["verdict"], leak["tag"], leak["site"], leak["kind"], leak["bytes"],
                      leak["total_bytes"], leak["records"], leak["device_buffers"],
                      _of_rows(leak["rows"], devices))
                 for leak in answer["leaks"] if leak["verdict"] in ("leaked", "lost"))


def leaks() -> Leaks:
    """What this process has leaked until now: live when its device or mesh was closed; or lost, by
    close(lost=True). What is live and could still be freed is in snapshot()."""
    with Image(None) as image:
        return _leaks(image, devices_of(image.ask("devices"))) if image.taken else Leaks()


def snapshot_and_leaks() -> Tuple[Snapshot, Leaks]:
    """Both, of one moment."""
    with Image(None) as image:
        live, devices = _read(image)
        return live, _leaks(image, devices) if image.taken else Leaks()
