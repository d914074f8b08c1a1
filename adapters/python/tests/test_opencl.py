# SPDX-License-Identifier: Apache-2.0
"""What the OpenCL layer reports in a Python program has the program's tags, and is read like
anything else."""
import importlib.util
import json
import subprocess
import sys

import pytest
from python_support import BUILD, TIMEOUT, environment

PROGRAM = """
import json, sys
import meshtally as mt
import pyopencl as cl

context = cl.create_some_context(interactive=False)
before = mt.snapshot()
with mt.tag("model/attn"):
    weights = cl.Buffer(context, cl.mem_flags.READ_WRITE, 1 << 20)
with mt.tag("model/mlp"):
    other = cl.Buffer(context, cl.mem_flags.READ_WRITE, 3 << 20)
held = mt.snapshot()
del weights
after = mt.snapshot()
(figures,) = mt.devices()
json.dump({"held": {b.tag: b.bytes for b in held},
           "came": [(c.tag, c.came_bytes) for c in mt.diff(before, after)],
           "went": [(c.tag, c.went_bytes) for c in mt.diff(held, after)],
           "figures": [usage.bytes for usage in figures.values() if usage.bytes]},
          open(sys.argv[1], "w"))
"""


def test_tags_of_opencl_buffers(build, segments, tmp_path):
    if importlib.util.find_spec("pyopencl") is None:
        pytest.skip("pyopencl is not installed (Debian: python3-pyopencl, pocl-opencl-icd)")
    if not (BUILD / "libmeshtally_opencl_layer.so").exists():
        pytest.skip("the OpenCL layer was not built (Debian: opencl-c-headers)")
    done = subprocess.run([BUILD / "meshtally", "run", "--opencl", "--", sys.executable, "-c",
                           PROGRAM, tmp_path / "told"], timeout=TIMEOUT, check=False,
                          env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
    assert json.loads((tmp_path / "told").read_text()) == {
        "held": {"model/attn": 1 << 20, "model/mlp": 3 << 20},
        "came": [["model/mlp", 3 << 20]], "went": [["model/attn", 1 << 20]],
        "figures": [3 << 20]}
