# SPDX-License-Identifier: Apache-2.0
"""A client of tt-metal's allocation protocol (docs/tt-protocol.md), written from its description
alone: it shares no code with the server that it tests."""
import collections
import os
import socket
import struct
import time

SIZES = (72, 112, 128, 144)
TIMEOUT = 30

ALLOC, FREE, QUERY, RESPONSE, DUMP_REMAINING, DEVICE_INFO_QUERY, DEVICE_INFO_RESPONSE, CB_ALLOC, \
    CB_FREE, KERNEL_LOAD, KERNEL_UNLOAD = range(1, 12)
DRAM, L1, SYSTEM_MEMORY, L1_SMALL, TRACE = range(5)
APPLICATION, FABRIC, DISPATCH = range(3)
GRAYSKULL, WORMHOLE_B0, BLACKHOLE, QUASAR = range(1, 5)

HEAD = struct.Struct("<B3xiQB3xiQQ")
USAGE = ("dram_allocated", "l1_allocated", "l1_small_allocated", "trace_allocated")
KERNELS = ("cb_allocated", "kernel_allocated")
INFO = ("total_dram_size", "total_l1_size", "arch_type", "num_dram_channels",
        "dram_size_per_channel", "l1_size_per_core", "is_available", "num_devices")
RING = ("ringbuffer_total_size", "ringbuffer_used_bytes", "ringbuffer_num_programs")
HEAD_FIELDS = ("type", "device_id", "size", "buffer_type", "process_id", "buffer_id", "timestamp")

TAILS = {
    72: (struct.Struct("<4Q"), USAGE),
    112: (struct.Struct("<4Q2Q6I"), USAGE + INFO),
    128: (struct.Struct("<6Q2Q6I"), USAGE + KERNELS + INFO),
    144: (struct.Struct("<6Q2Q6I3I4x"), USAGE + KERNELS + INFO + RING),
}
for _size, (_tail, _fields) in TAILS.items():
    assert HEAD.size + _tail.size == _size

Message = collections.namedtuple("Message", HEAD_FIELDS + USAGE + KERNELS + INFO + RING,
                                 defaults=[0] * 24)


def encode(size, type, device=0, bytes=0, buffer_type=0, pid=None, id=0, timestamp=None, **tail):
    """A message of `size` bytes. Figures may be out of any range: they are cut to their field."""
    form, fields = TAILS[size]
    pid = os.getpid() if pid is None else pid
    if timestamp is None:
        timestamp = 0 if type == FREE else time.time_ns()
    head = HEAD.pack(type & 0xff, signed(device), bytes & (1 << 64) - 1, buffer_type & 0xff,
                     signed(pid), id & (1 << 64) - 1, timestamp)
    return head + form.pack(*(tail.get(field, 0) for field in fields))


def signed(number):
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)


def decode(message):
    form, fields = TAILS[len(message)]
    return Message(**dict(zip(HEAD_FIELDS, HEAD.unpack_from(message))),
                   **dict(zip(fields, form.unpack_from(message, HEAD.size))))


class Client:
    """A connection. `pid` is what it says of itself in its messages: this process, unless told."""

    def __init__(self, path, size=112, pid=None):
        self.size = size
        self.pid = pid
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(str(path))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def message(self, type, *arguments, **fields):
        fields.setdefault("pid", self.pid)
        return encode(self.size, type, *arguments, **fields)

    def send(self, *arguments, **fields):
        self.socket.sendall(self.message(*arguments, **fields))

    def raw(self, data):
        self.socket.sendall(data)

    def alloc(self, device, id, bytes, buffer_type=DRAM, **fields):
        self.send(ALLOC, device, bytes, buffer_type, id=id, **fields)

    def free(self, device, id, **fields):
        self.send(FREE, device, id=id, **fields)

    def cb_alloc(self, device, id, bytes, **fields):
        self.send(CB_ALLOC, device, bytes, L1, id=id, **fields)

    def cb_free(self, device, id, bytes=0, **fields):
        self.send(CB_FREE, device, bytes, L1, id=id, **fields)

    def kernel_load(self, device, id, bytes, kernel_type=APPLICATION, **fields):
        self.send(KERNEL_LOAD, device, bytes, kernel_type, id=id, **fields)

    def kernel_unload(self, device, id, bytes=0, **fields):
        self.send(KERNEL_UNLOAD, device, bytes, id=id, **fields)

    def dump_remaining(self):
        self.send(DUMP_REMAINING)

    def answer(self):
        """The next answer: exactly one message in this client's size."""
        data = b""
        while len(data) < self.size:
            more = self.socket.recv(self.size - len(data))
            if not more:
                raise EOFError(f"the server hung up after {len(data)} bytes of an answer")
            data += more
        return decode(data)

    def query(self, device):
        """What is held on a device. The server has applied everything sent before."""
        self.send(QUERY, device)
        answer = self.answer()
        assert answer.type == RESPONSE and answer.device_id == device, answer
        return answer

    def device_info(self, device=-1):
        self.send(DEVICE_INFO_QUERY, device)
        answer = self.answer()
        assert answer.type == DEVICE_INFO_RESPONSE, answer
        return answer

    def wait_hang_up(self):
        """Reads until the server has closed the connection; the bytes that came before it."""
        data = b""
        try:
            while more := self.socket.recv(1 << 16):
                data += more
        except ConnectionResetError:
            pass
        return data

    def close(self):
        self.socket.close()
