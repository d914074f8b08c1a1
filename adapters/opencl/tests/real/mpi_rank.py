# SPDX-License-Identifier: Apache-2.0
"""A rank of an MPI job: the device of its number, rank + 1 MB on it, and a kernel over it. All wait
with what they hold until a line comes."""
import sys

import numpy
import pyopencl
from mpi4py import MPI

world = MPI.COMM_WORLD
rank = world.Get_rank()
device = pyopencl.get_platforms()[0].get_devices()[rank]
context = pyopencl.Context([device])
queue = pyopencl.CommandQueue(context)
count = (rank + 1) << 18
data = pyopencl.Buffer(context, pyopencl.mem_flags.READ_WRITE, size=4 * count)
program = pyopencl.Program(context, """
kernel void fill(global int *data, int value) { data[get_global_id(0)] = value; }
""").build()
program.fill(queue, (count,), None, data, numpy.int32(rank)).wait()
back = numpy.empty(count, numpy.int32)
pyopencl.enqueue_copy(queue, back, data)
total = world.reduce(int(back.sum()))
if rank == 0:
    print("sum", total, flush=True)
    sys.stdin.readline()
world.Barrier()
data.release()
