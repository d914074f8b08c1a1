# SPDX-License-Identifier: Apache-2.0
"""Snapshots: of `run --keep` at its moments, and of the verb; read with --from, compared by diff."""
import pytest

from e2e_support import steady

TENSOR, FACTOR, PRODUCT, KERNELS, QUEUES = 4194304, 524288, 1048576, 36864, 14753792


def keep(tally, file, *options, at=None, status=0, hooks="mesh"):
    when = ("--at", at) if at else ()
    return tally.all("run", "--keep", file, *when, "--", tally.build / "examples" /
                     "mesh_allocation", f"--hooks={hooks}", *options, status=status)


def sums(tally, file):
    """User bytes per device by {tag, site}."""
    buffers = tally.json("ls", "--from", file, "-n", 0, "-k", "DRAM")["buffers"]
    return {(line["tag"], line["site"]): line["bytes"] for line in buffers
            if line["class"] == "user"}


@pytest.mark.parametrize("hooks", ("mesh", "both"))
def test_at_the_peak(tally, tmp_path, hooks):
    """Of all memory together: the last peak of some small memory does not replace it."""
    file = tmp_path / "peak"
    done = keep(tally, file, at="peak", hooks=hooks)

    assert f"Snapshot: {file}, taken at peak" in done.stderr
    assert sums(tally, file) == {("inputs", "a"): TENSOR, ("inputs", "b"): TENSOR,
                                 ("add", "add"): TENSOR, ("inputs", "x"): FACTOR,
                                 ("inputs", "y"): FACTOR, ("matmul", "matmul"): PRODUCT}
    device = tally.json("devices", "--from", file)["devices"][0]
    assert device["kinds"][0]["bytes"] == QUEUES + KERNELS + 3 * TENSOR + 2 * FACTOR + PRODUCT
    assert tally.json("ps", "--from", file)["processes"][0]["state"] == "file"


def test_at_a_failure(tally, tmp_path):
    file = tmp_path / "failure"
    keep(tally, file, "--oom", at="failure", status=3)
    buffers = tally.json("ls", "--from", file, "-n", 0)["buffers"]

    fills = [line for line in buffers if line["tag"] == "fill"]
    assert len(fills) == 8 and {line["bytes"] for line in fills} == {768 << 20}
    assert tally.json("oom", "--from", file)["failures"][0]["asked_bytes"] == 2 * (768 << 20)


def test_at_a_mark(tally, tmp_path):
    file = tmp_path / "mark"
    keep(tally, file, at="mark=step:3")
    assert sums(tally, file) == {("inputs", "a"): TENSOR, ("inputs", "b"): TENSOR}


def test_at_the_exit(tally, tmp_path):
    for name, at in (("default", None), ("exit", "exit")):
        file = tmp_path / name
        done = keep(tally, file, "--leak", at=at)
        assert "taken at the exit" in done.stderr
        assert sums(tally, file) == {}, "its mesh was closed"
        leaks = tally.json("leaks", "--from", file)["leaks"]
        assert [(leak["verdict"], leak["site"], leak["bytes"]) for leak in leaks] == \
            [("leaked", "add", TENSOR)]


def test_at_the_exit_with_the_mesh_open(tally, tmp_path):
    file = tmp_path / "open"
    keep(tally, file, "--leak", "--leave-open")
    assert sums(tally, file) == {("add", "add"): TENSOR}
    assert tally.json("devices", "--from", file)["devices"][3]["kinds"][0]["user_bytes"] == TENSOR


def test_a_moment_that_does_not_come(tally, tmp_path):
    for at in ("failure", "mark=step:99", "mark=nothing:1"):
        file = tmp_path / "none"
        done = keep(tally, file, at=at)
        assert f"No snapshot in {file}: the moment ({at}) did not come" in done.stderr
        assert not file.exists()


def test_keep_where_nothing_can_be_written(tally, tmp_path):
    done = keep(tally, tmp_path / "missing" / "file", status=0)
    assert "No snapshot" in done.stderr
    done = keep(tally, tmp_path / "missing" / "file", at="peak", status=0)
    assert "No snapshot" in done.stderr


def test_relative_file_name(tally, tmp_path):
    tally("run", "--keep", "here", "--at", "mark=step:2", "--", "sh", "-c",
          f"cd /; exec {tally.build}/examples/mesh_allocation --hooks=mesh", cwd=tmp_path)
    assert sums(tally, tmp_path / "here") == {("inputs", "a"): TENSOR}


def test_diff_of_two_moments(tally, tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    keep(tally, a, at="mark=step:3")
    keep(tally, b, at="mark=step:4")
    diff = tally.json("diff", a, b)

    assert not diff["identical"]
    assert (diff["before_records"], diff["after_records"]) == (81 + 2, 81 + 4)
    assert diff["after_bytes"] - diff["before_bytes"] == 8 * (TENSOR + 12288)
    assert {(change["site"], change["class"], change["came"], change["came_bytes"],
             change["went"]) for change in diff["changes"]} == \
        {("add", "user", 1, 8 * TENSOR, 0), ("kernel binaries", "cache", 1, 8 * 12288, 0)}
    text = tally("diff", a, b)
    assert "came" in text and "went" not in text and "add" in text
    tally("diff", "--fail-on-growth", a, b, status=4)
    tally("diff", "--fail-on-growth", b, a, status=0)


def test_diff_of_the_same(tally, tmp_path):
    a = tmp_path / "a"
    keep(tally, a, at="peak")
    assert tally.json("diff", a, a)["identical"]
    assert tally("diff", a, a).startswith("No difference")
    tally("diff", "--fail-on-growth", a, a, status=0)


def test_diff_of_one_living_process(tally, mesh, tmp_path):
    """Of the same process buffers are compared one by one: what was replaced by its like shows."""
    running = mesh("--hooks=mesh")
    running.until("tensor-b")
    assert tally("snapshot", tmp_path / "a").strip() != ""
    running.until("free-b")
    tally("snapshot", tmp_path / "b")
    diff = tally.json("diff", tmp_path / "a", tmp_path / "b")
    came = {(change["tag"], change["site"]): change["came_bytes"] for change in diff["changes"]
            if change["came"]}
    went = {(change["tag"], change["site"]): change["went_bytes"] for change in diff["changes"]
            if change["went"]}

    assert went == {("inputs", "a"): 8 * TENSOR, ("inputs", "b"): 8 * TENSOR}
    assert came == {("add", "add"): 8 * TENSOR, ("inputs", "x"): 8 * FACTOR,
                    ("inputs", "y"): 8 * FACTOR, ("matmul", "matmul"): 8 * PRODUCT,
                    ("add", "kernel binaries"): 8 * 12288,
                    ("matmul", "kernel binaries"): 8 * 24576}
    assert diff["after_bytes"] - diff["before_bytes"] == sum(came.values()) - sum(went.values())


def test_snapshot_is_what_was_seen(tally, mesh, tmp_path):
    running = mesh("--hooks=both")
    running.until("matmul")
    live = tally.json("ls", "-n", 0)["buffers"]
    devices = tally.json("devices")["devices"]
    tally("snapshot", tmp_path / "file")
    running.kill()
    assert steady(tally.json("ls", "-n", 0, "--from", tmp_path / "file")["buffers"]) == \
        steady(live)
    kept = tally.json("devices", "--from", tmp_path / "file")["devices"]
    assert [device["kinds"] for device in kept] == [device["kinds"] for device in devices]


@pytest.mark.parametrize("content", (b"", b"text\n", bytes(8192), b"MESHTALLY" * 1000))
def test_a_file_that_is_no_snapshot(tally, tmp_path, content):
    file = tmp_path / "file"
    file.write_bytes(content)
    for arguments in (("ls", "--from", file), ("devices", "--from", file), ("diff", file, file)):
        done = tally.all(*arguments, status=1)
        assert f"cannot read '{file}'" in done.stderr and done.stdout == ""


def test_a_file_that_is_not_there(tally, tmp_path):
    done = tally.all("ls", "--from", tmp_path / "none", status=1)
    assert "No such file" in done.stderr
    tally.all("diff", tmp_path / "none", tmp_path / "none", status=1)
