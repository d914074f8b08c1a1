# SPDX-License-Identifier: Apache-2.0
"""Another driver: rusticl, on Mesa's software renderer."""
import pathlib

import pytest

from real_support import ALL, agree, figures, needs, without_figures

RUSTICL = {"OCL_ICD_VENDORS": "rusticl.icd", "RUSTICL_ENABLE": "llvmpipe"}


def needs_rusticl():
    if not pathlib.Path("/etc/OpenCL/vendors/rusticl.icd").exists():
        message = "mesa-opencl-icd is not installed: scripts/check-real installs and runs it"
        pytest.fail(message) if ALL else pytest.skip(message)


def test_clfft(real):
    needs("clFFT-client")
    needs_rusticl()
    done = real.both("clFFT-client", "-x", "1024", "-p", "2", change=without_figures, **RUSTICL)
    witness, = agree(done)
    assert figures(witness.changes)["allocations"] == 3


def test_a_thousand_buffers(real):
    needs("clblast_test_xaxpy")
    needs_rusticl()
    done = real.both("clblast_test_xaxpy", change=lambda text: "failed" in text, **RUSTICL)
    witness, = agree(done)
    assert figures(witness.changes)["allocations"] > 1000
