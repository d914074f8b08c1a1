# SPDX-License-Identifier: Apache-2.0
"""kill -9 of a program: its segment is the post-mortem."""
import os

import pytest

from e2e_support import steady

LIVE = {"tensor-b": 2 * 4194304, "add": 3 * 4194304,
        "matmul": 3 * 4194304 + 2 * 524288 + 1048576, "free-b": 4194304 + 2 * 524288 + 1048576}


@pytest.mark.parametrize("hooks,step", (("mesh", "matmul"), ("both", "free-b"),
                                        ("device-local", "add"), ("backing", "tensor-b")))
def test_exact_post_mortem(tally, mesh, hooks, step):
    running = mesh(f"--hooks={hooks}")
    running.until(step)
    before = tally.json("ls", "-n", 0)
    assert running.kill() == -9
    leaks = tally.json("leaks", "-n", 0)
    totals = leaks["totals"]

    assert totals["killed"]["total_bytes"] == 8 * LIVE[step]
    assert totals["leaked"]["records"] == totals["lost"]["records"] == 0
    assert totals["open"]["records"] == 0
    assert totals["system"]["total_bytes"] == 8 * 14753792 + 22528
    cached = {"tensor-b": 0, "add": 12288}.get(step, 36864)
    assert totals["cache"]["total_bytes"] == 8 * cached
    assert {leak["process"]["state"] for leak in leaks["leaks"]} == {"killed"}
    killed = [leak for leak in leaks["leaks"] if leak["verdict"] == "killed"]
    assert all(leak["rows"] == list(range(8)) and leak["process"]["pid"] == running.pid
               for leak in killed)
    assert sum(leak["bytes"] for leak in killed) == LIVE[step], "per device"

    after = tally.json("ls", "-n", 0, "--dead")
    assert steady(after["buffers"]) == steady(before["buffers"])
    assert tally.json("ls", "-n", 0)["records"] == 0, "nothing of the dead among the living"
    assert tally.json("devices")["devices"][0]["processes"] == 0
    assert tally.json("ps")["processes"][0]["state"] == "killed"
    text = tally("leaks")
    assert text.startswith("killed ") and "held when its process was killed" in text


def test_killed_under_run(tally, mesh):
    """The program dies, `run` tells."""
    running = mesh("--hooks=mesh", under=("run",))
    running.until("tensor-b")
    program = tally.json("ps")["processes"][0]["pid"]
    assert program != running.pid
    os.kill(program, 9)
    running.waiting = False
    assert running.end() == 128 + 9
    assert "was killed by signal 9" in running.error
    assert "\nLeft\nkilled  64 MB: 2 records, 16 device buffers" in running.error


def test_zombie_is_dead(tally, mesh):
    """Killed and not yet reaped by its parent."""
    running = mesh("--hooks=mesh")
    running.until("tensor-a")
    running.child.send_signal(9)
    running.child.stdout.read()  # to its end: the process is gone but for its exit status
    os.waitid(os.P_PID, running.pid,
                            os.WEXITED | os.WNOWAIT)
    assert tally.json("leaks")["totals"]["killed"]["total_bytes"] == 8 * 4194304
    assert tally.json("ps")["processes"][0]["state"] == "killed"
