# SPDX-License-Identifier: Apache-2.0
"""hashcat: tens of buffers for one hash mode, from a few bytes to hundreds of megabytes."""
import pytest

from real_support import agree, figures, needs


@pytest.mark.slow
def test_md5(real):
    needs("hashcat")
    done = real.both("hashcat", "-b", "-m", "0", "--force", "--runtime", "3",
                     POCL_MEMORY_LIMIT="8",
                     change=lambda text: "Hash-Mode 0 (MD5)" in text)
    assert "Speed.#1" in done.output
    witness, = agree(done, threads=2)
    assert figures(witness.changes)["allocations"] > 20
