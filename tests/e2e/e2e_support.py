# SPDX-License-Identifier: Apache-2.0
"""What the tests from outside share: the command in a directory of its own, programs that wait
after each step until the test has looked, figures out of JSON."""
import json
import os
import pathlib
import signal
import subprocess
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT = 60


def wait_until(condition, what, timeout=TIMEOUT):
    """Polls for what has no descriptor to wait on; the value of the condition."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.002)
    return value


class Tally:
    """The command `meshtally` on an own, at first missing, directory of segments."""

    def __init__(self, build, tmp_path):
        self.build = build
        self.command = build / "meshtally"
        self.dir = tmp_path / "segments"
        self.counters = tmp_path / "tt-shm"
        self.counters.mkdir()
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("MESHTALLY", "TT_ALLOC", "COLUMNS"))}
        self.env.update(MESHTALLY_DIR=str(self.dir), MESHTALLY_TT_SHM=str(self.counters),
                        MESHTALLY_STATE_DIR=str(tmp_path / "state"), LC_ALL="C")

    def __call__(self, *arguments, status=0, env=None, **options):
        """Runs a verb; its standard output as text. Fails if the exit status is another."""
        return self.all(*arguments, status=status, env=env, **options).stdout

    def all(self, *arguments, status=0, env=None, **options):
        """The same with everything that came of it."""
        done = subprocess.run([self.command, *map(str, arguments)], env={**self.env, **(env or {})},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=TIMEOUT, **options)
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        assert status is None or done.returncode == status, \
            f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments, **options):
        return json.loads(self(*arguments, "--json", **options))

    def segments(self):
        return sorted(self.dir.glob("*.seg"))


class Stepper:
    """mesh_allocation, stopped after each step until resumed."""

    def __init__(self, command, env, stderr=None):
        steps, steps_end = os.pipe()
        acks_end, acks = os.pipe()
        self.child = subprocess.Popen(
            [*map(str, command), f"--step-fd={steps_end}", f"--ack-fd={acks_end}"], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
            pass_fds=(steps_end, acks_end))
        os.close(steps_end)
        os.close(acks_end)
        self.steps = os.fdopen(steps, "r")
        self.acks = acks
        self.waiting = False

    @property
    def pid(self):
        return self.child.pid

    def __iter__(self):
        """The names of the steps, each as it has been done."""
        while (name := self.next()) is not None:
            yield name

    def next(self):
        if self.waiting:
            os.write(self.acks, b".")
        line = self.steps.readline()
        self.waiting = line != ""
        return line.split()[1] if line else None

    def until(self, step):
        for name in self:
            if name == step:
                return self
        raise AssertionError(f"no step {step}")

    def end(self):
        """Lets it go on to its end: exit status, output."""
        for _ in self:
            pass
        return self._reap()

    def kill(self, number=signal.SIGKILL):
        self.child.send_signal(number)
        return self._reap()

    def _reap(self):
        output, error = self.child.communicate(timeout=TIMEOUT)
        self.output = output.decode()
        self.error = error.decode() if error is not None else None
        return self.child.returncode

    def finish(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.communicate()
        self.steps.close()
        os.close(self.acks)


class Reporter:
    """e2e_reporter: a call of the library per method."""

    def __init__(self, build, env, under=()):
        self.child = subprocess.Popen([*under, build / "tests" / "e2e" / "e2e_reporter"], env=env,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE if under else None)

    @property
    def pid(self):
        return self.child.pid

    def __getattr__(self, call):
        return lambda *arguments: self._call(call, arguments)

    def _call(self, call, arguments):
        words = [call, *(self._word(argument) for argument in arguments)]
        self.child.stdin.write((" ".join(words) + "\n").encode())
        self.child.stdin.flush()
        return int(self.child.stdout.readline() or -1)

    @staticmethod
    def _word(argument):
        if isinstance(argument, str):
            argument = argument.encode()
        if isinstance(argument, bytes):
            return argument.hex()
        return "-" if argument is None else str(argument)

    def end(self):
        self.child.communicate(timeout=TIMEOUT)
        return self.child.returncode

    def kill(self):
        self.child.kill()
        return self.end()


CLASSES = ("system_bytes", "cache_bytes", "user_bytes")


def device_figures(device):
    """{kind: {class: bytes}} of a device, kinds that hold nothing included."""
    return {kind["kind"]: {name: kind[name] for name in CLASSES} for kind in device["kinds"]}


def figures(devices):
    """{ordinal: {kind: {class: bytes}}} of `devices --json`."""
    return {device["ordinal"]: device_figures(device) for device in devices["devices"]}


def steady(buffers):
    """Lines of `ls --json` without their times, which are as exact as a clock is read twice."""
    return [{key: value for key, value in line.items() if key != "start_unix_seconds"}
            for line in buffers]
