# SPDX-License-Identifier: Apache-2.0
"""The demonstration: what `make demo` prints once everything is built."""
import re
import subprocess

import pytest

from e2e_support import SOURCE, TIMEOUT


@pytest.fixture(scope="module")
def shown(build, tmp_path_factory):
    env = {"PATH": "/usr/bin:/bin", "COLUMNS": "100",
           "TMPDIR": str(tmp_path_factory.mktemp("demo"))}
    done = subprocess.run([SOURCE / "examples" / "demo.sh", build], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout.decode()
    assert not list(tmp_path_factory.getbasetemp().glob("demo*/*")), "it cleans up"
    return done.stdout.decode()


def test_order(shown):
    """The story, the devices while the tensors live, the peak, what is left, before and after."""
    parts = ("$ meshtally run --", "A 2x4 mesh of n150", "  7 matmul", "$ meshtally devices",
             "  8 free-a", " 16 closed", "ended with status 0", "\nPeak\n", "\nLeft\n",
             "Nothing was leaked, lost or left.", "Before and after")
    places = [shown.index(part) for part in parts]
    assert places == sorted(places)


def test_devices_while_the_tensors_live(shown):
    assert re.search(r"^0-7 +DRAM +28\.11 MB +14\.00 MB +14\.07 MB +36\.00 KB", shown, re.M)
    assert "peak 28.27 MB each" in shown


def test_before_and_after(shown):
    table = shown[shown.index("BEFORE: naive"):]
    rows = re.findall(r"^(\d) +(\S+ \S+) +(\S+ \S+) +(\S+ \S+) +(\S+ \S+)$", table, re.M)

    assert rows[0] == ("0", "14.11 MB", "22.00 KB", "36.00 KB", "22.00 KB")
    assert rows[1:] == [(str(n), "28.11 MB", "0 B", "36.00 KB", "0 B") for n in range(1, 8)]
    assert re.search(r"^held in .*  3 records, 17 device buffers$", table, re.M)
    assert re.search(r"^faults +8 x duplicate +none$", table, re.M)
    assert re.search(r"^leaked +98\.28 MB, at its end +nothing$", table, re.M)


def test_every_line_that_the_demo_makes_fits(shown):
    """The command fits its own output to the terminal."""
    own = shown[:shown.index("$ meshtally devices")] + shown[shown.index("Before and after"):]
    lines = own.splitlines()[1:]
    assert max(map(len, lines)) <= 80
