# SPDX-License-Identifier: Apache-2.0
"""Tags: who allocates. The library has a path of names per thread; Python code has contexts, which
asyncio switches while the thread stays the same. So the truth is in a context variable, and the
thread's path is set from it whenever a tag is entered or left.

A node of the context variable: (tag of the library, the node that it lies in, the `tag` object that
entered it, what the thread's path was before).
"""
import collections.abc
import functools
import inspect
import sys
from contextvars import ContextVar
from typing import Any, Callable, Dict, Optional, Tuple, TypeVar

from ._library import gate, lib

Function = TypeVar("Function", bound=Callable[..., Any])

_current: "ContextVar[Optional[Tuple[int, Any, Any, int]]]" = ContextVar("meshtally", default=None)

_KNOWN_LIMIT = 1 << 16  # as many as the library has room for
_known: Dict[Tuple[int, object], int] = {}  # of a path (str or bytes) below a tag

_swap: Callable[[int], int] = lib.mt_tag_swap if lib is not None else (lambda tag: 0)


def names_of(path: object) -> Tuple[bytes, ...]:
    """"a/b" is b within a, as if two tags had been entered."""
    text = path if isinstance(path, bytes) else str(path).encode("utf-8", "surrogateescape")
    return tuple(name for name in text.replace(b"\0", b"?").split(b"/") if name)


def tag_below(parent: int, path: object) -> int:
    """The library's number of a path; the parent's where there is no more room."""
    tag = _known.get((parent, path))
    if tag is not None:
        return tag
    tag = parent
    old = _swap(parent)
    for name in names_of(path):
        tag = lib.mt_tag_push(name) or tag
    _swap(old)
    if tag != parent:
        if len(_known) >= _KNOWN_LIMIT:
            _known.clear()
        _known[parent, path] = tag
    return tag


def current_tag() -> int:
    """What a buffer that is allocated here belongs to, for the library. 0: what the thread has."""
    node = _current.get()
    return node[0] if node is not None else 0


def _in_event_loop() -> bool:
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None


def _take_out(owner: "tag", node: Any) -> None:
    """Leaves a tag that is not the innermost one, as a generator does that ends in a tag of its
    caller's which was entered later than its own."""
    above = []
    while node is not None and node[2] is not owner:
        above.append(node)
        node = node[1]
    if node is None:  # it was entered while tracking was off
        return
    below, before = node[1], node[3]
    for each in reversed(above):
        below = (each[0], below, each[2], before)
        before = each[0]
    _current.set(below)


class tag:
    """Names what is allocated in a block or a function:

        with mt.tag("layer3/attn"):
            ...
        @mt.tag("loss")
        def loss(...): ...

    Tags nest, and "a/b" is the same as b within a. One object may be used again, at the same time
    in several threads, too. Names of up to 255 bytes; a longer one is cut. Nothing is raised by it,
    and while tracking is off it does nothing.

    Functions, coroutine functions and (asynchronous) generators can be decorated; the latter have
    the tag while their own code runs, not while they are suspended. A `with` in a coroutine stays
    on its thread while it waits, unless the loop follows tasks: see follow_tasks(). Other threads
    begin without a tag: see carry().
    """
    __slots__ = ("name",)

    def __init__(self, name: object) -> None:
        self.name = name if isinstance(name, (str, bytes)) else str(name)

    def __repr__(self) -> str:
        return f"meshtally.tag({self.name!r})"

    def __enter__(self) -> "tag":
        if not gate.value:
            return self
        outer = _current.get()
        parent = outer[0] if outer is not None else 0
        inner = _known.get((parent, self.name)) or tag_below(parent, self.name)
        before = _swap(inner)
        if before != parent:
            if _in_event_loop():
                before = parent  # that was another task's
            elif outer is None:
                # Below what code that is not Python's has given this thread.
                inner = tag_below(before, self.name)
                _swap(inner)
        _current.set((inner, outer, self, before))
        return self

    def __exit__(self, *exception: object) -> None:
        node = _current.get()
        if node is None:  # it was entered while tracking was off
            return
        if node[2] is self:
            _current.set(node[1])
            _swap(node[3])
        else:
            _take_out(self, node)

    def __call__(self, function: Function) -> Function:
        if isinstance(function, (type, staticmethod, classmethod)) or not callable(function):
            raise TypeError("meshtally.tag decorates functions: in a class its methods, below "
                            "@staticmethod and the like")
        wrapper: Any
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return Stepped(function(*args, **kwargs), self)
            wrapper = _as_coroutine_function(wrapper) if inspect.iscoroutinefunction(function) \
                else _as_generator_function(wrapper)
        elif inspect.isasyncgenfunction(function):
            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                return _SteppedGenerator(function(*args, **kwargs), self)
        else:
            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return function(*args, **kwargs)
        return wrapper  # type: ignore[no-any-return]

    def _node(self, outer: Any) -> Any:
        parent = outer[0] if outer is not None else 0
        return tag_below(parent, self.name), outer, self, parent


def _as_coroutine_function(make: Callable[..., Any]) -> Callable[..., Any]:
    """For those who ask whether it is one, before they call."""
    @functools.wraps(make)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await make(*args, **kwargs)
    return wrapper


def _as_generator_function(make: Callable[..., Any]) -> Callable[..., Any]:
    """Likewise: pytest does, of a fixture."""
    @functools.wraps(make)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return (yield from make(*args, **kwargs))
    return wrapper


class _Place:
    """The tags of a coroutine or generator while it is suspended."""
    node: Any = None
    begun = False


class Stepped(collections.abc.Coroutine):  # type: ignore[type-arg]
    """A coroutine or generator that has its tags on the thread while its own code runs."""

    def __init__(self, inner: Any, outermost: Optional[tag] = None,
                 place: Optional[_Place] = None) -> None:
        self._inner = inner
        self._outermost = outermost
        self._place = place if place is not None else _Place()

    def __getattr__(self, name: str) -> Any:  # cr_frame and the like, for those who print tasks
        return getattr(self._inner, name)

    def _step(self, call: Callable[..., Any], *args: Any) -> Any:
        if not gate.value:
            return call(*args)
        outer, place = _current.get(), self._place
        if not place.begun:
            place.node = self._outermost._node(outer) if self._outermost is not None else outer
            place.begun = True
        before = _swap(place.node[0] if place.node is not None else 0)
        _current.set(place.node)
        try:
            return call(*args)
        finally:
            place.node = _current.get()
            _current.set(outer)
            _swap(before)

    def send(self, value: Any) -> Any:
        return self._step(self._inner.send, value)

    def throw(self, *exception: Any) -> Any:
        return self._step(self._inner.throw, *exception)

    def close(self) -> None:
        self._step(self._inner.close)

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> "Stepped":
        return self

    def __next__(self) -> Any:
        return self._step(self._inner.send, None)


class _SteppedGenerator(collections.abc.AsyncGenerator):  # type: ignore[type-arg]
    """The same of an asynchronous generator, each of whose steps is a coroutine."""

    def __init__(self, inner: Any, outermost: tag) -> None:
        self._inner = inner
        self._outermost = outermost
        self._place = _Place()

    def _stepped(self, step: Any) -> Stepped:
        return Stepped(step, self._outermost, self._place)

    def asend(self, value: Any) -> Stepped:
        return self._stepped(self._inner.asend(value))

    def athrow(self, *exception: Any) -> Stepped:
        return self._stepped(self._inner.athrow(*exception))

    def aclose(self) -> Stepped:
        return self._stepped(self._inner.aclose())


def carry(function: Function) -> Function:
    """A function that runs under the tags that are set here and now, in whichever thread:

        executor.submit(mt.carry(work), ...)
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError("coroutines take their tags along by themselves: see follow_tasks()")
    node = _current.get()
    if node is None and gate.value:
        here = _swap(0)
        _swap(here)
        node = (here, None, None, 0) if here else None

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        outer = _current.get()
        before = _swap(node[0] if node is not None else 0)
        _current.set(node)
        try:
            return function(*args, **kwargs)
        finally:
            _current.set(outer)
            _swap(before)
    return wrapper  # type: ignore[return-value]


def follow_tasks(loop: Any = None) -> None:
    """From now on, tasks of this asyncio loop (default: the running one) have their tags while they
    run, and no others: `with mt.tag(...)` may then wait inside. Costs about a microsecond per step
    of a task. Call it first in the main coroutine."""
    import asyncio
    try:
        chosen = asyncio.get_running_loop() if loop is None else loop
    except RuntimeError:
        raise RuntimeError("no event loop runs here: call follow_tasks() in a coroutine, or give "
                           "it the loop") from None
    made_by = chosen.get_task_factory()
    if getattr(made_by, "_meshtally", False):
        return

    def factory(owner: Any, coroutine: Any, **options: Any) -> Any:
        stepped = Stepped(coroutine)
        if made_by is not None:
            return made_by(owner, stepped, **options)
        return asyncio.Task(stepped, loop=owner, **options)

    factory._meshtally = True  # type: ignore[attr-defined]
    chosen.set_task_factory(factory)


def mark(name: object, n: int = 0) -> None:
    """Marks a point in the program's life, such as ("step", 17): the reference for growth, for
    `peak_since_mark`, and for `meshtally run --keep FILE --at mark=step:17`."""
    if gate.value:
        text = name if isinstance(name, bytes) else str(name).encode("utf-8", "surrogateescape")
        lib.mt_mark(text.replace(b"\0", b"?"), n)
