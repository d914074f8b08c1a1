# SPDX-License-Identifier: Apache-2.0
"""What becomes of a program that speaks the socket protocol when nobody listens, when the server
is killed, when another takes its place."""
import subprocess

import pytest

from e2e_support import TIMEOUT
from serve_mesh_support import (PYTHON, follow, held, post_mortems, program, right_figures,
                                serve)
from serve_support import wait_until


def test_without_a_server(tally, tmp_path):
    """Nobody listens: the program is none the worse for it, and says so."""
    for command in ([tally.build / "examples" / "mesh_allocation", "--via=socket"],
                    [PYTHON, "--runs=1"]):
        done = subprocess.run([*command, "--tt-socket", tmp_path / "none"], env=tally.env,
                              stdout=subprocess.PIPE, timeout=TIMEOUT, check=True)
        assert b"Messages: 0 sent, 306 dropped." in done.stdout
        assert b"is meshtally serve running?" in done.stdout.replace(b"Is", b"is")


def test_the_server_dies(serve, program):
    """No SIGPIPE: the program ends well, whatever becomes of who listens."""
    server = serve()
    running = program(server, "--hooks=both")
    running.until("tensor-a")
    server.kill()
    assert running.end() == 0
    assert "dropped. Nobody took them" in running.output


@pytest.mark.parametrize("hooks", ("both", "device-local"))
def test_another_server_goes_on(tally, serve, program, expected, hooks):
    """Killed and started again between two steps: no figure is lost, and the end is noticed."""
    servers = [serve()]
    wanted = right_figures(expected)

    def start_again(step):
        if step in ("tensor-b", "free-a"):
            servers[-1].kill()
            assert held(tally) == wanted[step], "readable without a server"
            servers.append(serve(directory=servers[0].directory))

    running = program(servers[0], f"--hooks={hooks}")
    follow(tally, running, wanted, start_again)
    assert "Messages: " in running.output and ", 0 dropped." in running.output
    wait_until(lambda: tally.segments() == [], "the segment removed")
    # With both hooks a buffer is reported twice, and freed twice: that was known afterwards, too.
    assert post_mortems(servers[-1], running.pid) == []
    servers[-1].stop()


@pytest.mark.parametrize("options,why", ((["--board=gpu"], "no number for the memory of gpu"),
                                         (["--ids=unique"], "knows buffers by address")))
def test_what_the_protocol_cannot_say(tally, options, why):
    done = subprocess.run([tally.build / "examples" / "mesh_allocation", "--via=socket", *options],
                          env=tally.env, stderr=subprocess.PIPE, timeout=TIMEOUT, check=False)
    assert done.returncode == 2 and why in done.stderr.decode()
