# SPDX-License-Identifier: Apache-2.0
"""Tags in asyncio: tasks take turns on one thread, each with its own path. C code sees the thread's
path alone, so what it reports shows whether the path follows the task."""
import asyncio
import inspect

import pytest
from meshtally import _library, _tags
from python_support import native_alloc, tags


async def turns(count=1):
    for _ in range(count):
        await asyncio.sleep(0)


def rounds(device, number, native):
    """A task that reports before and after it has let others run."""
    if native:
        native_alloc(device, number)
    else:
        device.alloc(number, 4096)


async def worker(mt, device, number, native):
    with mt.tag(f"worker{number}"):
        for i in range(3):
            rounds(device, number * 10 + i, native)
            with mt.tag("inner"):
                rounds(device, number * 10 + i + 5, native)
                await turns()
                rounds(device, 1000 + number * 10 + i, native)
            await turns()


def expected(workers):
    found = {}
    for number in workers:
        for i in range(3):
            found[number * 10 + i] = f"worker{number}"
            found[number * 10 + i + 5] = f"worker{number}/inner"
            found[1000 + number * 10 + i] = f"worker{number}/inner"
    return found


@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_tasks_that_are_followed(mt, device, native):
    async def main():
        mt.follow_tasks()
        mt.follow_tasks()
        await asyncio.gather(*(worker(mt, device, number, native) for number in range(1, 5)))
        with mt.tag("main"):
            child = asyncio.ensure_future(worker(mt, device, 8, native))
            await turns(2)
        await child
        rounds(device, 1, native)

    asyncio.run(main())
    found = tags(mt.snapshot())
    below = {number: f"main/{tag}" for number, tag in expected([8]).items()}
    assert found == {**expected(range(1, 5)), **below, 1: None}
    assert _library.lib.mt_tag_swap(0) == 0


def test_python_reports_are_right_without(mt, device):
    """alloc() takes the context's tag, whatever the thread has."""
    async def main():
        await asyncio.gather(*(worker(mt, device, number, False) for number in range(1, 5)))

    asyncio.run(main())
    assert tags(mt.snapshot()) == expected(range(1, 5))
    assert _library.lib.mt_tag_swap(0) == 0


def test_coroutine_functions(mt, device):
    @mt.tag("handler")
    async def handler(number):
        native_alloc(device, number)
        with mt.tag("inside"):
            await turns(3)
            native_alloc(device, number + 1)
        await turns()
        native_alloc(device, number + 2)
        return number

    async def main():
        assert inspect.iscoroutinefunction(handler)
        assert await asyncio.gather(handler(10), handler(20), handler(30)) == [10, 20, 30]
        native_alloc(device, 1)

    asyncio.run(main())
    found = {1: None}
    for number in (10, 20, 30):
        found.update({number: "handler", number + 1: "handler/inside", number + 2: "handler"})
    assert tags(mt.snapshot()) == found


def test_asynchronous_generators(mt, device):
    @mt.tag("stream")
    async def stream(first):
        try:
            for i in range(2):
                native_alloc(device, first + i)
                with mt.tag("item"):
                    await turns()
                    yield i
                    native_alloc(device, first + 10 + i)
        finally:
            await turns()
            native_alloc(device, first + 20)

    async def main():
        with mt.tag("reader"):
            async for i in stream(10):
                native_alloc(device, i)
        closed = stream(100)
        assert await closed.asend(None) == 0
        await closed.aclose()

    asyncio.run(main())
    found = {0: "reader", 1: "reader"}
    found.update({number: "reader/stream" for number in (10, 11, 30)})
    found.update({number: "reader/stream/item" for number in (20, 21)})
    found.update({number: "stream" for number in (100, 120)})
    assert tags(mt.snapshot()) == found


def test_cancelled_and_failed(mt, device):
    async def waits():
        with mt.tag("waits"):
            try:
                await asyncio.sleep(3600)
            finally:
                native_alloc(device, 1)

    async def fails():
        with mt.tag("fails"):
            await turns()
            raise KeyError

    async def main():
        mt.follow_tasks()
        task = asyncio.ensure_future(waits())
        failing = asyncio.ensure_future(fails())
        await turns(3)
        assert "waits" in repr(task)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(KeyError):
            await failing
        native_alloc(device, 2)

    asyncio.run(main())
    assert tags(mt.snapshot()) == {1: "waits", 2: None}


def test_another_task_factory_stays(mt, device):
    made = []

    def factory(loop, coroutine, **options):
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def main():
        asyncio.get_running_loop().set_task_factory(factory)
        mt.follow_tasks(asyncio.get_running_loop())
        await asyncio.gather(worker(mt, device, 1, True), worker(mt, device, 2, True))
        assert len(made) == 2

    asyncio.run(main())
    assert tags(mt.snapshot()) == expected([1, 2])


def test_a_thread_of_the_loop(mt, device):
    """The context goes along, the thread's path does not; carry() takes both."""
    def work(number):
        device.alloc(number, 4096)
        native_alloc(device, number + 1)
        with mt.tag("inner"):
            native_alloc(device, number + 2)
        return _library.lib.mt_tag_swap(0)

    async def main():
        loop = asyncio.get_running_loop()
        with mt.tag("step"):
            assert await loop.run_in_executor(None, mt.carry(work), 10) != 0
        assert await loop.run_in_executor(None, work, 20) == 0

    asyncio.run(main())
    assert tags(mt.snapshot()) == {10: "step", 11: "step", 12: "step/inner",
                                   20: None, 21: None, 22: "inner"}


def test_off_and_misuse(untracked):
    async def main():
        untracked.follow_tasks()
        return await asyncio.gather(asyncio.sleep(0, "a"), asyncio.sleep(0, "b"))

    assert asyncio.run(main()) == ["a", "b"]
    with pytest.raises(RuntimeError, match="no event loop runs here"):
        untracked.follow_tasks()
    with pytest.raises(TypeError, match="follow_tasks"):
        untracked.carry(main)
    assert _tags._current.get() is None
