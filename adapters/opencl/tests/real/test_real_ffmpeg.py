# SPDX-License-Identifier: Apache-2.0
"""ffmpeg's OpenCL filters: a pool of images, a few buffers; several threads."""
import pytest

from real_support import agree, needs


@pytest.mark.parametrize("filters", [
    "avgblur_opencl=3",
    "unsharp_opencl",
    pytest.param("transpose_opencl=dir=clock,sobel_opencl", marks=pytest.mark.slow),
])
def test_filter(real, filters):
    """The picture that comes out, by its MD5, is the same as without us."""
    needs("ffmpeg")
    done = real.both("ffmpeg", "-v", "error", "-init_hw_device", "opencl=ocl:0.0",
                     "-filter_hw_device", "ocl", "-f", "lavfi",
                     "-i", "testsrc=size=320x240:rate=10", "-frames:v", "10",
                     "-vf", f"format=yuv420p,hwupload,{filters},hwdownload,format=yuv420p",
                     "-f", "md5", "-")
    assert done.output.startswith("MD5=")
    agree(done)
