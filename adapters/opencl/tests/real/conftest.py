# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests with real programs. All skipped: exit status 77, which ctest shows."""
import os
import pathlib

import pytest

from real_support import AGREED, ALL, SOURCE, Real


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: only in scripts/check-real")


def pytest_collection_modifyitems(items):
    if not ALL:
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes long: scripts/check-real runs it"))


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and not reporter.stats.get("passed"):
        session.exitstatus = 77


def pytest_terminal_summary(terminalreporter):
    """What was compared, for whoever wants to see it and not only that it was equal."""
    if ALL and AGREED:
        terminalreporter.section("the same from meshtally and from the witness")
        terminalreporter.line(f"{'allocations':>11} {'frees':>7} {'peak bytes':>12} "
                              f"{'left bytes':>11} {'contexts':>8}  test")
        for test, contexts, seen in AGREED:
            terminalreporter.line(f"{seen['allocations']:11} {seen['frees']:7} "
                                  f"{seen['peak_bytes']:12} {seen['left_bytes']:11} {contexts:8}"
                                  f"  {test}")


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """PoCL's compiled kernels, shared by the tests of a session: compiling is most of their time.
    MESHTALLY_REAL_CACHE: a directory for several sessions."""
    return os.environ.get("MESHTALLY_REAL_CACHE") or tmp_path_factory.mktemp("pocl-cache")


@pytest.fixture
def real(tmp_path, cache):
    build = pathlib.Path(os.environ.get("MESHTALLY_BUILD", SOURCE / "build"))
    assert (build / "meshtally").exists(), f"no meshtally in {build}: set MESHTALLY_BUILD"
    return Real(build, tmp_path, cache)
