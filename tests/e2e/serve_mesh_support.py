# SPDX-License-Identifier: Apache-2.0
"""Programs on a mesh that speak the socket protocol, as the tests see them from outside. The
fixtures at the end are for the modules that import them."""
import shutil

import pytest

from e2e_support import SOURCE, TIMEOUT, Stepper, figures
from serve_support import Server, wait_until
from top_support import Tmux

PYTHON = SOURCE / "examples" / "test_mesh_allocation.py"


class Top(Tmux):
    """`meshtally top -a -r 500`, under its older name, on a terminal."""

    def __init__(self, tally):
        super().__init__(tally, 160, 60)
        self.monitor("-a", "-r", "500", command="allocation_monitor_client")

    def on(self, screen, pattern):
        """Waits until a screen, by its key, shows it."""
        self.keys(screen)
        return self.until(pattern)


def held(tally):
    """{ordinal: {kind: bytes}}; what holds nothing is left out. The protocol has no classes."""
    sums = {n: {kind: sum(amount or 0 for amount in classes.values())
                for kind, classes in device.items()}
            for n, device in figures(tally.json("devices")).items()}
    return without_zeros(sums)


def without_zeros(sums):
    kept = {n: {kind: amount for kind, amount in device.items() if amount}
            for n, device in sums.items()}
    return {n: device for n, device in kept.items() if device}


def right_figures(expected):
    return {step: without_zeros({n: {kind: sum(amounts.values())
                                     for kind, amounts in device.items()}
                                 for n, device in devices.items()})
            for step, devices in expected("--hooks=mesh").items()}


def naive_figures(expected, right_devices):
    """Frees only of owned buffers: elsewhere than on the right devices tensors and kernels stay."""
    right = right_figures(expected)
    wanted, most = {}, {n: 0 for n in range(8)}
    for step, devices in expected("--hooks=mesh").items():
        wanted[step] = dict(right[step])
        for n, device in devices.items():
            dram = device["DRAM"]
            most[n] = max(most[n], dram["cache_bytes"] + dram["user_bytes"])
            if n in right_devices:
                continue
            wanted[step][n] = {**right[step].get(n, {}), "DRAM": dram["system_bytes"] + most[n]}
    return without_zeros_in_steps(wanted)


def without_zeros_in_steps(steps):
    return {step: without_zeros(devices) for step, devices in steps.items()}


def follow(tally, running, wanted, look=lambda step: None):
    """Each step has these figures, once the server has read what was sent. The last is kept."""
    steps = []
    for step in running:
        try:
            wait_until(lambda: held(tally) == wanted[step], step, timeout=20)
        except AssertionError:
            assert held(tally) == wanted[step], step
        look(step)
        steps.append(step)
    assert steps == list(wanted)
    assert running.end() == 0


def await_end(tally, server, pid, left=False):
    """The process has ended: nothing of it is live; a post-mortem, if there is anything to tell."""
    wait_until(lambda: held(tally) == {}, "nothing live after the end")
    wait_until(lambda: tally.segments() == [], "the segment removed")
    assert len(post_mortems(server, pid)) == left
    assert tally.json("ls", "-n", 0)["device_buffers"] == 0


def post_mortems(server, pid):
    return list((server.state / "dead").glob(f"*-{pid}-*.mshsnap"))


@pytest.fixture
def serve(tally):
    """serve(OPTION...): starts a server."""
    started = []

    def start(*options, **where):
        started.append(Server(tally, *options, **where))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def top(tally):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: see scripts/install-dependencies")
    started = []

    def start():
        started.append(Top(tally))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def program(tally):
    """program(SERVER, HOOKS...): mesh_allocation, or another, over the socket, step by step."""
    started = []

    def start(server, *options, command=None):
        command = command or [tally.build / "examples" / "mesh_allocation", "--via=socket"]
        started.append(Stepper([*command, "--tt-socket", server.tt_socket, *options], tally.env))
        return started[-1]

    yield start
    for stepper in started:
        stepper.finish()
