# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests from outside."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from e2e_support import SOURCE, TIMEOUT, Reporter, Stepper, Tally, device_figures
from serve_support import Server, use_memory
from top_support import Terminal, Tmux


@pytest.fixture(scope="session")
def build():
    path = pathlib.Path(os.environ.get("MESHTALLY_BUILD", SOURCE / "build"))
    assert (path / "meshtally").exists(), f"no meshtally in {path}: set MESHTALLY_BUILD"
    return path


@pytest.fixture
def tally(build, tmp_path):
    return Tally(build, tmp_path)


@pytest.fixture
def mesh(tally):
    """mesh(OPTION...): starts mesh_allocation. mesh(..., under=("run", ...)): below a verb."""
    started = []

    def start(*options, under=(), env=None):
        command = [tally.build / "examples" / "mesh_allocation", *options]
        if under:
            command = [tally.command, *under, "--", *command]
        stepper = Stepper(command, {**tally.env, "MESHTALLY": "1", **(env or {})},
                          subprocess.PIPE if under else None)
        started.append(stepper)
        return stepper

    yield start
    for stepper in started:
        stepper.finish()


@pytest.fixture
def reporter(tally):
    """reporter(): starts a program that reports what the test tells it to."""
    started = []

    def start(**env):
        started.append(Reporter(tally.build, {**tally.env, "MESHTALLY": "1", **env}))
        return started[-1]

    yield start
    for each in started:
        if each.child.poll() is None:
            each.child.kill()
            each.child.communicate()


@pytest.fixture(scope="session")
def expected(build):
    """expected(OPTION...): step -> {ordinal: {kind: {class: bytes}}}, as the example says itself."""
    def ask(*options):
        done = subprocess.run([build / "examples" / "mesh_allocation", *options, "--expect"],
                              stdout=subprocess.PIPE, check=True, timeout=TIMEOUT)
        return {step["step"]: {device["ordinal"]: device_figures(device)
                               for device in step["devices"]}
                for step in json.loads(done.stdout)["steps"]}
    return ask


@pytest.fixture
def serve(tally):
    """serve(OPTION...): starts a server, with segments where they are in earnest: in memory."""
    started = []
    made = use_memory(tally)

    def start(*options, **more):
        started.append(Server(tally, *options, **more))
        return started[-1]

    yield start
    for server in reversed(started):
        server.close()
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def tmux(tally):
    """tmux(COLUMNS, ROWS): a shell in tmux."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: see scripts/install-dependencies")
    started = []

    def start(*size, **options):
        started.append(Tmux(tally, *size, **options))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def terminal(tally):
    """terminal(OPTION...): the monitor on a pseudo terminal."""
    started = []

    def start(*options, **more):
        started.append(Terminal(tally, *options, **more))
        return started[-1]

    yield start
    for each in started:
        each.close()
