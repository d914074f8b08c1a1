# SPDX-License-Identifier: Apache-2.0
"""Where the memory of a context of several devices is, at every step of a program."""


def test_a_buffer_is_nowhere_until_it_is_used(steps):
    run = steps(2)
    run("buffer a 1000")
    run("buffer b 20000")
    assert run.places() == {"-": 21000}
    run("write 1 a")
    assert run.places() == {"-": 20000, 1: 1000}
    run("fill 0 b")
    assert run.places() == {0: 20000, 1: 1000}
    run("release a")
    assert run.places() == {0: 20000}
    run("release b")
    assert run.places() == {}
    assert run.end()["faults_total"] == 0


def test_every_command_is_a_use(steps):
    run = steps(2)
    for number, call in enumerate(("write 1 x", "read 1 x", "fill 1 x", "map 1 x", "migrate 1 x",
                                   "copy 1 x y")):
        run("buffer x 1000")
        run("buffer y 1000")
        run(call)
        run("finish 1")
        used = 2000 if call.startswith("copy") else 1000
        assert run.places().get(1) == used, call
        run("release x")
        run("release y")
        assert run.places() == {}, call
    assert run.end()["faults_total"] == 0


def test_devices_of_one_memory_share_a_buffer(steps):
    run = steps(8)
    run("buffer a 1000")
    for device in range(8):
        run(f"write {device} a")
        assert run.places() == {0: 1000}
        assert sum(run.places("view_bytes").values()) == 1000 * device
    run("release a")
    assert run.places() == {} and run.places("view_bytes") == {}
    assert run.records() == []
    assert run.end()["faults_total"] == 0


def test_a_refused_command_places_nothing(steps):
    run = steps(2)
    run("buffer a 1000")
    run("wrong 1 a", error=-30)
    assert run.places() == {"-": 1000}


def test_to_the_host_is_to_no_device(steps):
    run = steps(2)
    run("buffer a 1000")
    run("migrate 1 a host")
    run("finish 1")
    assert run.places() == {"-": 1000}


def test_a_part_brings_the_whole(steps):
    run = steps(2)
    run("buffer a 100000")
    run("sub part a 4096 1024")
    run("write 1 part")
    assert run.places() == {1: 100000}
    assert run.places("view_bytes") == {1: 1024}
    run("release part")
    run("release a")
    assert run.records() == []
    assert run.end()["faults_total"] == 0


def test_memory_of_the_program_is_a_view(steps):
    run = steps(2)
    run("buffer a 1000 use")
    assert run.places() == {}
    run("write 1 a")
    assert run.places() == {}
    assert run.places("view_bytes") == {1: 1000}
    run("release a")
    assert run.records() == []


def test_the_budget_of_each_device(steps):
    run = steps(2, MESHTALLY_OPENCL_DEVICE_MEMORY="100000")
    run("buffer a 60000")
    run("buffer b 60000")
    run("buffer c 100001", error=-4)
    run("write 1 a")
    run("write 1 b", error=-4)
    assert run.places() == {"-": 60000, 1: 60000}
    run("write 0 b")
    assert run.places() == {0: 60000, 1: 60000}
    run("release a")
    run("buffer d 100000")
    run("write 1 d")
    assert run.places() == {0: 60000, 1: 100000}
    assert [failure["asked_bytes"] for failure in run.tally("oom")["failures"]] == [100001, 60000]


def test_leaks_are_seen_where_they_lie(steps):
    run = steps(2)
    run("buffer a 1000")
    run("buffer b 200")
    run("write 1 a")
    run.end()
    left = {(leak["bytes"], leak["tag"]) for leak in run.tally("leaks")["leaks"]}
    assert {size for size, _ in left} == {1000, 200}
