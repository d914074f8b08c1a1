# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests with PoCL: a program that does what a test says, and what is seen of it."""
import json
import os
import pathlib
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[4]
BUILD = pathlib.Path(os.environ.get("MESHTALLY_BUILD", SOURCE / "build"))
TIMEOUT = 100


def pytest_sessionfinish(session, exitstatus):
    """All skipped: exit status 77, which ctest shows as such."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and not reporter.stats.get("passed"):
        session.exitstatus = 77


class Steps:
    """opencl_steps: each call is a line, its answer is the error."""

    def __init__(self, directory, cache, devices, options, command=("opencl_steps",), **more):
        self.dir = directory / "segments"
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("MESHTALLY", "TT_ALLOC", "OCL_ICD", "OPENCL", "POCL"))}
        self.env.update(MESHTALLY_DIR=str(self.dir), MESHTALLY_TT_SHM=str(directory / "none"),
                        LC_ALL="C", MESHTALLY="1", OCL_ICD_VENDORS="pocl.icd",
                        OPENCL_LAYERS=str(BUILD / "libmeshtally_opencl_layer.so"),
                        POCL_DEVICES=" ".join(["pthread"] * devices), POCL_CACHE_DIR=str(cache),
                        **options)
        programs = BUILD / "adapters/opencl/tests/pocl"
        self.child = subprocess.Popen(
            [programs / command[0], *command[1:]], env=self.env, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        if command[0] != "opencl_steps":
            return
        self.devices = self.child.stdout.readline().strip()
        if not self.devices:
            error = self.child.communicate()[1]
            if "clGetPlatformIDs" in error:
                pytest.skip("PoCL is not there (Debian: pocl-opencl-icd)")
            pytest.fail(error)
        assert int(self.devices) == devices

    def __call__(self, line, error=0):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline().strip()
        assert answer == str(error), f"{line}: {answer or self.child.communicate()[1]}"

    def tally(self, *arguments):
        done = subprocess.run([BUILD / "meshtally", *arguments, "--json"], env=self.env,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def places(self, figure="bytes"):
        """Bytes by device that has any; "-" is what is on none."""
        found = {}
        for device in self.tally("devices")["devices"]:
            name = "-" if device["unplaced"] else device["ordinal"]
            total = sum(kind[figure] for kind in device["kinds"])
            if total:
                found[name] = total
        return found

    def records(self):
        return self.tally("ls")["buffers"]

    def tags(self):
        """By number of bytes, of what counts."""
        return {record["bytes"]: record["tag"] for record in self.records()
                if record["class"] == "user"}

    def end(self):
        self.child.stdin.close()
        assert self.child.wait(TIMEOUT) == 0
        return self.tally("faults")


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """PoCL's compiled kernels."""
    return tmp_path_factory.mktemp("pocl-cache")


@pytest.fixture
def steps(tmp_path, cache):
    """steps(DEVICES): starts the program on a context of so many."""
    started = []

    def start(devices=2, **options):
        started.append(Steps(tmp_path, cache, devices, options))
        return started[-1]

    yield start
    for each in started:
        each.child.kill()
        each.child.wait(TIMEOUT)
        for pipe in (each.child.stdin, each.child.stdout, each.child.stderr):
            pipe.close()
