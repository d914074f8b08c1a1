# SPDX-License-Identifier: Apache-2.0
"""AMD's client of clFFT: buffers in and out, and one of constants that the library makes in the
first transform."""
import pytest

from real_support import agree, figures, needs, without_figures


@pytest.mark.parametrize("options, allocations, peak_bytes", [
    (("-x", "1024", "-p", "2"), 3, 16512),
    (("-o", "-x", "4096"), 3, 65664),  # not in place
    # two dimensions, by a temporary buffer
    pytest.param(("-x", "256", "-y", "256", "-p", "3"), 4, 1048832, marks=pytest.mark.slow),
])
def test_transforms(real, options, allocations, peak_bytes):
    needs("clFFT-client")
    done = real.both("clFFT-client", *options, change=without_figures)
    witness, = agree(done)
    assert figures(witness.changes)["allocations"] == allocations
    assert figures(witness.changes)["peak_bytes"] == peak_bytes
