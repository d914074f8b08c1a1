# SPDX-License-Identifier: Apache-2.0
"""The monitor as somebody at a terminal sees it: in tmux, which draws what it is sent, or on a
pseudo terminal, which shows every byte."""
import errno
import fcntl
import itertools
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

from e2e_support import TIMEOUT, wait_until

NUMBERS = itertools.count()
PROMPT = "ready>"


class Tmux:
    """A shell in a pane of a tmux server of its own. Keys go in, the screen is read."""

    def __init__(self, tally, columns=120, rows=40, env=None):
        self.directory = tempfile.mkdtemp(prefix="mtt-")
        self.name = f"mt{os.getpid()}-{next(NUMBERS)}"
        self.env = {**tally.env, "LC_ALL": "C.UTF-8", "TMUX_TMPDIR": self.directory,
                    "XDG_CONFIG_HOME": self.directory + "/config", "HISTFILE": "",
                    "PATH": f"{tally.build}:{os.environ['PATH']}", "HOME": self.directory}
        for name in ("TMUX", "NO_COLOR", "COLORTERM", "COLORFGBG", "TERM"):
            self.env.pop(name, None)
        self.env.update(env or {})
        shell = self.directory + "/shell"
        with open(shell, "w", encoding="ascii") as stream:
            stream.write(f"PS1='{PROMPT} '\n")
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows),
                  f"bash --noprofile --rcfile {shell} --noediting", config=True)
        self.until(re.escape(PROMPT))

    def tmux(self, *arguments, config=False):
        options = ["-f", "/dev/null"] if config else []
        done = subprocess.run(["tmux", "-L", self.name, "-u", *options, *arguments], env=self.env,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, f"tmux {arguments}: {done.stderr.decode()}"
        return done.stdout.decode(errors="replace")

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def keys(self, *keys):
        """By tmux's names: "Tab", "Enter", "C-z", "q"."""
        self.tmux("send-keys", *keys)

    def text(self, text):
        self.tmux("send-keys", "-l", text)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def ask(self, what):
        return self.tmux("display-message", "-p", f"#{{{what}}}").strip()

    def until(self, pattern, timeout=TIMEOUT):
        """Waits until the screen matches; the match."""
        last = [""]

        def look():
            last[0] = self.screen()
            return re.search(pattern, last[0], re.M)
        deadline = time.monotonic() + timeout
        while not (found := look()):
            assert time.monotonic() < deadline, f"never showed {pattern!r}:\n{last[0]}"
            time.sleep(0.02)
        return found

    def until_gone(self, pattern):
        wait_until(lambda: not re.search(pattern, self.screen(), re.M), f"{pattern!r} to go")

    def run(self, command):
        """Types a command line, waits for the next prompt; what the screen shows then."""
        marker = f"done{next(NUMBERS)}"
        self.text(f"clear; {command}; echo {marker[:4]}''{marker[4:]}")
        self.keys("Enter")
        self.until(rf"^{marker}$")
        return self.screen()

    def monitor(self, *options, command="meshtally top"):
        """Starts `meshtally top` in the shell."""
        self.text("clear; " + " ".join([command, *map(str, options)]))
        self.keys("Enter")
        wait_until(lambda: self.ask("alternate_on") == "1", "the alternate screen")

    def left(self):
        """Waits for the shell, and that the terminal is as a shell wants it."""
        wait_until(lambda: self.ask("alternate_on") == "0", "the end of the alternate screen")
        self.until(re.escape(PROMPT))
        assert self.ask("cursor_flag") == "1"
        assert self.ask("mouse_any_flag") == "0"
        shown = self.run("stty -a")
        assert re.search(r"(^|\s)icanon\b", shown) and re.search(r"(^|\s)echo\b", shown), shown
        assert re.search(r"(^|\s)isig\b", shown) and re.search(r"(^|\s)opost\b", shown), shown

    def close(self):
        subprocess.run(["tmux", "-L", self.name, "kill-server"], env=self.env, check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.directory, ignore_errors=True)


class Terminal:
    """`meshtally top` on a pseudo terminal: every byte that it writes, in order."""

    def __init__(self, tally, *options, columns=100, rows=30, env=None):
        self.made = tempfile.mkdtemp(prefix="mtt-")
        env = {**tally.env, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "HOME": self.made,
               "XDG_CONFIG_HOME": self.made, **(env or {})}
        env = {name: value for name, value in env.items()
               if value is not None and name not in ("NO_COLOR", "COLORTERM", "COLORFGBG")
               or name in (env or {}) and value is not None}
        self.ours, its = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(its)
        self.child = subprocess.Popen([tally.command, "top", *map(str, options)], env=env,
                                      stdin=its, stdout=its, stderr=subprocess.PIPE,
                                      start_new_session=True)
        self.its = its
        self.all = b""
        self.mark = 0

    def resize(self, columns, rows):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def read(self, seconds):
        """What comes within a time; b"" nothing."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return b""
        try:
            some = os.read(self.ours, 1 << 16)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            some = b""
        self.all += some
        return some

    def send(self, keys):
        os.write(self.ours, keys if isinstance(keys, bytes) else keys.encode())

    def until(self, pattern, timeout=TIMEOUT):
        """Reads on until something written since the last call matches; escapes between words
        count as a space."""
        pattern = pattern.encode() if isinstance(pattern, str) else pattern
        deadline = time.monotonic() + timeout
        while not (found := re.search(pattern, plain(self.all[self.mark:]))):
            assert time.monotonic() < deadline, \
                f"never wrote {pattern!r}:\n{plain(self.all[self.mark:])!r}"
            assert self.child.poll() is None, f"it has ended: {self.child.stderr.read()!r}"
            self.read(0.1)
        self.mark = len(self.all)
        return found

    def quiet(self, seconds=0.5):
        """Reads until nothing has come for a while; what came."""
        start = len(self.all)
        deadline = time.monotonic() + TIMEOUT
        while self.read(seconds):
            assert time.monotonic() < deadline, "it never stops writing"
        return self.all[start:]

    def end(self):
        """Reads on until it has ended: the exit status."""
        deadline = time.monotonic() + TIMEOUT
        while self.child.poll() is None:
            assert time.monotonic() < deadline, "it does not end"
            self.read(0.05)
        while self.read(0):
            pass
        return self.child.returncode

    def is_clean(self):
        """Modes as before, alternate screen and mouse off, cursor on."""
        assert termios.tcgetattr(self.its)[:4] == self.before[:4]
        for on, off in ((rb"\x1b\[\?1049h", rb"\x1b\[\?1049l"), (rb"\x1b\[\?1000h", rb"\x1b\[\?1000l"),
                        (rb"\x1b\[\?1006h", rb"\x1b\[\?1006l"),
                        (rb"\x1b\[\?25l", rb"\x1b\[(\?12l\x1b\[)?\?25h|\x1b\[\?12;25h|\x1b\[34h")):
            last_on = max((m.start() for m in re.finditer(on, self.all)), default=-1)
            last_off = max((m.start() for m in re.finditer(off, self.all)), default=-1)
            assert last_off >= last_on, (on, self.all[-400:])

    def close(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGKILL)
        self.child.wait(TIMEOUT)
        self.child.stderr.close()
        os.close(self.ours)
        os.close(self.its)
        shutil.rmtree(self.made, ignore_errors=True)


def plain(sent):
    """Bytes to a terminal without its sequences."""
    sent = re.sub(rb"\x1b\][^\x07\x1b]*(\x07|\x1b\\)", b"", sent)
    return re.sub(rb"\x1b(\[[0-9;:?<>=]*[ -/]*[@-~]|[()][0-9A-B]|[=>78M])", b" ", sent)
