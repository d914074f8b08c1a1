# SPDX-License-Identifier: Apache-2.0
"""The structs, numbers and functions that the package has copied are those of meshtally.h: a C
compiler says what they are."""
import ctypes
import re
import struct
import subprocess

import pytest
from conftest import SOURCE
from meshtally import _library, _results

HEADER = SOURCE / "include" / "meshtally.h"
STRUCTS = [_library.mt_memory, _library.mt_device, _library.mt_mesh, _library.mt_buffer,
           _library.mt_failure, _library.mt_cb, _library.mt_usage]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """ "struct.field": (offset, bytes), "struct": (0, bytes), "MT_X": (0, value)."""
    lines = []
    for each in STRUCTS:
        name = each.__name__
        lines.append(f'printf("{name} 0 %zu\\n", sizeof(struct {name}));')
        lines += [f'printf("{name}.{field[0]} %zu %zu\\n", offsetof(struct {name}, {field[0]}), '
                  f'sizeof(((struct {name} *)0)->{field[0]}));' for field in each._fields_]
    names = {*re.findall(r"\b(MT_[A-Z0-9_]+)\b *=", HEADER.read_text()), "MT_ABI_MAJOR",
             "MT_ABI_MINOR"}
    lines += [f'printf("{name} 0 %llu\\n", (unsigned long long){name});' for name in sorted(names)]
    folder = tmp_path_factory.mktemp("c")
    source = folder / "measure.c"
    source.write_text("#include <meshtally.h>\n#include <stdio.h>\nint main(void)\n{\n\t"
                      + "\n\t".join(lines) + "\n\treturn 0;\n}\n")
    subprocess.run(["cc", "-Wall", "-Werror", "-I", HEADER.parent, source, "-o",
                    folder / "measure"], check=True)
    out = subprocess.run([folder / "measure"], check=True, stdout=subprocess.PIPE).stdout.decode()
    return {name: (int(at), int(value))
            for name, at, value in (line.split() for line in out.splitlines())}


@pytest.mark.parametrize("each", STRUCTS, ids=lambda each: each.__name__)
def test_struct(measured, each):
    name = each.__name__
    assert measured[name][1] == ctypes.sizeof(each)
    for field in each._fields_:
        ours = getattr(each, field[0])
        assert measured[f"{name}.{field[0]}"] == (ours.offset, ours.size), field[0]


@pytest.mark.parametrize("each", STRUCTS, ids=lambda each: each.__name__)
def test_struct_is_complete(each):
    body = re.search(rf"struct {each.__name__} {{(.*?)\n}};", HEADER.read_text(), re.S).group(1)
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    declared = [name for line in body.split(";") for name in re.findall(r"(\w+)\s*(?=,|$)", line)]
    assert [field[0] for field in each._fields_] == declared


def test_packed_buffer_is_the_struct():
    values = list(range(1, 12)) + [0x1000, 0x2000]
    packed = struct.pack(_library.BUFFER_FORMAT, *values)
    ours = _library.mt_buffer.from_buffer_copy(packed)
    assert len(packed) == ctypes.sizeof(ours)
    assert [getattr(ours, name) for name, _ in ours._fields_[:11]] == values[:11]
    raw = (ctypes.c_uint64 * 2).from_buffer_copy(packed, _library.mt_buffer.site.offset)
    assert list(raw) == [0x1000, 0x2000]


def test_results(measured):
    text = HEADER.read_text()
    body = text[text.index("typedef enum {"):text.index("} mt_result;")]
    names = set(re.findall(r"\bMT_([A-Z_]+) =", body))
    assert {result.name for result in _results.Result} == names
    for result in _results.Result:
        assert measured[f"MT_{result.name}"][1] == result


def test_flags_and_kinds(measured):
    for flag in _results.Flag:
        assert measured[f"MT_{flag.name}"][1] == flag
    text = HEADER.read_text()
    body = text[text.index("/* Flags of a buffer. */"):text.index("/* Flags of a device or mesh")]
    assert {flag.name for flag in _results.Flag} == set(re.findall(r"\bMT_([A-Z_]+) =", body))
    for name in ("DRAM", "L1", "HOST", "L1_SMALL", "TRACE", "CB"):
        assert measured[f"MT_{name}"][1] == _results.kind_number(name)
    assert measured["MT_UNIQUE_IDS"][1] == _results.UNIQUE_IDS
    assert measured["MT_UNPLACED"][1] == _results.UNPLACED
    assert measured["MT_ABI_MAJOR"][1] == _library.ABI_MAJOR
    assert measured["MT_ABI_MINOR"][1] >= _library.ABI_MINOR


def test_functions():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    declared = {name: arguments for name, arguments
                in re.findall(r"MT_API [\w \*]+?\b(mt_\w+)\(((?:[^()]|\([^()]*\))*)\);", text)}
    for name, (_, arguments) in _library.FUNCTIONS.items():
        flat = re.sub(r"\([^()]*\)", "", declared[name])
        count = 0 if flat.strip() == "void" else flat.count(",") + 1
        assert count == len(arguments), name
