# SPDX-License-Identifier: Apache-2.0
"""The pictures in README.md and docs/monitor.md are what the monitor shows."""
import shutil
import subprocess
import sys

import pytest

from e2e_support import SOURCE


@pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
def test_screenshots(build):
    done = subprocess.run([sys.executable, SOURCE / "scripts" / "screenshots", "--check", build],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=170)
    assert done.returncode == 0, done.stdout.decode()
