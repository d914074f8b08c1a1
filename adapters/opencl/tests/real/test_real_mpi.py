# SPDX-License-Identifier: Apache-2.0
"""A job of eight ranks, each on a device of its own: seen together, from outside, as they wait."""
import pathlib

import pytest

from real_support import agree, figures, needs, needs_module

RANK = pathlib.Path(__file__).parent / "mpi_rank.py"
MPIRUN = ("mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "8", "/usr/bin/python3", RANK)
EIGHT = {"POCL_DEVICES": " ".join(["pthread"] * 8),
         "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}  # needs a right that containers lack
# mpirun itself looks for OpenCL devices, by hwloc, and ocl-icd 2.3.1 cuts OPENCL_LAYERS at its
# first colon in the environment of whoever uses it: ranks would get the first layer only.
NOT_IN_MPIRUN = {"HWLOC_COMPONENTS": "-opencl"}


@pytest.mark.parametrize("environment", [
    {"OPENCL_LAYERS": ""},  # our layer alone
    pytest.param(NOT_IN_MPIRUN, marks=pytest.mark.slow),  # and the witness
], ids=["alone", "witnessed"])
def test_eight_ranks(real, environment):
    needs("mpirun")
    needs_module("mpi4py")
    needs_module("pyopencl")
    job = real.start(*MPIRUN, **EIGHT, **environment)
    assert job.stdout.readline() == b"sum %d\n" % sum(rank * (rank + 1 << 18) for rank in range(8))
    look(real)
    done = real.done(job)
    assert done.status == 0, done.error
    if environment is NOT_IN_MPIRUN:
        witnesses = agree(done, one_device=False)
        assert [figures(each.changes)["allocations"] for each in witnesses] == [1] * 8
    assert done.summary["left"]["leaks"] == [] and done.summary["faults_total"] == 0
    assert sorted(peak["peak_held_bytes"] for process in done.summary["peaks"]
                  for peak in process["peaks"]) == [rank + 1 << 20 for rank in range(8)]


def look(real):
    """Every verb sees eight devices, one rank and rank + 1 MB on each."""
    devices = real.json("devices")["devices"]
    held = {each["row"]: kind["bytes"]
            for each in devices for kind in each["kinds"] if kind["bytes"]}
    assert sorted(held.values()) == [rank + 1 << 20 for rank in range(8)]
    assert len(devices) == 8 and all(each["processes"] == 1 for each in devices)
    processes = real.json("ps")["processes"]
    assert sorted(each["rank"] for each in processes) == list(range(8))
    for each in processes:
        row, = each["rows"]
        assert held[row] == each["rank"] + 1 << 20
    buffers = real.json("ls")["buffers"]
    assert sorted(each["bytes"] for each in buffers) == [rank + 1 << 20 for rank in range(8)]
    assert {each["tag"] for each in buffers} == {"fill"}  # of the kernel that used them first
    assert "8 devices" in real.verb("top", "--once")
