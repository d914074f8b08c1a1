# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the adapter's tests: the command, and the scenarios in three builds."""
import os
import pathlib
import sys

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(SOURCE / "tests" / "e2e"))

from e2e_support import Stepper, Tally  # noqa: E402

# By the language they are built in; "bare" has no observer of the process to report to.
BUILDS = ("17", "20", "bare")


@pytest.fixture
def tally(tmp_path):
    build = pathlib.Path(os.environ.get("MESHTALLY_BUILD", SOURCE / "build"))
    assert (build / "meshtally").exists(), f"no meshtally in {build}: set MESHTALLY_BUILD"
    return Tally(build, tmp_path)


@pytest.fixture(params=BUILDS)
def language(request):
    return request.param


@pytest.fixture
def play(tally, language):
    """play(SCENARIO): starts it; iterate over its steps, then end()."""
    started = []

    def start(scenario, **env):
        program = tally.build / "adapters" / "tt-metal" / f"tt_metal_scenarios_{language}"
        started.append(Stepper([program, scenario], {**tally.env, "MESHTALLY": "1", **env}))
        return started[-1]

    yield start
    for each in started:
        each.finish()
