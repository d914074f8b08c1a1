# SPDX-License-Identifier: Apache-2.0
"""Finds and loads libmeshtally.so.1, and declares what is called of it.

Owns the handle of the library, the gate, and copies of the header's structs; tests/test_header.py
compares these with what a C compiler makes of include/meshtally.h. Nothing here raises because the
library is missing: then the gate is for ever 0, which is "tracking is off", and `trouble` says why.

Functions are called with the interpreter's lock held (PyDLL): they take some tens of nanoseconds,
less than giving the lock away and taking it again, and never wait for another process.
"""
import ctypes
import os
import pathlib
import sys
import sysconfig
from ctypes import (POINTER, Structure, c_char_p, c_int, c_int32, c_uint16, c_uint32, c_uint64,
                    c_void_p)
from typing import Any, Iterator, List, Optional, Tuple, Union

SONAME = "libmeshtally.so.1"
ABI_MAJOR, ABI_MINOR = 1, 1

PACKAGE = pathlib.Path(__file__).resolve().parent


def source_tree(package: pathlib.Path) -> Optional[pathlib.Path]:
    """The project's tree that the package is part of, or None where it is installed."""
    for tree in package.parents[2:3]:  # none of it where the package lies near the root
        if (tree / "include" / "meshtally.h").exists():
            return tree
    return None


SOURCE = source_tree(PACKAGE)


class mt_memory(Structure):
    _fields_ = [("kind", c_uint32), ("banks", c_uint32), ("base", c_uint64),
                ("bank_bytes", c_uint64), ("align", c_uint64)]


class mt_device(Structure):
    _fields_ = [("struct_size", c_uint32), ("ordinal", c_int32), ("unique_id", c_uint64),
                ("arch", c_char_p), ("bus", c_char_p), ("memories", POINTER(mt_memory)),
                ("memory_count", c_uint32), ("flags", c_uint32)]


class mt_mesh(Structure):
    _fields_ = [("struct_size", c_uint32), ("rows", c_uint32), ("columns", c_uint32),
                ("flags", c_uint32), ("devices", POINTER(c_uint32)), ("parent", c_uint32),
                ("name", c_char_p)]


class mt_buffer(Structure):
    _fields_ = [("struct_size", c_uint32), ("space", c_uint32), ("id", c_uint64),
                ("address", c_uint64), ("bytes", c_uint64), ("span", c_uint64),
                ("parent", c_uint64), ("kind", c_uint32), ("flags", c_uint32),
                ("region", c_uint32), ("tag", c_uint32), ("site", c_char_p),
                ("uneven_bytes", POINTER(c_uint64))]


# The same as one format: packing it takes a third of the time of filling in the struct above.
BUFFER_FORMAT = "@IIQQQQQIIIIPP"


class mt_failure(Structure):
    _fields_ = [("struct_size", c_uint32), ("space", c_uint32), ("kind", c_uint32),
                ("flags", c_uint32), ("bytes", c_uint64), ("span", c_uint64),
                ("free_span", c_uint64), ("largest_span", c_uint64), ("reason", c_char_p)]


class mt_cb(Structure):
    _fields_ = [("x0", c_uint16), ("y0", c_uint16), ("x1", c_uint16), ("y1", c_uint16),
                ("flags", c_uint32), ("address", c_uint64), ("bytes", c_uint64)]


class mt_usage(Structure):
    _fields_ = [("struct_size", c_uint32), ("exact", c_uint32), ("bytes", c_uint64),
                ("system", c_uint64), ("cache", c_uint64), ("held", c_uint64),
                ("capacity", c_uint64), ("peak", c_uint64), ("peak_since_mark", c_uint64),
                ("buffers", c_uint64), ("allocs", c_uint64), ("frees", c_uint64),
                ("faults", c_uint64)]


REPORT_LIVE = ctypes.CFUNCTYPE(None, c_void_p)

# Function: result, arguments. mt_alloc takes the packed bytes of a buffer.
FUNCTIONS: Any = {
    "mt_enable": (c_int, [c_int, REPORT_LIVE, c_void_p]),
    "mt_kind": (c_uint32, [c_char_p]),
    "mt_device_open": (c_uint32, [POINTER(mt_device)]),
    "mt_mesh_open": (c_uint32, [POINTER(mt_mesh)]),
    "mt_ready": (c_int, [c_uint32]),
    "mt_close": (c_int, [c_uint32, c_int]),
    "mt_alloc": (c_int, [c_char_p]),
    "mt_free": (c_int, [c_uint32, c_uint64]),
    "mt_free_on": (c_int, [c_uint32, c_uint64, c_uint32]),
    "mt_move": (c_int, [c_uint32, c_uint64, c_uint32, c_uint32]),
    "mt_alloc_failed": (c_int, [POINTER(mt_failure)]),
    "mt_check": (c_int, [c_uint32, c_uint32, c_uint64]),
    "mt_tag_push": (c_uint32, [c_char_p]),
    "mt_tag_swap": (c_uint32, [c_uint32]),
    "mt_mark": (None, [c_char_p, c_uint64]),
    "mt_device_usage": (c_int, [c_uint32, c_uint32, POINTER(mt_usage)]),
    "mt_abi_version": (c_uint32, []),
}


class _Off:
    """The gate where there is no library."""
    value = 0


def _near_package() -> Iterator[pathlib.Path]:
    """Where the package may have the library of its own: in a wheel, a build tree, a prefix."""
    yield PACKAGE / SONAME
    if SOURCE is not None:
        yield SOURCE / "build" / SONAME
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    for parent in PACKAGE.parents:
        if parent.name in ("lib", "lib64"):
            yield parent / multiarch / SONAME
            yield parent / SONAME
            break


def _already_there() -> Any:
    """The library that something else in this process has loaded, or is linked with. Two copies
    would have a segment each, and tags of ours would not reach the other one."""
    everything = ctypes.PyDLL(None)
    if hasattr(everything, "mt_abi_version"):
        return everything
    try:
        return ctypes.PyDLL(SONAME, mode=os.RTLD_NOLOAD)
    except OSError:
        return None


def _load(path: Union[str, pathlib.Path]) -> Any:
    return ctypes.PyDLL(str(path))


def _find() -> Tuple[Any, str]:
    """The library, or None and what to do about it."""
    wanted = os.environ.get("MESHTALLY_LIBRARY")
    if wanted:
        try:
            return _load(wanted), ""
        except OSError as error:
            return None, f"MESHTALLY_LIBRARY={wanted} cannot be loaded: {error}"
    found = _already_there()
    if found is not None:
        return found, ""
    for path in _near_package():
        if path.exists():
            try:
                return _load(path), ""
            except OSError as error:
                return None, f"{path} cannot be loaded: {error}"
    try:
        return _load(SONAME), ""
    except OSError:
        return None, (f"{SONAME} was not found: install libmeshtally1 (or run `make install` and "
                      "`ldconfig`), or set MESHTALLY_LIBRARY to its path")


def _declare(library: Any) -> str:
    """Gives the functions their types; what is wrong with the library, if anything."""
    try:
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError as error:
        return f"it is older than this package: {error}"
    version = library.mt_abi_version()
    if version >> 16 != ABI_MAJOR or version & 0xffff < ABI_MINOR:
        return (f"its interface is {version >> 16}.{version & 0xffff}, this package needs "
                f"{ABI_MAJOR}.{ABI_MINOR}")
    return ""


def mapped() -> List[str]:
    """Paths of the copies of the library in this process."""
    paths = set()
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            for line in maps:
                path = line.rstrip("\n").partition("/")[2]
                if os.path.basename(path).startswith("libmeshtally.so"):
                    paths.add("/" + path)
    except OSError:
        pass
    return sorted(paths)


def _open() -> Tuple[Any, Any, str]:
    if not sys.platform.startswith("linux"):
        return None, _Off(), "meshtally works on Linux only"
    library, problem = _find()
    if library is None:
        return None, _Off(), problem
    problem = _declare(library)
    if problem:
        where = ", ".join(mapped()) or "the library that is in this process"
        return None, _Off(), f"{where} cannot be used: {problem}"
    address = c_void_p.in_dll(library, "mt_gate").value
    return library, c_uint32.from_address(address or 0), ""


lib, gate, trouble = _open()


def is_on() -> bool:
    """Whether tracking is on in this process."""
    return bool(gate.value)


def path() -> Optional[str]:
    """Where the library is that was loaded; None: there is none, or it is part of the program."""
    copies = mapped()
    return copies[0] if lib is not None and copies else None
