# SPDX-License-Identifier: Apache-2.0
"""The server's API: the shapes of the verbs, the same figures, filters, pages."""
import json
import re

import pytest

from e2e_support import SOURCE, Reporter, Stepper, Tally, steady
from serve_support import Server, wait_until
from test_cli_json import EXAMPLES, same_keys

PAGE = (SOURCE / "docs" / "api.md").read_text()
API_EXAMPLES = {name: json.loads(text) for name, text in
                re.findall(r"^### ([^\n]+)\n.*?```json\n(.*?)```", PAGE, re.M | re.S)}
# Address: what it is as a verb.
SHAPES = {"devices": ("devices",), "processes": ("ps",), "buffers": ("ls",),
          "buffers?by=tag": ("ls", "--by", "tag"), "leaks": ("leaks",), "faults": ("faults",)}
DOCUMENTED = {"devices": "devices", "processes": "ps", "buffers": "ls", "buffers?by=tag": "ls --by",
              "leaks": "leaks", "faults": "faults"}


@pytest.fixture
def server(tally):
    started = Server(tally)
    yield started
    started.close()


@pytest.fixture(scope="module")
def crowd(build, tmp_path_factory):
    """For tests that only look: one that lives, one that was killed, one that failed, one that
    leaked, one that is wrong."""
    tally = Tally(build, tmp_path_factory.mktemp("crowd"))
    server = Server(tally)
    # The command looks for post-mortems where this server keeps them.
    tally.env["MESHTALLY_STATE_DIR"] = str(server.state)
    env = {**tally.env, "MESHTALLY": "1"}
    started = []

    def mesh(option):
        started.append(Stepper([build / "examples" / "mesh_allocation", option], env))
        return started[-1]

    mesh("--oom").end()
    leaky = Reporter(build, env)
    device = leaky.device(0x1eac, 0, 0, None)
    for number in range(3):
        leaky.alloc(device, number, 0x1000 * number, 100 + number, 100, 0, 0, "leak", 0)
    leaky.close(device)
    leaky.end()
    server.killed = mesh("--hooks=mesh").until("tensor-b")
    server.killed.kill()
    server.living = mesh("--hooks=both").until("tensor-y")
    wrong = Reporter(build, env)
    device = wrong.device(0xbad, 0, 0, None)
    wrong.alloc(device, 1, 0x1000, 100, 100, 0, 0, "one", 0)
    assert wrong.free(device, 2) != 0
    wait_until(lambda: server.json("/api/v1/postmortems")["postmortems_total"] >= 2, "post-mortems")
    yield server
    wrong.kill()
    for each in started:
        each.finish()
    server.close()


def api(server, address):
    return server.json(f"/api/v1/{address}")


def test_same_keys_as_the_verbs(crowd):
    for address, verb in SHAPES.items():
        answer = api(crowd, address)
        same_keys(API_EXAMPLES["page"]["page"], answer.pop("page"), address)
        printed = crowd.tally.json(*verb)
        assert address == "leaks" or any(printed.values()), f"{address}: nothing to look at"
        same_keys(printed, answer, address)
        same_keys(answer, printed, address)
        same_keys(EXAMPLES[DOCUMENTED[address]], answer, address)


def test_same_figures_as_the_verbs(crowd):
    """Nothing moves: the living one waits for its next step."""
    devices = api(crowd, "devices")["devices"]
    assert devices == crowd.tally.json("devices")["devices"] and devices
    buffers = api(crowd, "buffers?limit=1000")["buffers"]
    assert steady(buffers) == steady(crowd.tally.json("ls", "-n", "0")["buffers"]) and buffers
    assert api(crowd, "buffers?by=tag")["sums"] == crowd.tally.json("ls", "--by", "tag")["sums"]
    assert without_times(api(crowd, "faults")["faults"]) == \
        without_times(crowd.tally.json("faults")["faults"])
    dead = crowd.tally.json("leaks", "--dead", "-n", "0")
    mine = api(crowd, "leaks?dead=1&limit=1000")
    del mine["page"]
    assert mine["totals"] == dead["totals"] and without_times(mine["leaks"]) == without_times(dead["leaks"])
    same_keys(dead, mine)
    same_keys(mine, dead)


def without_times(lines):
    """Each reading places the writer's clock anew, within microseconds."""
    return [{key: value for key, value in line.items() if not key.endswith("seconds")}
            for line in lines]


def pages(server, address):
    """All answers, from page to page."""
    at = f"/api/v1/{address}"
    while at is not None:
        answer = server.json(at)
        yield answer
        at = answer["page"]["next"]


@pytest.mark.parametrize("address,key", (
    ("devices?limit=3", "devices"), ("buffers?limit=2&sort=tag", "buffers"),
    ("buffers?by=tag&limit=1", "sums"), ("leaks?dead=1&limit=2", "leaks"),
    ("postmortems?limit=1", "postmortems"), ("buffers?kind=DRAM&limit=2&dead=1", "buffers")))
def test_pages(crowd, address, key):
    limit = int(re.search(r"limit=(\d+)", address).group(1))
    whole = api(crowd, re.sub(r"limit=\d+", "limit=10000", address))
    seen = []
    answers = list(pages(crowd, address))
    assert len(answers) > 1, "more than a page to look at"
    for number, answer in enumerate(answers):
        assert answer["page"]["offset"] == number * limit and answer["page"]["limit"] == limit
        assert answer["page"]["total"] == whole["page"]["total"]
        assert len(answer[key]) <= limit
        seen += answer[key]
    assert whole["page"]["next"] is None
    assert steady(seen) == steady(whole[key])


def test_filters(crowd):
    every = api(crowd, "buffers?limit=10000&dead=1")["buffers"]
    assert len({line["kind"] for line in every}) > 1 and len({line["class"] for line in every}) > 1

    def check(address, wanted):
        found = api(crowd, f"buffers?limit=10000&dead=1&{address}")["buffers"]
        expected = [line for line in every if wanted(line)]
        assert steady(found) == steady(expected), address
        assert 0 < len(found) < len(every), address

    check("kind=L1", lambda line: line["kind"] == "L1")
    check("class=system&class=cache", lambda line: line["class"] in ("system", "cache"))
    check("min_bytes=1000000", lambda line: line["bytes"] >= 1000000)
    tag = next(line["tag"] for line in every if line["tag"])
    check(f"tag={tag}", lambda line: line["tag"] and (line["tag"] + "/").startswith(tag + "/"))
    pid = crowd.living.pid
    assert {line["pid"] for line in api(crowd, f"buffers?pid={pid}")["buffers"]} == {pid}
    devices = api(crowd, "devices?device=1")["devices"]
    assert [device["row"] for device in devices] == [1]
    assert api(crowd, f"processes?pid={pid}")["page"]["total"] == 1
    assert api(crowd, "processes?pid=999999999")["processes"] == []


def test_what_is_not_there(crowd):
    error = crowd.json("/api/v1/buffers?device=99", status=404)["error"]
    assert "99" in error
    assert "nothing" in crowd.json("/api/v1/buffers?kind=nothing", status=404)["error"]


def test_postmortems(crowd):
    listed = api(crowd, "postmortems")
    same_keys(API_EXAMPLES["postmortems"], {key: value for key, value in listed.items()
                                            if key != "page"})
    killed = [line for line in listed["postmortems"]
              if line["process"]["pid"] == crowd.killed.pid]
    assert len(killed) == 1 and killed[0]["total_bytes"] > 0 and killed[0]["signal"] == 9
    assert api(crowd, f"postmortems?pid={crowd.killed.pid}")["postmortems"] == killed
    one = api(crowd, f"postmortems/{killed[0]['id']}")
    dead = crowd.tally.json("leaks", "--dead", "-n", "0", "-p", crowd.killed.pid)
    del one["page"]
    devices = one.pop("devices")
    same_keys(API_EXAMPLES["one post-mortem"]["devices"], devices)
    same_keys(dead, one)
    assert one["totals"] == dead["totals"]
    # Its rows are its own; the command's are those of everything that it reads.
    everywhere = {device["row"]: device["unique_id"] for device in api(crowd, "devices")["devices"]}
    own = {device["row"]: device["unique_id"] for device in devices}
    for mine, its in zip(without_times(one["leaks"]), without_times(dead["leaks"]), strict=True):
        assert sorted(own[row] for row in mine.pop("rows")) == \
            sorted(everywhere[row] for row in its.pop("rows"))
        assert mine == its
    assert one["totals"]["killed"]["total_bytes"] > 0
    assert crowd.json("/api/v1/postmortems/1-2-3", status=404)["error"]


def test_a_corrupt_segment_among_good_ones(crowd):
    (crowd.tally.dir / "1-bad.seg").write_bytes(b"nonsense" * 1000)
    wait_until(lambda: any("1-bad.seg" in each["path"] for each in api(crowd, "faults")["unreadable"]),
               "the corrupt one, in a reading that is new")
    assert api(crowd, "processes")["processes"]
    (crowd.tally.dir / "1-bad.seg").unlink()


def test_nothing_to_tell(server):
    for address in (*SHAPES, "postmortems"):
        answer = api(server, address)
        page = answer.pop("page")
        assert page["total"] == 0 and page["next"] is None
        assert not any(value for value in answer.values() if isinstance(value, list)), address
