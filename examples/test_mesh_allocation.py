#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The test of mesh allocation as a Python program: opens a 2x4 mesh of simulated devices, makes
tensors on it, adds and multiplies them (really, on small tiles, checked against the host), frees
everything and closes, three times. It reports each device buffer to an allocation server over the
socket protocol, with the sizes of mesh_allocation, so that the figures of both agree.

    meshtally serve &
    meshtally top -a -r 500        (in another terminal)
    examples/test_mesh_allocation.py --pause

Needs nothing but Python's own library. Exit status: 0 done, 1 failed, 2 wrong use."""
import argparse
import os
import socket
import struct
import sys
import time

WELL_KNOWN = "/tmp/tt_allocation_server.sock"
MESH_ORDER = (4, 0, 3, 7, 5, 1, 2, 6)  # two rows of four ordinals
ROWS, COLUMNS = 2, 4
DRAM, L1 = 0, 1
ALLOC, FREE = 1, 2
BANKS, PAGE_BYTES, BANK_BYTES = 12, 2048, 1 << 30
QUEUE_BYTES, QUEUES, FABRIC_BYTES, FABRIC_ADDRESS = 14753792, 10, 22528, 1572512
TENSOR_BYTES, FACTOR_BYTES, PRODUCT_BYTES = 4194304, 524288, 1048576  # on each device
ADD_KERNEL_BYTES, MATMUL_KERNEL_BYTES = 12288, 24576
SHAPES = {"a": (8, 16), "b": (8, 16), "x": (8, 16), "y": (16, 16)}  # what is really computed

HOOKS = {
    "both": "the backing buffer on the first device, then every device-local one; all frees",
    "device-local": "device-local buffers only; all frees",
    "naive-owned": "the backing buffer on device 0; frees only of what owns its memory",
    "naive-all": "the backing buffer on device 0; all frees",
}


class Client:
    """Connects at the first event; one message per event; gives up when nobody listens."""

    def __init__(self, path, message_bytes, early):
        self.path, self.message_bytes, self.early = path, message_bytes, early
        self.connection = None
        self.sent = self.dropped = 0

    def alloc(self, device, address, size, kind):
        self._event(ALLOC, device, address, size, kind, time.time_ns())

    def free(self, device, address):
        self._event(FREE, 0 if self.early else device, address, 0, 0, 0)

    def _event(self, *event):
        if self.dropped:
            self.dropped += 1
            return
        try:
            if self.connection is None:
                self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self.connection.connect(self.path)
            self.connection.sendall(self._message(*event))
            self.sent += 1
        except OSError as error:
            print(f"No tracking: {self.path}: {error.strerror}. Is meshtally serve running?")
            self.dropped += 1

    def _message(self, type_, device, address, size, kind, time_ns):
        message = struct.pack("<B3xiQB3xiQQ", type_, device, size, kind, os.getpid(), address,
                              time_ns)
        return message.ljust(self.message_bytes, b"\0")


class Allocator:
    """First fit, in lockstep over the banks and over the devices of the mesh."""

    def __init__(self):
        self.taken = {}

    def take(self, size):
        pages = -(-size // PAGE_BYTES)
        span = -(-pages // BANKS) * PAGE_BYTES
        address = 0
        for start in sorted(self.taken):
            if start - address >= span:
                break
            address = start + self.taken[start]
        if address + span > BANK_BYTES:
            raise MemoryError("no room on the devices")
        self.taken[address] = span
        return address

    def give_back(self, address):
        del self.taken[address]


class Mesh:
    """The open devices. A mesh buffer is a backing buffer and one local buffer per device."""

    def __init__(self, client, hooks):
        self.client, self.hooks = client, hooks
        self.allocator = Allocator()
        self.programs = {}
        pages = QUEUE_BYTES // PAGE_BYTES
        self.queues = [self.allocator.take((pages + i) // QUEUES * PAGE_BYTES)
                       for i in range(QUEUES)]
        for device in MESH_ORDER:
            for i, address in enumerate(self.queues):
                client.alloc(device, address, (pages + i) // QUEUES * PAGE_BYTES, DRAM)
        client.alloc(0, FABRIC_ADDRESS, FABRIC_BYTES, L1)

    @property
    def _backing_device(self):
        if self.hooks == "device-local":
            return None
        return MESH_ORDER[0] if self.hooks == "both" else 0

    def allocate(self, size):
        """Reports after the range is taken, and a free before it is given back."""
        address = self.allocator.take(size)
        if self._backing_device is not None:
            self.client.alloc(self._backing_device, address, size, DRAM)
        for device in MESH_ORDER:
            self.client.alloc(device, address, size, DRAM)
        return address

    def deallocate(self, address):
        if self.hooks != "naive-owned":
            for device in MESH_ORDER:
                self.client.free(device, address)
        if self._backing_device is not None:
            self.client.free(self._backing_device, address)
        self.allocator.give_back(address)

    def program(self, name, size):
        """The kernel binaries stay in the cache until it is cleared."""
        if name not in self.programs:
            self.programs[name] = self.allocate(size)

    def clear_cache(self):
        while self.programs:
            self.deallocate(self.programs.popitem()[1])

    def release_queues(self):
        for device in MESH_ORDER:
            for address in self.queues:
                self.client.free(device, address)
        for address in self.queues:
            self.allocator.give_back(address)
        self.queues = []

    def close(self):
        self.client.free(0, FABRIC_ADDRESS)


class Tensor:
    """A matrix in tiles, one on each device, as the devices lie in the mesh. `size` is what the
    tensor of mesh_allocation takes on each device: the tiles here are small."""

    def __init__(self, mesh, size, shape, values=lambda i, j: None):
        self.mesh, self.address, self.shape = mesh, mesh.allocate(size), shape
        self.height, self.width = shape[0] // ROWS, shape[1] // COLUMNS
        self.tiles = {device: [[values(*self.element(device, i, j)) for j in range(self.width)]
                               for i in range(self.height)] for device in MESH_ORDER}

    def element(self, device, i, j):
        row, column = divmod(MESH_ORDER.index(device), COLUMNS)
        return row * self.height + i, column * self.width + j

    def at(self, i, j):
        device = MESH_ORDER[i // self.height * COLUMNS + j // self.width]
        return self.tiles[device][i % self.height][j % self.width]

    def compute(self, value):
        """Device by device, element by element of its tile."""
        for device, tile in self.tiles.items():
            for i in range(self.height):
                for j in range(self.width):
                    tile[i][j] = value(*self.element(device, i, j))

    def free(self):
        self.mesh.deallocate(self.address)
        self.tiles = None


def host_value(seed):
    return lambda i, j: ((i * 64 + j + seed) * 2654435761 % 2**32 >> 28) - 8


SEEDS = {"a": host_value(1), "b": host_value(77), "x": host_value(1234), "y": host_value(99999)}


def make_input(mesh, name):
    size = TENSOR_BYTES if name in "ab" else FACTOR_BYTES
    return Tensor(mesh, size, SHAPES[name], SEEDS[name])


def add(mesh, a, b):
    mesh.program("add", ADD_KERNEL_BYTES)
    total = Tensor(mesh, TENSOR_BYTES, a.shape)
    total.compute(lambda i, j: a.at(i, j) + b.at(i, j))
    return total


def matmul(mesh, x, y):
    mesh.program("matmul", MATMUL_KERNEL_BYTES)
    product = Tensor(mesh, PRODUCT_BYTES, (x.shape[0], y.shape[1]))
    product.compute(lambda i, j: sum(x.at(i, k) * y.at(k, j) for k in range(x.shape[1])))
    return product


def check(tensor, wanted):
    for i in range(tensor.shape[0]):
        for j in range(tensor.shape[1]):
            if tensor.at(i, j) != wanted(i, j):
                raise ArithmeticError(f"element {i},{j}: {tensor.at(i, j)}, not {wanted(i, j)}")


def check_sum(total):
    check(total, lambda i, j: SEEDS["a"](i, j) + SEEDS["b"](i, j))


def check_product(product):
    check(product, lambda i, j: sum(SEEDS["x"](i, k) * SEEDS["y"](k, j)
                                    for k in range(SHAPES["x"][1])))


def run(client, hooks):
    """A generator: the name of each step, as it has been done, and a word about it."""
    mesh = Mesh(client, hooks)
    yield "open", "command queues on 8 devices; fabric on device 0"
    a = make_input(mesh, "a")
    yield "tensor-a", "a: 4.00 MB on each device"
    b = make_input(mesh, "b")
    yield "tensor-b", "b: 4.00 MB on each device"
    total = add(mesh, a, b)
    check_sum(total)
    yield "add", "sum = a + b, equal to the host's; its kernels stay cached"
    x = make_input(mesh, "x")
    yield "tensor-x", "x: 512 KB on each device"
    y = make_input(mesh, "y")
    yield "tensor-y", "y: 512 KB on each device"
    product = matmul(mesh, x, y)
    check_product(product)
    yield "matmul", "product = x * y, equal to the host's; its kernels stay cached"
    for name, tensor in (("a", a), ("b", b), ("sum", total), ("x", x), ("y", y),
                         ("product", product)):
        tensor.free()
        yield f"free-{name}", f"{name} deallocated"
    mesh.clear_cache()
    yield "cache-cleared", "kernel binaries freed"
    mesh.release_queues()
    yield "queues-released", "command queues given back"
    mesh.close()
    yield "closed", "mesh and devices closed"


def await_reader(options, step):
    if options.step_fd is not None:
        os.write(options.step_fd, f"step {step}\n".encode())
    if options.ack_fd is not None and os.read(options.ack_fd, 1) == b"":
        raise BrokenPipeError("nobody reads the steps any more")
    if options.pause:
        input()


def read_options():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="hooks:\n" + "\n".join(f"  {name:<13} {about}" for name, about in HOOKS.items()))
    parser.add_argument("--tt-socket", default=WELL_KNOWN, metavar="PATH",
                        help="the server's socket (default %(default)s)")
    parser.add_argument("--hooks", choices=HOOKS, default="both",
                        help="what is reported (default both)")
    parser.add_argument("--runs", type=int, default=3, help="do it all N times (default 3)")
    parser.add_argument("--message-bytes", type=int, choices=(72, 112, 128, 144), default=112,
                        help="the form of the messages (default 112)")
    parser.add_argument("--early", action="store_true",
                        help="frees name device 0 always, as early Python clients did")
    parser.add_argument("--pause", action="store_true", help="wait for Enter after each step")
    parser.add_argument("--step-fd", type=int, metavar="FD",
                        help='write "step NAME" and a newline to FD after each step')
    parser.add_argument("--ack-fd", type=int, metavar="FD", help="then wait for a byte from FD")
    return parser.parse_args()


def main():
    options = read_options()
    client = Client(options.tt_socket, options.message_bytes, options.early)
    print(f"A {ROWS}x{COLUMNS} mesh: devices", " / ".join(
        " ".join(map(str, MESH_ORDER[row * COLUMNS:][:COLUMNS])) for row in range(ROWS)))
    try:
        for number in range(1, options.runs + 1):
            for step, about in run(client, options.hooks):
                print(f"run {number}  {step:<17}{about}", flush=True)
                await_reader(options, step)
    except (ArithmeticError, MemoryError, OSError) as error:
        print(f"test_mesh_allocation.py: {error}", file=sys.stderr)
        return 1
    print(f"Messages: {client.sent} sent, {client.dropped} dropped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
