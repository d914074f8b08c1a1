# SPDX-License-Identifier: Apache-2.0
"""What this process holds of each device, as figures."""
import os
from ctypes import byref
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from . import _command
from ._library import gate, lib, mt_usage
from ._results import Result, kind_number, result_of
from ._snapshot import DeviceInfo, Image, devices_of, devices_text
from ._spaces import Device, Kind, Space
from ._tables import Shown, Table, bytes_text, count_text


class Usage(NamedTuple):
    """Figures of one device and kind of memory, of this process alone. Bytes; None: not known."""
    bytes: Optional[int] = None  # asked for: user + system + cache
    system: Optional[int] = None  # of which the runtime's own
    cache: Optional[int] = None  # of which caches
    held: Optional[int] = None  # counts against the capacity: padding and all banks
    capacity: Optional[int] = None
    peak: Optional[int] = None  # highest held so far
    peak_since_mark: Optional[int] = None  # since the last mark(); of Device objects only
    buffers: Optional[int] = None
    allocs: Optional[int] = None  # of Device objects only, as are frees and faults
    frees: Optional[int] = None
    faults: Optional[int] = None
    exact: Optional[bool] = None  # False: figures are a lower bound

    @property
    def user(self) -> Optional[int]:
        if self.bytes is None or self.system is None or self.cache is None:
            return None
        return self.bytes - self.system - self.cache


_COLUMNS = ("KIND", "BYTES>", "USER>", "SYSTEM>", "CACHE>", "HELD>", "CAPACITY>", "PEAK>",
            "BUFFERS>")


def _rows(figures: Dict[str, Usage]) -> List[List[str]]:
    return [[kind, bytes_text(u.bytes), bytes_text(u.user), bytes_text(u.system),
             bytes_text(u.cache), bytes_text(u.held), bytes_text(u.capacity),
             bytes_text(u.peak), count_text(u.buffers)] for kind, u in figures.items()]


class DeviceUsage(Shown, Dict[str, Usage]):
    """Usage by kind of memory ("DRAM", "L1", ...); of a kind that is not there nothing is known."""

    def __init__(self, name: str, figures: Dict[str, Usage],
                 device: Optional[DeviceInfo] = None) -> None:
        super().__init__(figures)
        self.name = name
        self.device = device

    def __missing__(self, kind: str) -> Usage:
        return Usage()

    def _table(self) -> Table:
        notes = [] if gate.value or self else ["Tracking is off: nothing is known."]
        return Table(self.name, _COLUMNS, _rows(self), notes=notes)


def _from_library(device: Device, kind: Kind) -> Usage:
    figures = mt_usage(struct_size=memoryview(mt_usage()).nbytes)
    result = result_of(lib.mt_device_usage(device.handle, kind_number(kind), byref(figures)))
    if result is not Result.OK:
        return Usage()
    return Usage(figures.bytes, figures.system, figures.cache, figures.held,
                 figures.capacity or None, figures.peak, figures.peak_since_mark, figures.buffers,
                 figures.allocs, figures.frees, figures.faults, bool(figures.exact))


def _from_command(kind: Dict[str, Any]) -> Usage:
    return Usage(kind["bytes"], kind["system_bytes"], kind["cache_bytes"], kind["held_bytes"],
                 kind["capacity_bytes"], kind["peak_held_bytes"], None, kind["buffers"],
                 exact=kind["exact"])


def usage(device: Union[Device, str, int], kind: Optional[Kind] = None) -> Any:
    """What this process holds of a device: a DeviceUsage, or the Usage of one kind of memory.

    A Device object is asked in about a microsecond, of its memories' kinds. Devices that others
    have opened in this process (the OpenCL layer, a runtime in C++) are named as the command does:
    by their row in `meshtally devices`, "0xUID" or bus address; that runs the command, and takes
    milliseconds; Error where there is no such device. While tracking is off, all is None."""
    if isinstance(device, Space) and not isinstance(device, Device):
        raise ValueError("a mesh has no figures of its own: ask its devices (mesh.devices)")
    if isinstance(device, Device):
        kinds: List[Kind] = [memory.kind for memory in device.memories] or ["DRAM"]
        if kind is not None:
            return _from_library(device, kind) if gate.value else Usage()
        figures = {str(each): _from_library(device, each) for each in kinds} if gate.value else {}
        return DeviceUsage(repr(device), figures)
    try:
        answer = _command.ask_json("devices", "-p", str(os.getpid()), "-d", str(device))
    except _command.Error:
        if gate.value:
            raise
        return DeviceUsage(f"device {device}", {}) if kind is None else Usage()
    found = _usages(answer)
    if len(found) != 1:
        raise ValueError(f"{device!r} names {len(found)} devices of this process")
    return found[0] if kind is None else found[0][str(kind)]


def _usages(answer: Dict[str, Any]) -> List[DeviceUsage]:
    infos = devices_of(answer)
    return [DeviceUsage(f"{'' if device.get('unplaced') else 'device '}{infos[device['row']].label}"
                        f"{' (' + device['arch'] + ')' if device['arch'] else ''}",
                        {kind["kind"]: _from_command(kind) for kind in device["kinds"]},
                        infos[device["row"]])
            for device in answer["devices"]]


class Devices(Shown, Tuple[DeviceUsage, ...]):
    """DeviceUsage of each device."""

    def _table(self) -> Table:
        infos = [each.device for each in self if each.device is not None]
        return Table(devices_text(infos), ("DEVICE", *_COLUMNS),
                     [[each.name, *row] for each in self for row in _rows(each)])


def devices() -> Devices:
    """What this process holds of each device that is open in it, whoever opened it; behind them,
    under the label "unplaced", what is on no device yet."""
    with Image(None) as image:
        answer = image.ask("devices") if image.taken else {"devices": []}
    # Those that were closed are in it as well, for what was leaked on them.
    answer["devices"] = [device for device in answer["devices"] if device["processes"]]
    return Devices(_usages(answer))
