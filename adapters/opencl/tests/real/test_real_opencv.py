# SPDX-License-Identifier: Apache-2.0
"""OpenCV's transparent OpenCL (UMat), from Python. It may keep released buffers in a pool."""
import pytest

from real_support import agree, figures, needs_module

PROGRAM = """
import cv2, numpy
cv2.ocl.setUseOpenCL(True)
assert cv2.ocl.haveOpenCL() and cv2.ocl.useOpenCL()

def work():
    random = numpy.random.default_rng(1)
    for size in (240, 480, 720):
        picture = cv2.UMat(random.integers(0, 255, (size, size * 4 // 3, 3), dtype=numpy.uint8))
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        blurred = cv2.GaussianBlur(grey, (7, 7), 1.5)
        small = cv2.threshold(cv2.resize(blurred, (320, 240)), 100, 255, cv2.THRESH_BINARY)[1]
        print(size, blurred.get().sum(), small.get().sum())

work()
"""
ENVIRONMENT = {"OPENCV_OPENCL_DEVICE": ":CPU:", "OPENCV_OPENCL_CACHE_ENABLE": "0"}


@pytest.mark.parametrize("pool", ["0", "67108864"])
def test_pictures(real, pool):
    """OpenCV never destroys its context, and its pool of buffers with it: what is in the pool at
    the end is left, by its own decision. Where the pool is off, what is left are the two buffers in
    between of the last picture: they wait for their commands until OpenCV allocates again."""
    needs_module("cv2")
    done = real.both("/usr/bin/python3", "-c", PROGRAM, **ENVIRONMENT,
                     OPENCV_OPENCL_BUFFERPOOL_LIMIT=pool)
    witness = next(each for each in done.witnesses if each.changes)
    left = figures(witness.changes)
    assert left["left"] <= 2 if pool == "0" else left["left"] > 2
    agree(done, left=witness.left_bytes())
    leaked = done.summary["left"]["totals"]["leaked"]
    assert (leaked["total_bytes"], leaked["records"]) == (left["left_bytes"], left["left"])
