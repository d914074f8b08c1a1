# SPDX-License-Identifier: Apache-2.0
"""A plug-in of pytest: tests that leave device memory behind fail.

    @pytest.mark.no_device_leak                      # one test (class, module by pytestmark)
    @pytest.mark.no_device_leak(ignore="cache/*")    # not what has such a tag
    pytest --no-device-leak                          # all tests

A test is judged after its fixtures have been torn down and garbage was collected. What was
allocated since its setup began and is still there was left; so was what was live on a device that
was closed meanwhile. Not judged: system buffers, caches, what fixtures of a wider scope than the
test's allocated, and tests that fail or are skipped (a traceback keeps their variables alive).

meshtally is imported only where there is something to judge.
"""
import collections
import fnmatch
import gc
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import pytest

MARK = "no_device_leak"


class _Left:
    """Buffers that are alike, and were left."""

    def __init__(self, what: Any, how: str, devices: Sequence[Any], buffers: int,
                 total_bytes: int) -> None:
        self.tag, self.site, self.kind, self.bytes = what
        self.how = how
        self.devices = devices
        self.buffers = buffers
        self.total_bytes = total_bytes


class _Judgement:
    """Of one test: what was there when it began, and what wider fixtures added."""

    def __init__(self) -> None:
        from meshtally import _snapshot
        self._read = _snapshot.snapshot_and_leaks
        self._diff = _snapshot.diff
        self.before, leaks = self._read()
        self.leaks_before = _leak_counts(leaks)
        self.allowed: "collections.Counter[Any]" = collections.Counter()
        self.passed = False
        self.saw_devices = False

    def exempt(self, before: Any, after: Any) -> None:
        for change in self._diff(before, after).came:
            self.allowed[_alike(change)] += change.came

    def left(self, ignore: Sequence[str]) -> List[_Left]:
        after, leaks = self._read()
        self.saw_devices = bool(after.devices)
        found = []
        # What of earlier tests and wider fixtures may have been on a device that was closed.
        others = collections.Counter(self.allowed)
        for change in self._diff(self.before, after):
            others[_alike(change)] += change.went
            buffers = change.came - min(change.came, self.allowed[_alike(change)])
            if change.buffer_class == "user" and buffers and not _ignored(change.tag, ignore):
                found.append(_Left(change[:3] + (change.bytes,), "live", change.devices, buffers,
                                   change.came_bytes * buffers // change.came))
        for key, (buffers, total, devices) in _leak_counts(leaks).items():
            others_buffers = self.leaks_before.get(key, (0, 0, ()))[0] + \
                others[key[:3] + ("user", key[3])]
            own = buffers - others_buffers
            if own > 0 and not _ignored(key[0], ignore):
                found.append(_Left(key, "its device was closed", devices, own,
                                   total * own // buffers))
        return sorted(found, key=lambda left: -left.total_bytes)


def _alike(change: Any) -> Tuple[Any, ...]:
    return change[:5]  # tag, site, kind, class, bytes


def _leak_counts(leaks: Any) -> Dict[Any, Tuple[int, int, Any]]:
    found: Dict[Any, Tuple[int, int, Any]] = {}
    for leak in leaks:
        if leak.verdict == "leaked":
            key = (leak.tag, leak.site, leak.kind, leak.bytes)
            had = found.get(key, (0, 0, ()))
            found[key] = (had[0] + leak.device_buffers, had[1] + leak.total_bytes,
                          had[2] + leak.devices)
    return found


def _ignored(tag: Optional[str], patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(tag or "", pattern) for pattern in patterns)


def _report(found: Sequence[_Left]) -> str:
    from meshtally import _tables
    total = _tables.bytes_text(sum(left.total_bytes for left in found))
    rows = [[_tables.bytes_text(left.bytes), _tables.count_text(left.buffers),
             _tables.ranges([device.label for device in left.devices]), left.kind,
             left.tag or "-", left.site or "-", left.how] for left in found]
    return _tables.Table(f"{total} of device memory was left by this test:",
                         ("BYTES>", "BUFFERS>", "DEVICES", "KIND", "TAG", "SITE", "STATE"),
                         rows).text()


class _LeakPlugin:
    def __init__(self, config: Any) -> None:
        self.config = config
        self.all = bool(config.getoption(MARK) or config.getini(MARK))
        self.judgements: Dict[str, _Judgement] = {}
        self.judged = 0
        self.blind = 0  # tests that saw no device at all
        self.left = 0
        self.started = False

    # --- switching on ----------------------------------------------------------------------

    def start(self) -> str:
        """Turns tracking on; why tests cannot be judged, or ""."""
        import meshtally
        meshtally.enable()
        status = meshtally.status()
        self.started = status.on
        if status.on and status.command is not None:
            return ""
        return f"tests cannot be judged for device leaks: {status.advice}"

    def wants(self, item: Any) -> bool:
        return self.all or item.get_closest_marker(MARK) is not None

    def ignore(self, item: Any) -> List[str]:
        found: List[str] = []
        for marker in item.iter_markers(MARK):
            patterns = marker.kwargs.get("ignore", ())
            found += [patterns] if isinstance(patterns, str) else patterns
        return found

    def pytest_collection_finish(self, session: Any) -> None:
        # Before the first fixture, so that a runtime which is started by one is seen.
        if not self.started and any(self.wants(item) for item in session.items):
            self.start()

    # --- one test --------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: Any) -> None:
        if not self.wants(item):
            return
        problem = self.start()
        if problem:
            pytest.fail(problem, pytrace=False)
        gc.collect()
        self.judgements[item.nodeid] = _Judgement()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[None]:
        node = getattr(request, "_pyfuncitem", None)
        judgement = self.judgements.get(node.nodeid) if node is not None else None
        if judgement is None or fixturedef.scope == "function":
            yield
            return
        before = judgement._read()[0]
        yield
        judgement.exempt(before, judgement._read()[0])

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Iterator[None]:
        outcome: Any = yield
        judgement = self.judgements.get(item.nodeid)
        if judgement is not None and call.when == "call":
            report = outcome.get_result()
            judgement.passed = report.passed and not hasattr(report, "wasxfail")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: Any) -> None:
        """After pytest's own, which tears fixtures down."""
        judgement = self.judgements.pop(item.nodeid, None)
        if judgement is None or not judgement.passed:
            return
        item.funcargs.clear()  # values of fixtures, which pytest lets go of later
        gc.collect()
        found = judgement.left(self.ignore(item))
        self.judged += 1
        self.blind += not judgement.saw_devices
        if found:
            self.left += 1
            pytest.fail(_report(found), pytrace=False)

    # --- the end ---------------------------------------------------------------------------

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.judged:
            return
        line = f"meshtally: {self.judged} judged for device leaks, {self.left} left something"
        if self.blind:
            line += (f"; in {self.blind} no device was seen: no runtime reports to meshtally in "
                     "this process (`meshtally doctor`)")
        terminalreporter.write_line(line, yellow=bool(self.blind), bold=bool(self.left))


def pytest_addoption(parser: Any) -> None:
    group = parser.getgroup("meshtally", "device memory")
    group.addoption("--no-device-leak", action="store_true", dest=MARK,
                    help="fail tests that leave memory of devices behind (meshtally)")
    parser.addini(MARK, "the same as --no-device-leak", type="bool", default=False)


def pytest_configure(config: Any) -> None:
    config.addinivalue_line("markers", f"{MARK}(ignore=()): fails if the test leaves device memory "
                            "behind, but for tags that match a pattern (meshtally)")
    plugin = _LeakPlugin(config)
    if plugin.all:
        problem = plugin.start()
        if problem:
            raise pytest.UsageError(problem)
    config.pluginmanager.register(plugin, "meshtally-leaks")
