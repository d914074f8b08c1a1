# SPDX-License-Identifier: Apache-2.0
"""CLBlast's own tests and tuner. The tests make and release a few buffers for each of their cases,
in a context per precision."""
import re

import pytest

from real_support import agree, figures, needs


def counts(text):
    """What the tests say of themselves, without the colours."""
    return re.findall(r"\d+ test\(s\) \w+|Pass rate.*", text)


def table(text):
    """The tuner's lines without times and without what depends on them."""
    return re.findall(r"^\| +\d+ \| +\d+ \|[ 0-9]+\|[ 0-9]+\|[ 0-9]+\|", text, re.M)


def test_two_thousand_buffers(real):
    needs("clblast_test_xaxpy")
    witness, = agree(real.both("clblast_test_xaxpy", change=counts))
    assert figures(witness.changes)["allocations"] == 2016
    assert len(witness.contexts) == 5


@pytest.mark.slow
def test_reductions(real):
    needs("clblast_test_xamax")
    witness, = agree(real.both("clblast_test_xamax", change=counts))
    assert figures(witness.changes)["allocations"] == 768


@pytest.mark.slow
def test_matrix_multiplication(real):
    needs("clblast_test_xgemm")
    agree(real.both("clblast_test_xgemm", change=counts))


def test_tuner(real):
    needs("clblast_tuner_xaxpy")
    # an eighth of the configurations, by chance: their lines differ from run to run
    done = real.both("clblast_tuner_xaxpy", "-fraction", "8", "-runs", "1",
                     change=lambda text: len(table(text)))
    witness, = agree(done)
    assert figures(witness.changes)["peak_bytes"] > 2 * 4 * 4194304
