# SPDX-License-Identifier: Apache-2.0
"""What is printed and what a notebook shows: the command's units, no foreign bytes raw."""
import html.parser
import re
import subprocess

import pytest
from meshtally import _tables
from python_support import BUILD

HOSTILE = "<script>alert('x')</script>\x1b[31m\u202e&amp;"


class Checker(html.parser.HTMLParser):
    """Elements that are balanced, and the text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.text = [], set(), ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def shown(mt, device):
    """All that can be shown, with names that nobody would want to see raw."""
    before = mt.snapshot()
    with mt.tag(HOSTILE.replace("/", "")):
        device.alloc(1, 1500000, site=HOSTILE)
    after = mt.snapshot()
    other = mt.Device(1, 3)
    other.alloc(2, 4096, site=HOSTILE)
    other.close()
    return {"snapshot": after, "diff": mt.diff(before, after), "leaks": mt.leaks(),
            "usage": mt.usage(device), "devices": mt.devices()}


@pytest.mark.parametrize("name", ["snapshot", "diff", "leaks", "usage", "devices"])
def test_shown(shown, name):
    text, page = repr(shown[name]), Checker(shown[name]._repr_html_())
    assert page.seen == {"div", "b", "table", "thead", "tbody", "tr", "th", "td"}
    for raw in ("\x1b", "\u202e"):
        assert raw not in text and raw not in page.text
    if name in ("snapshot", "diff", "leaks"):
        assert "\\x1b[31m\\xe2\\x80\\xae&amp;" in text and "<script>" in text
        assert "<script>" in page.text
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_text(shown):
    # As the command writes what is not to be shown.
    name = HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\xe2\\x80\\xae")
    assert repr(shown["snapshot"]).splitlines() == [
        "1.43 MB in 1 buffer on 1 device",
        "  BYTES  DEVICES  KIND  CLASS  " + "TAG".ljust(len(name) - 1) + "  SITE",
        f"1.43 MB  0        DRAM  user   {name.replace('/', '')}  {name}"]


def test_units_are_the_commands(mt, device):
    amounts = [0, 1, 1023, 1024, 1048570, 1048576, 14753792, 3 << 30, 5 << 40]
    for i, amount in enumerate(amounts):
        device.alloc(i, amount, flags=mt.Flag.VIRTUAL)
    out = subprocess.run([BUILD / "meshtally", "ls", "-n", "0"], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    theirs = sorted(re.findall(r"^ *([\d.]+) +([A-Z]+)", out, re.M))
    assert theirs == sorted(tuple(_tables.bytes_text(amount).split()) for amount in amounts)
    assert _tables.bytes_text(None) == "-" and _tables.bytes_text(-1024) == "-1.00 KB"
    assert _tables.change_text(5) == "+5 B" and _tables.change_text(-5) == "-5 B"


def test_ranges():
    assert _tables.ranges(["3", "1", "2", "7", "0x5"]) == "1-3,7,0x5"
    assert _tables.ranges([]) == "-"


def test_what_is_on_no_device_is_not_counted_as_one(mt, device):
    device.alloc(1, 4096)
    mt.Device(-1, unplaced=True).alloc(2, 4096)
    assert str(mt.snapshot()).startswith("8.00 KB in 2 buffers on 1 device\n")
    shown = str(mt.devices())
    assert shown.startswith("1 device\n")
    assert "\nunplaced" in shown and "device unplaced" not in shown


def test_long_lists_are_cut(mt, device):
    for i in range(30):
        device.alloc(i, 1000 + i)
    text = repr(mt.snapshot())
    assert "1029 B" not in text and "1.00 KB" in text
    assert text.splitlines()[-1] == "... and 10 more" and len(text.splitlines()) == 23


def test_empty(mt, device):
    empty = mt.snapshot()
    assert repr(empty) == "0 B in 0 buffers on 1 device"
    assert repr(mt.diff(empty, empty)) == "+0 B: 0 B before, 0 B after"
    assert repr(mt.leaks()) == "Nothing was leaked or lost."
    assert "<table>" not in mt.leaks()._repr_html_()
