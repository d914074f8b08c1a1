# SPDX-License-Identifier: Apache-2.0
"""--json of every verb that prints data: valid, and with the keys that docs/api.md has."""
import json
import re

import pytest

from e2e_support import SOURCE

PAGE = (SOURCE / "docs" / "api.md").read_text()
EXAMPLES = {name: json.loads(text) for name, text in
            re.findall(r"^## ([^\n]+)\n.*?```json\n(.*?)```", PAGE, re.M | re.S)}


def same_keys(documented, printed, path=""):
    """Both ways, in every element of every list; null stands for anything."""
    if isinstance(documented, dict) and isinstance(printed, dict):
        assert set(printed) == set(documented), path
        for key, value in documented.items():
            same_keys(value, printed[key], f"{path}.{key}")
    elif isinstance(documented, list) and isinstance(printed, list):
        for element in printed if documented else []:
            same_keys(documented[0], element, f"{path}[]")
    elif documented is not None and printed is not None:
        numbers = (int, float)
        assert type(documented) is type(printed) or \
            (isinstance(documented, numbers) and isinstance(printed, numbers)), path


@pytest.fixture
def crowd(tally, mesh):
    """One that lives, one that was killed, one that failed, one that was wrong and leaked."""
    assert mesh("--oom").end() == 3
    assert mesh("--hooks=naive-owned").end() == 0
    killed = mesh("--hooks=mesh")
    killed.until("tensor-b")
    killed.kill()
    living = mesh("--hooks=both")
    living.until("free-a")
    return tally


VERBS = {"devices": ("devices",), "ps": ("ps",), "ls": ("ls", "--dead"),
         "ls --by": ("ls", "--by", "tag"), "leaks": ("leaks",),
         "leaks --dead": ("leaks", "--dead"), "growth": ("growth", "--for", "100ms"),
         "faults": ("faults",), "oom": ("oom",), "peak": ("peak",)}


def test_keys(crowd, tmp_path):
    for name, arguments in VERBS.items():
        printed = crowd.json(*arguments)
        assert any(printed.values()), f"{name}: nothing to look at"
        same_keys(EXAMPLES[name], printed, name)
    for key in ("device", "kind", "process"):
        sums = crowd.json("ls", "--by", key)["sums"]
        assert sums and all(({"device": "row"}.get(key, key)) in line for line in sums)
    top = crowd.json("top", "--once")
    same_keys({**EXAMPLES["devices"], **EXAMPLES["ps"], "unix_seconds": 0.5}, top, "top")
    same_keys(EXAMPLES["doctor"], crowd.json("doctor", status=None), "doctor")
    same_keys(EXAMPLES["version"], crowd.json("version"), "version")
    crowd("snapshot", tmp_path / "a")
    crowd("snapshot", tmp_path / "b", "-p", crowd.json("ps")["processes"][0]["pid"])
    same_keys(EXAMPLES["diff"], crowd.json("diff", tmp_path / "a", tmp_path / "b"), "diff")


@pytest.mark.parametrize("options", ((), ("--leak",), ("--oom",), ("--hooks=naive-all",)))
def test_keys_of_run(tally, tmp_path, options):
    file = tmp_path / "summary"
    tally.all("run", f"--json={file}", "--", tally.build / "examples" / "mesh_allocation", *options,
              status=None)
    same_keys(EXAMPLES["run"], json.loads(file.read_text()), "run")


def test_every_section_is_checked():
    assert set(EXAMPLES) == {*VERBS, "diff", "run", "doctor", "version"}


def test_nothing_to_tell_is_json_too(tally):
    for name, arguments in VERBS.items():
        printed = tally.json(*arguments)
        assert set(printed) == set(EXAMPLES[name]), name
        assert not any(value for value in printed.values() if isinstance(value, list)), name
    assert tally.json("top", "--once")["devices"] == []


def test_amounts_are_plain_numbers(crowd):
    def walk(value, key=""):
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, name)
        elif isinstance(value, list):
            for inner in value:
                walk(inner, key)
        elif key.endswith(("bytes", "bytes_per_bank")):
            assert value is None or isinstance(value, int), key
        elif key in ("unique_id", "identity", "id", "address"):
            assert value is None or re.fullmatch(r"0x[0-9a-f]+", value), key

    for arguments in VERBS.values():
        walk(crowd.json(*arguments))
