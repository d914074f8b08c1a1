# SPDX-License-Identifier: Apache-2.0
"""StarPU's examples on eight devices: a context and a thread of its own for each, and data that the
runtime moves between them."""
import pathlib

import pytest

from real_support import ALL, agree, figures, without_figures

EXAMPLES = pathlib.Path("/usr/lib/x86_64-linux-gnu/starpu/examples")
EIGHT = {"POCL_DEVICES": " ".join(["pthread"] * 8), "STARPU_NCPU": "0", "STARPU_NOPENCL": "8",
         "STARPU_OPENCL_ON_CPUS": "1", "STARPU_SILENT": "1"}


@pytest.mark.parametrize("name, allocations", [
    ("vector_scal", 1),
    pytest.param("fblock", 2, marks=pytest.mark.slow),
    pytest.param("matvecmult", 3, marks=pytest.mark.slow),
    pytest.param("variable", 8, marks=pytest.mark.slow),  # on every device
    pytest.param("cg", 16, marks=pytest.mark.slow),
])
def test_example(real, name, allocations):
    if not EXAMPLES.exists():
        message = "starpu-examples is not installed: scripts/check-real installs and runs it"
        pytest.fail(message) if ALL else pytest.skip(message)
    done = real.tracked(EXAMPLES / name, **EIGHT)
    assert done.status in (0, 77), done.error  # 77: computed on what it had, and says so
    witness, = agree(done, threads=8, one_device=False)
    assert len(witness.contexts) in (8, 16)  # the first run measures its buses in others before
    assert set(witness.contexts.values()) == {1}
    assert figures(witness.changes)["allocations"] >= allocations
