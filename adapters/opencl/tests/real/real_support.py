# SPDX-License-Identifier: Apache-2.0
"""What the tests with real programs share: a program run bare and then under `meshtally run
--opencl`, what the witness below our layer wrote down (witness_layer.c), and what our layer wrote
into the segment (docs/segment-format.md), event by event."""
import collections
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import threading

SOURCE = pathlib.Path(__file__).resolve().parents[4]
ALL = os.environ.get("MESHTALLY_REAL") == "all"  # set by scripts/check-real
TIMEOUT = 600 if ALL else 100
USE_HOST_PTR = 1 << 3
COUNTED, VIEW = (0, 1, 2), 3  # classes: user, system, cache; view
ALLOC, FREE, SIZES = 1, 2, 3


def needs(*programs):
    """The path of the first program. Without one of them the test is skipped, but not in a run of
    all, which has installed them."""
    import pytest
    for program in programs:
        if shutil.which(program) is None:
            message = f"{program} is not installed: scripts/check-real installs and runs it"
            pytest.fail(message) if ALL else pytest.skip(message)
    return shutil.which(programs[0])


def needs_module(name):
    """The same of a module of Python."""
    done = subprocess.run(["/usr/bin/python3", "-c", f"import {name}"], capture_output=True)
    if done.returncode:
        import pytest
        message = f"Python's {name} is not installed: scripts/check-real installs and runs it"
        pytest.fail(message) if ALL else pytest.skip(message)


# --- the witness ----------------------------------------------------------------------------

class Witness:
    """What one process asked the driver for."""

    def __init__(self, path):
        self.pid = int(path.suffix[1:])
        self.changes = []  # (object, bytes), (object, -bytes) of what counts, in order
        self.sizes, self.own, self.views = {}, {}, {}
        self.given_back = set()
        self.context_of = {}
        self.contexts = {}
        self.failed, self.extensions = [], []
        self.program = None
        for line in path.read_text().splitlines():
            event = json.loads(line)
            getattr(self, "_" + event.pop("event").replace(" ", "_"))(**event)

    def _start(self, program, **_):
        self.program = program

    def _context(self, context, devices):
        self.contexts[context] = devices

    def _alloc(self, object, context, what, bytes, flags):
        if flags & USE_HOST_PTR:  # the program's own memory: lent, nobody allocates
            self.own[object] = bytes
            return
        self.context_of[object] = context
        self.sizes[object] = bytes
        self.changes.append((object, bytes))

    def _view(self, object, bytes, **_):
        self.views[object] = bytes

    def _free(self, object):
        if object in self.sizes:
            self.changes.append((object, -self.sizes[object]))

    def _given_back(self, object):
        self.given_back.add(object)

    def left_bytes(self):
        """What the program did not give back. What it did, a thread of the driver may still have in
        use at the end: that is left as well, but not by the program."""
        return sum(size for object, size in self.changes if object not in self.given_back)

    def _failed(self, **failure):
        self.failed.append(failure)

    def _extension(self, name):
        self.extensions.append(name)


# --- the segment ----------------------------------------------------------------------------

def decode(code):
    return (code >> 5) << (code & 31)


class Segment:
    """The events of a segment, taken as they come, for the ring has only the last of them."""
    RING, ROWS = 12, 4  # regions

    def __init__(self, path):
        self.file = os.open(path, os.O_RDONLY)
        self.pid, = self._read(104, "<i")
        self.taken = 0      # op number of the last event that was taken
        self.complete = True
        self.events = []    # (type, id, bytes, class)
        self.exact = None   # of a SIZES event, for the one that follows it

    def _read(self, at, form):
        return struct.unpack(form, os.pread(self.file, struct.calcsize(form), at))

    def take(self):
        reserve_at, commit_at = 2048, 2056
        commit, = self._read(commit_at, "<Q")
        ring, _, size, count = self._read(1024 + 32 * self.RING, "<QQII")
        if commit <= self.taken:
            return
        copy = os.pread(self.file, size * count, ring)
        reserve, = self._read(reserve_at, "<Q")
        first = self.taken + 1
        if reserve >= first + count:
            self.complete = False
            first = reserve - count + 1
        for op in range(first, commit + 1):
            _, ident, place, type_op = struct.unpack_from("<QQQQ", copy, op % count * size)
            assert type_op >> 32 == op & 0xffffffff
            self._take(type_op & 0xff, ident, place)
        self.taken = commit

    def _take(self, kind, ident, place):
        if kind == SIZES:
            self.exact = ident
        if kind not in (ALLOC, FREE):
            return
        rows, _, size, _ = self._read(1024 + 32 * self.ROWS, "<QQII")
        row_class, = self._read(rows + (place >> 24 & 0xffff) * size + 7, "<B")
        code = place >> 40
        self.events.append((kind, ident, self.exact if code == 0xffffff else decode(code),
                            row_class))
        self.exact = None

    def replay(self):
        """What came and went. Ids of our layer are never given twice, so that one that ends and
        comes again was moved: to its device, or to the tag of the first kernel that used it."""
        changes, places = [], collections.Counter()
        comings = collections.Counter(ident for kind, ident, _, _ in self.events if kind == ALLOC)
        seen = set()
        for kind, ident, size, row_class in self.events:
            comings[ident] -= kind == ALLOC
            if row_class not in COUNTED:
                continue
            places[ident] += 1 if kind == ALLOC else -1
            if kind == ALLOC and ident not in seen:
                seen.add(ident)
                changes.append((ident, size))
            elif kind == FREE and not places[ident] and not comings[ident]:
                changes.append((ident, -size))
        self.changes = changes
        self.views = {ident: size for kind, ident, size, row_class in self.events
                      if kind == ALLOC and row_class == VIEW}


class Follower(threading.Thread):
    """Takes the events of all segments of a directory until it is stopped."""

    def __init__(self, directory):
        super().__init__(daemon=True)
        self.directory, self.segments = directory, {}
        self.stopping = threading.Event()
        self.failed = None
        self.start()

    def run(self):
        try:
            while not self.stopping.wait(0.02):
                self.look(self.directory)
        except Exception as error:  # told to the test by stop()
            self.failed = error

    def look(self, directory):
        for path in directory.glob("[!.]*.seg"):  # one with a dot is still being made
            if path.name not in self.segments:
                try:
                    self.segments[path.name] = Segment(path)
                except FileNotFoundError:
                    continue
        for segment in self.segments.values():
            segment.take()

    def stop(self, kept):
        """All that there was, with what was kept of processes that it never saw alive."""
        self.stopping.set()
        self.join()
        assert self.failed is None, self.failed
        self.look(kept)
        for segment in self.segments.values():
            os.close(segment.file)
            segment.replay()
        return sorted(self.segments.values(), key=lambda segment: segment.pid)


# --- what a story of changes amounts to ------------------------------------------------------

def figures(changes):
    now = peak = 0
    for _, size in changes:
        now += size
        peak = max(peak, now)
    came = [size for _, size in changes if size > 0]
    return {"allocations": len(came), "allocated_bytes": sum(came),
            "frees": len(changes) - len(came), "peak_bytes": peak, "left_bytes": now,
            "left": len(came) * 2 - len(changes)}


def named(changes):
    """Changes with objects named by the order in which they came: equal for two who saw the same
    things in the same order."""
    names = {}
    return [(names.setdefault(name, len(names)), size) for name, size in changes]


# --- running --------------------------------------------------------------------------------

class Done:
    """A program that was run: bare, or with our layer and the witness."""

    def __init__(self, status, output, error):
        self.status, self.output, self.error = status, output, error
        self.summary = self.witnesses = self.segments = None


class Real:
    """Runs programs, each in directories of its own, on devices of PoCL."""

    def __init__(self, build, tmp_path, cache):
        self.build, self.command = build, build / "meshtally"
        self.witness = build / "adapters/opencl/tests/real/libopencl_witness.so"
        self.dir, self.kept = tmp_path / "segments", tmp_path / "kept"
        self.tmp_path, self.summary = tmp_path, tmp_path / "summary.json"
        self.kept.mkdir()
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(
            ("MESHTALLY", "TT_ALLOC", "OPENCL_LAYERS", "OCL_ICD", "POCL", "STARPU", "OMPI",
             "COLUMNS"))}
        self.env.update(LC_ALL="C.UTF-8", HOME=str(tmp_path), OCL_ICD_VENDORS="pocl.icd",
                        POCL_CACHE_DIR=str(cache), POCL_MEMORY_LIMIT="2",
                        MESHTALLY_DIR=str(self.dir), MESHTALLY_STATE_DIR=str(tmp_path / "state"),
                        MESHTALLY_TT_SHM=str(tmp_path))

    def _popen(self, command, env, stdin=subprocess.DEVNULL):
        return subprocess.Popen([*map(str, command)], env=env, cwd=self.tmp_path, stdin=stdin,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @staticmethod
    def _end(child):
        """Of a child that waits for a line, with that line."""
        output, error = child.communicate(b"\n" if child.stdin else None, timeout=TIMEOUT)
        return Done(child.returncode, output.decode(errors="replace"),
                    error.decode(errors="replace"))

    def bare(self, *command, **env):
        return self._end(self._popen(command, {**self.env, **env}))

    def start(self, *command, stdin=subprocess.PIPE, **env):
        """Under `meshtally run --opencl`, with the witness below our layer. ocl-icd puts each layer
        of the list on top of those before it. A shell keeps the segments from being tidied away."""
        keep = ('"$@"; status=$?; for each in "$MESHTALLY_DIR"/*.seg; do '
                '[ ! -e "$each" ] || ln "$each" "$KEPT"; done; exit $status')
        self.follower = Follower(self.dir)
        return self._popen([self.command, "run", "--opencl", f"--json={self.summary}", "--",
                            "sh", "-c", keep, "sh", *command],
                           {**self.env, "KEPT": str(self.kept),
                            "OPENCL_WITNESS_OUT": str(self.tmp_path / "witness"),
                            "OPENCL_LAYERS": str(self.witness), **env}, stdin)

    def done(self, child):
        """What came of a program that was started, when it has ended."""
        done = self._end(child)
        assert self.summary.exists(), done.error
        done.summary = json.loads(self.summary.read_text())
        done.witnesses = [Witness(path) for path in sorted(self.tmp_path.glob("witness.*"))]
        done.segments = self.follower.stop(self.kept)
        return done

    def tracked(self, *command, **env):
        return self.done(self.start(*command, stdin=subprocess.DEVNULL, **env))

    def verb(self, *arguments):
        return subprocess.run([self.command, *arguments], env=self.env, check=True,
                              stdout=subprocess.PIPE, timeout=TIMEOUT).stdout.decode()

    def json(self, *arguments):
        return json.loads(self.verb(*arguments, "--json"))

    def both(self, *command, change=lambda text: text, status=0, **env):
        """Bare and tracked: the same exit status, and the same output but for what `change` takes
        out (times). The tracked one."""
        bare = self.bare(*command, **env)
        done = self.tracked(*command, **env)
        assert bare.status % 256 in (status, -status % 256), (bare.status, bare.output, bare.error)
        # a shell says 128 + N of a program that a signal ended
        wanted = 128 - bare.status if bare.status < 0 else bare.status
        assert done.status == wanted, (done.status, done.output, done.error)
        assert change(done.output) == change(bare.output)
        return done


def without_figures(text):
    """Output without its numbers: of benchmarks, which print times and what follows from them."""
    return re.sub(r"[ \t]+", " ", re.sub(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?", "N", text))


# --- comparing ------------------------------------------------------------------------------

AGREED = []  # (test, contexts, figures) of every process that agreed


def agree(done, threads=1, left=0, one_device=True):
    """That our layer has of every process of a run what the witness has: allocations, frees, most
    bytes at once, what was left, what lies in other memory; and that `meshtally run` says the same.
    `threads` of the program allocate; it does not give back `left` bytes. The witnesses that saw
    allocations."""
    seen = [each for each in done.witnesses if each.changes]
    segments = {each.pid: each for each in done.segments}
    assert sorted(segments) == sorted(each.pid for each in seen)
    for witness in seen:
        _stories_agree(segments[witness.pid], witness, threads)
        if one_device:  # else they are shown on the other devices of their contexts as well
            assert sorted(segments[witness.pid].views.values()) == \
                sorted([*witness.views.values(), *witness.own.values()])
        test = os.environ["PYTEST_CURRENT_TEST"].split("/")[-1].split(" ")[0]
        AGREED.append((test, len(witness.contexts), figures(witness.changes)))
    _summary_agrees(done, [segments[each.pid] for each in seen], left, one_device)
    return seen


def _stories_agree(segment, witness, threads):
    assert segment.complete, f"{segment.taken} operations came too fast to be taken"
    ours, theirs = figures(segment.changes), figures(witness.changes)
    if threads == 1:
        came = [[change for change in named(each.changes) if change[1] > 0]
                for each in (segment, witness)]
        assert came[0] == came[1]
    if named(segment.changes) != named(witness.changes):
        # Objects may end in a thread of the driver, so that what is being made or destroyed at a
        # moment, one object a thread, can be in the witness's story already, or still, and not in
        # ours.
        largest = max(size for _, size in witness.changes)
        most = ours.pop("peak_bytes"), theirs.pop("peak_bytes")
        assert most[1] - (threads + 1) * largest <= most[0] <= most[1]
        assert sorted(size for _, size in segment.changes) == \
            sorted(size for _, size in witness.changes)
    assert ours == theirs


def _summary_agrees(done, segments, left, one_device):
    total = {key: sum(figures(each.changes)[key] for each in segments)
             for key in ("left_bytes", "peak_bytes")}
    summary = done.summary
    assert sum(each["total_bytes"] for each in summary["left"]["totals"].values()) == \
        total["left_bytes"]
    assert left == sum(each.left_bytes() for each in done.witnesses)
    assert summary["faults_total"] == 0 and summary["findings_total"] == 0, summary["faults"]
    assert not summary["unreadable"]
    assert len(summary["failures"]) <= sum(len(each.failed) for each in done.witnesses)
    if one_device and segments:
        assert sum(peak["peak_held_bytes"] for process in summary["peaks"]
                   for peak in process["peaks"]) == total["peak_bytes"]
