# SPDX-License-Identifier: Apache-2.0
"""`meshtally run --opencl`: the layer comes into the program, or it is said why not; and `doctor`
tells the same of programs that run."""
import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from e2e_support import TIMEOUT

LAYER = "libmeshtally_opencl_layer.so"
MEGABYTE = 1 << 20


class Program:
    """opencl_program, or another that says when it is ready, alone or under a verb."""

    def __init__(self, command, env, under=()):
        self.child = subprocess.Popen([*map(str, under), *map(str, command)], env=env,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE)
        self.pid = self.ready()

    def ready(self):
        line = self.child.stdout.readline().split()
        assert line and line[0] == b"ready", (line, self.child.stderr.read())
        return int(line[1])

    def tell(self, word):
        self.child.stdin.write(f"{word}\n".encode())
        self.child.stdin.flush()

    def obey(self, word):
        self.tell(word)
        line = self.child.stdout.readline().decode()
        assert line.startswith(word), line
        return int(line[len(word):])

    def notice(self):
        """What `run` says after a few seconds."""
        text = ""
        while "after 3 s" not in text or not text.endswith("\n"):
            chunk = os.read(self.child.stderr.fileno(), 1 << 16).decode()
            assert chunk != "", text
            text += chunk
        return text

    def end(self):
        """Its exit status and what it, or `run`, said on standard error."""
        _, error = self.child.communicate(timeout=TIMEOUT)
        self.error = " ".join(error.decode().split())
        return self.child.returncode


@pytest.fixture
def opencl(tally):
    """opencl(env=..., under=("run", "--opencl"), program=...): starts an OpenCL program on pocl."""
    started = []
    env = {name: value for name, value in tally.env.items() if name != "OPENCL_LAYERS"}
    env.update(POCL_DEVICES="pthread pthread", POCL_MEMORY_LIMIT="2", OCL_ICD_VENDORS="pocl.icd")

    def start(under=(), program=(), **more):
        command = program or (tally.build / "tests" / "e2e" / "opencl_program",)
        verb = (tally.command, *under, "--") if under else ()
        started.append(Program(command, {**env, **more}, verb))
        return started[-1]

    start.env = env
    yield start
    for each in started:
        if each.child.poll() is None:
            each.child.kill()
        each.child.communicate()


@pytest.fixture
def layer(build):
    return build / LAYER


@pytest.fixture
def other(build):
    return build / "tests" / "e2e" / "libopencl_other_layer.so"


def run_shell(tally, script, *options, status=0, **env):
    return tally.all("run", "--opencl", *options, "--", "sh", "-c", script, status=status, env=env)


def layers_in(tally, **env):
    """OPENCL_LAYERS as a program gets it."""
    return run_shell(tally, 'printf %s "$OPENCL_LAYERS"', **env).stdout.split(":")


def of_opencl(tally, pid):
    """What `doctor` says of a process."""
    checks = tally.json("doctor", status=None)["checks"]
    return [check for check in checks if check["text"].startswith(f"process {pid} (")]


def old_loader(path):
    """The system's loader as it was before it knew layers: it looks for another variable."""
    ctypes.CDLL("libOpenCL.so.1")
    maps = pathlib.Path("/proc/self/maps").read_text()
    code = pathlib.Path(re.search(r"/\S*/libOpenCL\.so\S*", maps).group()).read_bytes()
    assert b"OPENCL_LAYERS" in code
    path.write_bytes(code.replace(b"OPENCL_LAYERS", b"OPENCL_LAYERX"))
    return path


# --- the layer in the program ---------------------------------------------------------------------

def test_buffers_are_seen(tally, opencl):
    running = opencl(under=("run", "--opencl"))
    assert running.obey("devices") == 2
    assert tally.segments() == [], "nothing is attached before the first buffer"
    assert running.obey(f"alloc {MEGABYTE}") == 0

    buffers = tally.json("ls")["buffers"]
    assert [(line["pid"], line["bytes"]) for line in buffers] == [(running.pid, MEGABYTE)]
    assert running.obey("free") == 0
    assert tally.json("ls")["buffers"] == []
    assert running.end() == 0
    assert "Nothing was leaked, lost or left." in running.error


def test_a_limit_on_device_memory(tally, opencl):
    running = opencl(under=("run", "--opencl", "--device-memory", "4MiB"))
    assert running.obey(f"alloc {3 * MEGABYTE}") == 0
    assert running.obey(f"alloc {2 * MEGABYTE}") == -4, "CL_MEM_OBJECT_ALLOCATION_FAILURE"
    assert running.obey("free") == 0
    assert running.obey(f"alloc {2 * MEGABYTE}") == 0, "there is room again"
    assert running.end() == 0
    assert "Failure 1 of process" in running.error


@pytest.mark.parametrize("size,wanted", (("2GiB", 2 << 30), ("2GB", 2 << 30), ("512M", 512 << 20),
                                         ("4096", 4096), ("1TiB", 1 << 40), ("7B", 7)))
def test_sizes(tally, size, wanted):
    done = run_shell(tally, "echo $MESHTALLY_OPENCL_DEVICE_MEMORY", "--device-memory", size)
    assert done.stdout == f"{wanted}\n"


@pytest.mark.parametrize("size", ("0", "-1", "1x", "MB", "1iB", "2 GB", "99999999999T", ""))
def test_wrong_sizes(tally, size):
    done = run_shell(tally, "echo ran", f"--device-memory={size}", status=2)
    assert "--device-memory: expected a size" in done.stderr and done.stdout == ""


def test_a_limit_needs_the_layer(tally):
    done = tally.all("run", "--device-memory", "1G", "--", "echo", "ran", status=2)
    assert "it goes with --opencl" in done.stderr and done.stdout == ""


# --- OPENCL_LAYERS ---------------------------------------------------------------------------------

def test_the_environment(tally, layer, other):
    assert layers_in(tally) == [str(layer.resolve())]
    assert layers_in(tally, OPENCL_LAYERS="") == [str(layer.resolve())]
    assert layers_in(tally, OPENCL_LAYERS=f"{other}:/no/such") == \
        [str(other), "/no/such", str(layer.resolve())], "the last one is nearest to the program"


def test_not_twice(tally, layer, other, tmp_path):
    link = tmp_path / "link.so"
    link.symlink_to(layer)
    for mine in (str(layer), str(link)):
        assert layers_in(tally, OPENCL_LAYERS=f"{mine}:{other}") == [mine, str(other)]


def test_another_installation_of_it_is_taken_as_it_is(tally, layer, tmp_path):
    copy = tmp_path / LAYER
    shutil.copy(layer, copy)
    assert layers_in(tally, OPENCL_LAYERS=str(copy)) == [str(copy)]
    copy.write_bytes(b"no layer")
    assert layers_in(tally, OPENCL_LAYERS=str(copy)) == [str(copy), str(layer.resolve())], \
        "a broken one does not keep ours out"


def test_with_another_layer(tally, opencl, other):
    running = opencl(under=("run", "--opencl"), OPENCL_LAYERS=str(other))
    assert running.obey(f"alloc {MEGABYTE}") == 0
    assert [line["bytes"] for line in tally.json("ls")["buffers"]] == [MEGABYTE]
    assert running.end() == 0
    assert "other layer: clGetPlatformIDs" in running.error


def test_the_layer_of_the_environment(tally, layer, tmp_path):
    copy = tmp_path / LAYER
    shutil.copy(layer, copy)
    assert layers_in(tally, MESHTALLY_OPENCL_LAYER=str(copy)) == [str(copy)]
    link = tmp_path / "here.so"
    link.symlink_to(copy)
    assert layers_in(tally, MESHTALLY_OPENCL_LAYER=str(link)) == [str(copy)]


# --- what cannot be used: the program is not started -------------------------------------------------

def foreign(layer):
    """The same file for another machine: e_machine is at offset 18."""
    code = bytearray(layer.read_bytes())
    code[18:20] = (243 if code[18] != 243 else 62).to_bytes(2, "little")
    return bytes(code)


@pytest.mark.parametrize("make,words", (
    (lambda layer, build: b"no layer" * 100, "invalid ELF header"),
    (lambda layer, build: b"", "file too short"),
    (lambda layer, build: layer.read_bytes()[:4096], "cannot be used: "),
    (lambda layer, build: foreign(layer), "built for another architecture"),
    (lambda layer, build: next(build.glob("libmeshtally.so.1")).read_bytes(),
     "it does not export clInitLayer"),
), ids=("text", "empty", "cut", "foreign", "library"))
def test_a_broken_layer(tally, build, layer, tmp_path, make, words):
    broken = tmp_path / LAYER
    broken.write_bytes(make(layer, build))
    done = run_shell(tally, "echo ran", status=1, MESHTALLY_OPENCL_LAYER=str(broken))

    assert done.stdout == "" and words in done.stderr and str(broken) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    checks = tally.json("doctor", status=4, env={"MESHTALLY_OPENCL_LAYER": str(broken)})["checks"]
    assert [check["state"] for check in checks if words in check["text"]] == ["problem"]


def test_a_missing_layer(tally, tmp_path):
    done = run_shell(tally, "echo ran", status=1, MESHTALLY_OPENCL_LAYER="/no/such/" + LAYER)
    assert done.stdout == "" and "No such file" in done.stderr
    done = run_shell(tally, "echo ran", status=1, MESHTALLY_OPENCL_LAYER="/dev/null")
    assert done.stdout == "" and f"has to name a {LAYER}" in done.stderr
    (tmp_path / LAYER).mkdir()
    done = run_shell(tally, "echo ran", status=1, MESHTALLY_OPENCL_LAYER=str(tmp_path / LAYER))
    assert done.stdout == "" and "it is no file" in done.stderr


def test_a_path_that_the_variable_cannot_hold(tally, layer, tmp_path):
    odd = tmp_path / "a:b" / LAYER
    odd.parent.mkdir()
    shutil.copy(layer, odd)
    done = run_shell(tally, "echo ran", status=1, MESHTALLY_OPENCL_LAYER=str(odd))
    assert done.stdout == "" and "colons part the layers" in done.stderr


def test_a_command_without_its_layer(tally, tmp_path):
    alone = tmp_path / "bin" / "meshtally"
    alone.parent.mkdir()
    shutil.copy(tally.command, alone)
    done = subprocess.run([alone, "run", "--opencl", "--", "echo", "ran"], env=tally.env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT)
    assert done.returncode == 1 and done.stdout == b""
    assert b"is not installed" in done.stderr and str(alone.parent).encode() in done.stderr


def test_notes_of_a_loader_and_of_a_program(tally, tmp_path):
    old_loader(tmp_path / "libOpenCL.so.1")
    done = run_shell(tally, "true", LD_LIBRARY_PATH=str(tmp_path))
    assert "note: the system's OpenCL loader" in done.stderr and "knows nothing of layers" in \
        done.stderr

    (tmp_path / "libOpenCL.so.1").write_text("no library")
    done = run_shell(tally, "echo ran", LD_LIBRARY_PATH=str(tmp_path))
    assert "note: there is no OpenCL loader on this system" in done.stderr
    assert done.stdout == "ran\n"

    setuid = tmp_path / "setuid"
    shutil.copy("/bin/true", setuid)
    setuid.chmod(0o4755)
    assert f"note: {setuid} is setuid or setgid" in \
        tally.all("run", "--opencl", "--", setuid).stderr
    strange = tmp_path / "strange"
    strange.write_bytes(foreign(pathlib.Path("/bin/true")))
    strange.chmod(0o755)
    done = tally.all("run", "--opencl", "--", strange, status=None)
    assert "is built for another architecture" in done.stderr


# --- noticing ----------------------------------------------------------------------------------------

def in_words(text):
    return " ".join(text.split())


@pytest.mark.parametrize("under,word,early,late", (
    (("run", "--opencl"), "devices", "layer is in the program, and attached when the first buffer "
     "is made: there was none yet", "layer was in the program, but no buffer was made"),
    (("run", "--opencl"), None, "was not called yet: it loads layers at the first call",
     "but had not been called"),
    (("run",), "devices", "It uses OpenCL: `meshtally run --opencl -- PROGRAM` brings its buffers",
     "It used OpenCL: `meshtally run --opencl -- PROGRAM` brings its buffers"),
    (("run",), None, "If it uses OpenCL, `meshtally run --opencl", "If it uses OpenCL"),
), ids=("no-buffer", "no-call", "without", "without-no-call"))
def test_notice_and_summary(opencl, under, word, early, late):
    running = opencl(under=under)
    if word is not None:
        assert running.obey(word) == 2
    notice = in_words(running.notice())
    assert early in notice and "Build its runtime" not in notice
    assert running.end() == 0
    assert late in running.error


def test_notice_of_an_environment_that_was_lost(tally, opencl):
    program = tally.build / "tests" / "e2e" / "opencl_program"
    running = opencl(under=("run", "--opencl"), program=("env", "-u", "OPENCL_LAYERS", program))
    assert running.obey("devices") == 2
    assert "OPENCL_LAYERS is not in its environment any more" in in_words(running.notice())
    assert running.end() == 0


def test_notice_of_a_process_below(tally, opencl):
    """As with mpirun: what was started uses no OpenCL itself, what it starts does."""
    running = opencl(under=("run",))
    running.tell("fork")
    below = running.ready()
    assert below != running.pid
    assert running.obey("devices") == 2
    assert "It uses OpenCL: " in in_words(running.notice())
    assert running.end() == 0


@pytest.mark.parametrize("words,wanted", (
    (b"\0/etc/OpenCL/vendors\0OPENCL_LAYERS\0", "The OpenCL loader ({}) is in the program"),
    (b"\0/etc/OpenCL/vendors\0", "Its OpenCL loader ({}) knows nothing of layers"),
), ids=("new", "old"))
def test_notice_of_a_loader_linked_in(opencl, tmp_path, words, wanted):
    """By its words in the program's file: there is no library to see."""
    copy = tmp_path / "linked"
    copy.write_bytes(pathlib.Path("/bin/sh").resolve().read_bytes() + words)
    copy.chmod(0o755)
    running = opencl(under=("run", "--opencl"), program=(copy, "-c", "echo ready $$; read line"))
    assert wanted.format(copy) in in_words(running.notice())
    running.tell("end")
    assert running.end() == 0


def test_an_end_before_the_look(tally, opencl):
    program = tally.build / "tests" / "e2e" / "opencl_program"
    done = tally.all("run", "--", program)
    assert "Its file names OpenCL's loader: if it uses OpenCL, `meshtally run --opencl" in \
        in_words(done.stderr)
    done = tally.all("run", "--opencl", "--", program)
    assert "it made no OpenCL buffer, or its loader did not load the layer" in in_words(done.stderr)
    assert "OpenCL" not in tally.all("run", "--", "true").stderr


# --- doctor ------------------------------------------------------------------------------------------

def test_doctor_of_this_system(tally, layer):
    text = in_words(tally("doctor", status=None))
    assert re.search(r"ok opencl the OpenCL loader \S*libOpenCL\S* loads layers", text)
    assert f"ok opencl the layer {layer.resolve()} can be loaded" in text


def test_doctor_of_a_missing_entry(tally):
    env = {"OPENCL_LAYERS": "/no/such.so"}
    checks = tally.json("doctor", status=4, env=env)["checks"]
    assert ("problem", "OPENCL_LAYERS names /no/such.so, which is not there") in \
        [(check["state"], check["text"]) for check in checks]


def said_of(tally, running):
    checks = of_opencl(tally, running.pid)
    assert len(checks) == 1, checks
    return checks[0]["text"], checks[0]["advice"]


def test_doctor_of_a_program_without_the_layer(tally, opencl):
    running = opencl()
    assert of_opencl(tally, running.pid) == [], "it is linked to the loader, and does not use it"
    assert running.obey("devices") == 2
    text, advice = said_of(tally, running)
    assert "uses OpenCL without meshtally's layer" in text
    assert advice == "start it with `meshtally run --opencl`"


def test_doctor_of_a_program_with_the_layer(tally, opencl, layer):
    running = opencl(MESHTALLY="1", OPENCL_LAYERS=str(layer))
    assert running.obey("devices") == 2
    assert "has meshtally's OpenCL layer, and has made no buffer yet" in said_of(tally, running)[0]
    assert running.obey(f"alloc {MEGABYTE}") == 0
    assert "is tracked: " in said_of(tally, running)[0]


def test_doctor_of_a_layer_that_is_off(tally, opencl, layer):
    running = opencl(OPENCL_LAYERS=str(layer))
    assert running.obey("devices") == 2
    assert "tracking is not turned on" in said_of(tally, running)[0]


@pytest.mark.parametrize("name", ("libOpenCL.so.1", "libOpenCL.so", "libOpenCL-1ef0e16e.so.1.0.0"))
def test_doctor_of_an_old_loader_by_its_names(tally, opencl, layer, tmp_path, name):
    loader = old_loader(tmp_path / name)
    program = ("import ctypes, os, sys\n"
               f"loader = ctypes.CDLL({str(loader)!r})\n"
               "count = ctypes.c_uint()\n"
               "assert loader.clGetPlatformIDs(0, None, ctypes.byref(count)) == 0\n"
               "print('ready', os.getpid(), flush=True)\n"
               "sys.stdin.read()\n")
    running = opencl(program=(sys.executable, "-c", program), OPENCL_LAYERS=str(layer))
    text, advice = said_of(tally, running)
    assert f"has an OpenCL loader that knows nothing of layers: {loader}" in text
    assert "ocl-icd 2.3.0" in advice


def test_doctor_of_a_driver_without_a_loader(tally, opencl):
    driver = pathlib.Path("/etc/OpenCL/vendors/pocl.icd").read_text().strip()
    program = (f"import ctypes, os, sys\nctypes.CDLL({driver!r})\n"
               "print('ready', os.getpid(), flush=True)\nsys.stdin.read()\n")
    running = opencl(program=(sys.executable, "-c", program))
    assert "uses an OpenCL driver without a loader" in said_of(tally, running)[0]


def test_doctor_of_a_layer_that_is_not_there(tally, opencl, tmp_path):
    running = opencl(OPENCL_LAYERS=f"/no/such/{LAYER}")
    assert running.obey("devices") == 2
    text = said_of(tally, running)[0]
    assert f"name meshtally's layer, which is not there: /no/such/{LAYER}" in text


def test_doctor_of_a_layer_that_was_not_loaded(tally, opencl, tmp_path):
    broken = tmp_path / LAYER
    broken.write_bytes(b"no layer")
    running = opencl(OPENCL_LAYERS=str(broken))
    assert running.obey("devices") == 2
    assert f"which its loader has not loaded: {broken}" in said_of(tally, running)[0]


@pytest.mark.skipif(os.getuid() != 0, reason="makes a program of another user")
def test_doctor_of_a_program_with_other_rights(tally, opencl, tmp_path):
    copy = tmp_path / "privileged"
    shutil.copy(tally.build / "tests" / "e2e" / "opencl_program", copy)
    os.chown(copy, 65534, -1)
    copy.chmod(0o4755)
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    running = opencl(program=(copy,), OPENCL_LAYERS=LAYER, POCL_CACHE_DIR=str(cache))
    assert running.obey("devices") == 2
    assert "more rights than its user (setuid)" in said_of(tally, running)[0]
