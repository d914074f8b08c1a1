# SPDX-License-Identifier: Apache-2.0
"""Tags of threads, functions and generators: what is allocated belongs to the path that is set
where it is allocated, whether Python reports it or C code does."""
import concurrent.futures
import inspect
import threading

import pytest
from meshtally import _library, _tags
from python_support import command, native_alloc, tags


def thread_tag():
    """The path that the library has for this thread, and puts back."""
    tag = _library.lib.mt_tag_swap(0)
    _library.lib.mt_tag_swap(tag)
    return tag


def test_nested(mt, device):
    with mt.tag("model"):
        with mt.tag("layer3.attn"):
            device.alloc(1, 4096)
            native_alloc(device, 2)
        device.alloc(3, 4096)
    device.alloc(4, 4096)
    native_alloc(device, 5)
    assert tags(mt.snapshot()) == {1: "model/layer3.attn", 2: "model/layer3.attn", 3: "model",
                                   4: None, 5: None}


def test_a_path_is_as_if_nested(mt, device):
    with mt.tag("a/b"):
        inner = thread_tag()
    with mt.tag("a"), mt.tag("b"):
        assert thread_tag() == inner
    device.alloc(1, 4096, tag="a/b")
    with mt.tag("other"):
        device.alloc(2, 4096, tag="//a//b/")
    assert tags(mt.snapshot()) == {1: "a/b", 2: "a/b"}


def test_any_name(mt, device):
    with mt.tag("x" * 1000):
        device.alloc(1, 4096)
    with mt.tag("nul\0here"):
        device.alloc(2, 4096)
    with mt.tag(17):
        device.alloc(3, 4096)
    with mt.tag(""):
        device.alloc(4, 4096)
    with mt.tag("\u00fc\udc80"):
        device.alloc(5, 4096)
    found = tags(mt.snapshot())
    assert found == {1: "x" * 255, 2: "nul?here", 3: "17", 4: None, 5: "\u00fc\\x80"}


def test_exception_and_reuse(mt, device):
    again = mt.tag("again")
    with pytest.raises(KeyError):
        with again:
            raise KeyError
    assert thread_tag() == 0
    with again, again:
        device.alloc(1, 4096)
    assert tags(mt.snapshot()) == {1: "again/again"}
    assert thread_tag() == 0


def test_below_what_native_code_set(mt, device):
    _library.lib.mt_tag_push(b"service")
    try:
        with mt.tag("request"):
            native_alloc(device, 1)
            device.alloc(2, 4096)
        native_alloc(device, 3)
    finally:
        _library.lib.mt_tag_swap(0)
    assert tags(mt.snapshot()) == {1: "service/request", 2: "service/request", 3: "service"}


def test_functions_and_methods(mt, device):
    class Layer:
        @mt.tag("forward")
        def forward(self, number, *, size):
            """Documented."""
            device.alloc(number, size)
            return number

    assert Layer().forward(7, size=512) == 7
    assert Layer.forward.__doc__ == "Documented." and Layer.forward.__name__ == "forward"
    bound = mt.tag("bound")(Layer().forward)
    bound(8, size=512)
    assert tags(mt.snapshot()) == {7: "forward", 8: "bound/forward"}
    with pytest.raises(TypeError, match="methods"):
        mt.tag("x")(Layer)


def test_generator_has_its_tag_while_it_runs(mt, device):
    @mt.tag("loader")
    def batches():
        try:
            for i in range(3):
                with mt.tag(f"batch{i}"):
                    native_alloc(device, 10 + i)
                    got = yield i
                    native_alloc(device, 20 + i)
                assert got == -i
        finally:
            native_alloc(device, 30)
        return "end"

    def all_of_it():
        assert (yield from batches()) == "end"

    with mt.tag("train"):
        loader = all_of_it()
        assert next(loader) == 0
        native_alloc(device, 1)
        assert loader.send(0) == 1
        assert loader.send(-1) == 2
        with mt.tag("late"), pytest.raises(StopIteration):
            loader.send(-2)
        native_alloc(device, 2)
    # Below what was set where it was first asked.
    assert tags(mt.snapshot()) == {
        1: "train", 2: "train", **{10 + i: f"train/loader/batch{i}" for i in range(3)},
        **{20 + i: f"train/loader/batch{i}" for i in range(3)}, 30: "train/loader"}
    assert list(iter(mt.tag("few")(lambda: (yield 1))())) == [1]
    assert thread_tag() == 0


def test_generator_function_stays_one(mt, device):
    """pytest asks, before it calls a fixture."""
    @mt.tag("x")
    def fixture():
        yield 5

    assert inspect.isgeneratorfunction(fixture) and list(fixture()) == [5]
    for kind in (staticmethod, classmethod):
        with pytest.raises(TypeError, match="below @staticmethod"):
            mt.tag("x")(kind(fixture))


def test_generator_that_is_closed_and_thrown_into(mt, device):
    @mt.tag("closing")
    def endless():
        try:
            while True:
                try:
                    yield
                except ValueError:
                    native_alloc(device, 1)
        finally:
            native_alloc(device, 2)

    each = endless()
    next(each)
    each.throw(ValueError("x"))
    each.close()
    assert tags(mt.snapshot()) == {1: "closing", 2: "closing"}


def test_left_in_another_order(mt, device):
    def generator():
        with mt.tag("inside"):
            yield

    steps = generator()
    next(steps)
    with mt.tag("outer"):
        assert list(steps) == []
        device.alloc(1, 4096)
    device.alloc(2, 4096)
    native_alloc(device, 3)
    assert tags(mt.snapshot()) == {1: "inside/outer", 2: None, 3: None}
    assert _tags._current.get() is None


def test_threads_have_tags_of_their_own(mt, device):
    inside, let_go = threading.Event(), threading.Event()

    def other():
        with mt.tag("other"):
            inside.set()
            assert let_go.wait(60)
            native_alloc(device, 1)
        native_alloc(device, 2)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(60)
    native_alloc(device, 3)
    with mt.tag("main"):
        let_go.set()
        thread.join()
        native_alloc(device, 4)
    assert tags(mt.snapshot()) == {1: "other", 2: None, 3: None, 4: "main"}


def test_one_object_in_many_threads(mt, device):
    shared = mt.tag("shared")
    barrier = threading.Barrier(4)

    def work(number):
        for i in range(50):
            with mt.tag(f"t{number}"), shared:
                if i == 25:
                    barrier.wait(60)
                native_alloc(device, number * 100 + i)
        assert thread_tag() == 0

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, number) for number in range(4)]:
            done.result()
    assert tags(mt.snapshot()) == {number * 100 + i: f"t{number}/shared"
                                   for number in range(4) for i in range(50)}


def test_carried_to_a_thread(mt, device):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with mt.tag("step"):
            work = mt.carry(lambda: (native_alloc(device, 1), device.alloc(2, 4096)))
        pool.submit(work).result()
        pool.submit(lambda: native_alloc(device, 3)).result()
        pool.submit(mt.carry(lambda: native_alloc(device, 4))).result()
    assert tags(mt.snapshot()) == {1: "step", 2: "step", 3: None, 4: None}


def test_off(untracked, segments):
    mt = untracked
    block = mt.tag("early")
    with block:
        assert thread_tag() == 0
        assert mt.enable() is mt.Result.OK
        device = mt.Device(0, 5)
        device.alloc(1, 4096)
        with mt.tag("inner"):
            device.alloc(2, 4096)
            mt.enable(False)
        assert thread_tag() == 0
    assert mt.tag("function")(lambda: 5)() == 5
    assert mt.carry(lambda: 6)() == 6
    assert thread_tag() == 0 and _tags._current.get() is None
    assert mt.enable() is mt.Result.OK
    device.alloc(3, 4096)
    assert tags(mt.snapshot())[3] is None


def test_mark(mt, device):
    device.alloc(1, 1 << 20)
    device.free(1)
    mt.mark("step", 17)
    mt.mark(b"bytes\0too")
    device.alloc(2, 1 << 10)
    usage = mt.usage(device, "DRAM")
    assert (usage.peak, usage.peak_since_mark) == (1 << 20, 1 << 10)
    (process,) = command("peak")["processes"]
    (peak,) = process["peaks"]
    assert (peak["peak_held_bytes"], peak["peak_held_bytes_since_mark"]) == (1 << 20, 1 << 10)


def test_more_names_than_are_remembered(mt, device, monkeypatch):
    monkeypatch.setattr(_tags, "_KNOWN_LIMIT", 8)
    monkeypatch.setattr(_tags, "_known", {})
    for i in range(20):
        with mt.tag(f"n{i}"):
            device.alloc(i, 4096)
    assert tags(mt.snapshot()) == {i: f"n{i}" for i in range(20)}
    assert len(_tags._known) <= 8
