# SPDX-License-Identifier: Apache-2.0
"""/metrics: right, well-formed in both formats, read by the real Prometheus; the rules and the
dashboard that come with it ask for what is there."""
import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest

from e2e_support import SOURCE, TIMEOUT
from serve_support import Server, wait_until

OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
DRAM, L1 = 0, 1
SAMPLE = re.compile(r'^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")


@pytest.fixture
def server(tally):
    started = Server(tally)
    yield started
    started.close()


def parse(text):
    """{(name, labels): value}; no two lines with one name."""
    samples = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.match(line)
        assert match, line
        labels = frozenset((name, re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value))
                           for name, value in LABEL.findall(match[2] or ""))
        assert (match[1], labels) not in samples, f"twice: {line}"
        samples[match[1], labels] = float(match[3])
    return samples


def scrape(server, accept="text/plain"):
    return parse(server.get("/metrics", {"Accept": accept}))


def total(samples, name, **labels):
    """Sum of the samples with these labels."""
    return sum(value for (sample, its), value in samples.items()
               if sample == name and labels.items() <= dict(its).items())


def fresh(server, condition, what):
    """Scrapes until a reading is new enough to be as told."""
    return wait_until(lambda: (lambda samples: samples if condition(samples) else None)(
        scrape(server)), what)


@pytest.fixture
def program(reporter):
    """Two devices; 3 x 1,000 bytes of DRAM and 200 of L1 on the first, one fault."""
    child = reporter()
    child.devices = [child.device(0xabc0 + n, n, 0, None) for n in range(2)]
    for device in child.devices:
        child.ready(device)
    for n in range(3):
        child.alloc(child.devices[0], n + 1, 0x1000 * n, 1000, 0, DRAM, 0, "site", 0)
    child.alloc(child.devices[0], 9, 0x1000, 200, 0, L1, 0, "site", 0)
    child.free(child.devices[0], 3)
    child.free(child.devices[0], 77)
    return child


def test_figures(server, program):
    samples = scrape(server)
    first = {"device": "0xabc0", "ordinal": "0", "arch": "wormhole_b0"}
    assert total(samples, "meshtally_device_live_bytes", kind="DRAM", **{"class": "user"}, **first) == 2000
    assert total(samples, "meshtally_device_live_bytes", kind="L1", **first) == 200
    assert total(samples, "meshtally_device_live_bytes", device="0xabc1") == 0
    assert total(samples, "meshtally_device_live_buffers", kind="DRAM", **first) == 2
    assert total(samples, "meshtally_device_capacity_bytes", kind="DRAM", **first) == 12 << 30
    held = server.tally.json("devices")["devices"][0]["kinds"][0]
    assert total(samples, "meshtally_device_held_bytes", kind="DRAM", **first) == held["held_bytes"]
    assert total(samples, "meshtally_device_peak_held_bytes", kind="DRAM", **first) == \
        held["peak_held_bytes"] > held["held_bytes"]
    assert total(samples, "meshtally_device_allocations_total", kind="DRAM", **first) == 3
    assert total(samples, "meshtally_device_frees_total", kind="DRAM", **first) == 1
    assert total(samples, "meshtally_process_live_bytes", pid=str(program.pid), kind="DRAM",
                 command="e2e_reporter") == 2000
    assert total(samples, "meshtally_processes", state="live") == 1
    assert total(samples, "meshtally_faults_total", type="unknown free") == 1
    assert total(samples, "meshtally_segments") == 1
    assert total(samples, "meshtally_read_seconds_count") >= 1


def test_counters_outlive_processes(server, program, reporter):
    """And the bytes of the dead leave the live totals."""
    before = scrape(server)
    # Not seen by any scrape: what it did last is read from its segment after its end.
    for n in range(100, 110):
        program.alloc(program.devices[0], n, 0x1000 * n, 50, 0, DRAM, 0, "site", 0)
    program.kill()
    after = fresh(server, lambda samples: total(samples, "meshtally_process_ends_total") == 1, "its end")
    assert total(after, "meshtally_device_allocations_total", kind="DRAM") == 13
    assert total(after, "meshtally_left_bytes_total", verdict="killed") == 2000 + 200 + 10 * 50
    assert total(after, "meshtally_device_live_bytes") == 0
    assert total(after, "meshtally_process_live_bytes") == 0
    second = reporter()
    device = second.device(0xabc0, 5, 0, None)
    second.alloc(device, 1, 0x1000, 70, 0, DRAM, 0, "site", 0)
    again = fresh(server, lambda samples: total(samples, "meshtally_device_live_bytes") == 70, "a new one")
    assert total(again, "meshtally_device_allocations_total", kind="DRAM") == 14
    assert total(again, "meshtally_device_live_bytes", device="0xabc0", ordinal="0") == 70, \
        "a chip keeps its labels"
    for key, value in before.items():
        if key[0].endswith(("_total", "_count", "_bucket")):
            assert after[key] >= value and again[key] >= after[key], key


def test_leaked_by_the_living(server, program):
    program.close(program.devices[0])
    samples = fresh(server, lambda samples: total(samples, "meshtally_leaked_bytes", verdict="leaked") > 0,
                    "the leak")
    assert total(samples, "meshtally_leaked_bytes", verdict="leaked") == 2200
    assert total(samples, "meshtally_left_bytes_total") == 0


def test_only_the_largest_processes(server, reporter):
    """50 by themselves, the others in one."""
    for n in range(53):
        child = reporter()
        child.alloc(child.device(0x1, 0, 0, None), 1, 0x1000, 1000 + n, 0, DRAM, 0, "site", 0)
    samples = fresh(server, lambda samples: total(samples, "meshtally_processes", state="live") == 53, "all")
    lines = {dict(labels)["pid"]: value for (name, labels), value in samples.items()
             if name == "meshtally_process_live_bytes" and dict(labels)["kind"] == "DRAM"}
    assert len(lines) == 51 and lines["other"] == 1000 + 1001 + 1002
    assert sum(lines.values()) == total(samples, "meshtally_device_live_bytes")


def test_hostile_names(server, tally, build, tmp_path):
    """Quotes, backslashes, newlines and bytes that are no text, in what programs are called."""
    from e2e_support import Reporter
    for number, name in enumerate((b'a"b\\c', b"new\nline", b"\xff\xfe\x1b[31m", "ü".encode())):
        program = tmp_path.joinpath(f"{number}").joinpath
        directory = program()
        directory.mkdir()
        path = bytes(directory) + b"/" + name
        shutil.copy(build / "tests" / "e2e" / "e2e_reporter", path)
        child = Reporter(build, {**tally.env, "MESHTALLY": "1"})
        child.end()
        child.child = subprocess.Popen([path], env={**tally.env, "MESHTALLY": "1"},
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.alloc(child.device(0, number, 0, b'bus "\\\n\xff'), 1, 0x1000, 10, 0, DRAM, 0, "s", 0)
        text = wait_until(lambda: (lambda got: got if f'pid="{child.pid}"' in got else None)(
            server.get("/metrics")), "the process")
        parse(text)
        check_with_promtool(text)
        child.kill()


def check_with_promtool(text):
    if PROMTOOL is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=TIMEOUT)
    assert done.returncode == 0 and done.stdout == b"", done.stdout.decode()


def test_promtool(server, program):
    check_with_promtool(server.get("/metrics"))


@pytest.mark.parametrize("accept,openmetrics", (
    (None, False), ("*/*", False), ("text/plain", False), ("application/json", False),
    ("application/openmetrics-text", True), (OPENMETRICS, True),
    ("application/openmetrics-text;version=1.0.0;q=0.2,text/plain;q=0.9", False),
    ("text/plain;version=0.0.4;q=0.5, application/openmetrics-text; version=1.0.0; q=0.75", True),
    ("application/openmetrics-text;version=9.9", False), ("application/openmetrics-text;q=0", False)))
def test_negotiation(server, accept, openmetrics):
    connection = server.http()
    connection.request("GET", "/metrics", headers={"Accept": accept} if accept else {})
    answer = connection.getresponse()
    kind = answer.getheader("Content-Type")
    body = answer.read().decode()
    connection.close()
    assert kind.startswith("application/openmetrics-text; version=1.0.0" if openmetrics
                           else "text/plain; version=0.0.4")
    assert body.endswith("# EOF\n") == openmetrics


def test_openmetrics_form(server, program):
    """Families in one piece, each with its type and help; names as the type wants them."""
    text = server.get("/metrics", {"Accept": OPENMETRICS})
    suffixes = {"gauge": ("",), "counter": ("_total",), "info": ("_info",),
                "histogram": ("_bucket", "_sum", "_count")}
    types, family = {}, None
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1
    for line in text.splitlines()[:-1]:
        words = line.split(" ")
        if words[0] != "#":
            name = re.match("[a-z_]+", line)[0]
            assert name in [family + suffix for suffix in suffixes[types[family]]], line
            continue
        if words[1] == "HELP":
            family = words[2]
            assert family not in types, f"{family} twice"
        elif words[1] == "TYPE":
            types[words[2]] = words[3]
        elif words[1] == "UNIT":
            assert words[2].endswith("_" + words[3])
        assert words[2] == family, line
    assert types["meshtally_device_allocations"] == "counter" and types["meshtally_build"] == "info"
    parse(text)


def names(server):
    return {name for name, _ in scrape(server)}


def asked_for(text):
    return set(re.findall(r"\bmeshtally_[a-z_]+", text))


def test_rules_and_dashboard_ask_for_what_is_there(server, program):
    there = names(server)
    board = json.loads((SOURCE / "packaging" / "grafana" / "meshtally.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    expressions += [each["query"]["query"] for each in board["templating"]["list"]
                    if each["type"] == "query"]
    assert len(expressions) > 10
    for expression in expressions:
        assert asked_for(expression) and asked_for(expression) <= there, expression
    rules = (SOURCE / "packaging" / "prometheus" / "meshtally.rules.yml").read_text()
    assert asked_for(rules) and asked_for(rules) <= there
    page = (SOURCE / "docs" / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `(meshtally_[a-z_]+)`", page, re.M))
    said = {re.sub("_(bucket|sum|count)$", "", name) for name in there}
    assert documented == said


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
def test_rules():
    folder = SOURCE / "packaging" / "prometheus"
    for words in (("check", "rules", "meshtally.rules.yml"), ("test", "rules", "meshtally.test.yml")):
        done = subprocess.run([PROMTOOL, *words], cwd=folder, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=TIMEOUT)
        assert done.returncode == 0, done.stdout.decode()


class Prometheus:
    """The real one, on a directory of its own, scraping a server every 200 ms."""

    def __init__(self, server, directory, token=None):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        job = {"job_name": "meshtally", "scrape_interval": "200ms", "scrape_timeout": "200ms",
               "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}]}
        if token is not None:
            job["authorization"] = {"credentials_file": str(token)}
        directory.mkdir()
        rules = SOURCE / "packaging" / "prometheus" / "meshtally.rules.yml"
        config = directory / "prometheus.yml"
        # JSON is YAML.
        config.write_text(json.dumps({"global": {"evaluation_interval": "200ms"},
                                      "rule_files": [str(rules)], "scrape_configs": [job]}))
        self.log = open(directory / "log", "wb")
        self.child = subprocess.Popen(
            [PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def ask(self, expression):
        """[(labels, value)], or [] as long as it is not there."""
        address = f"http://127.0.0.1:{self.port}/api/v1/query?" + \
            urllib.parse.urlencode({"query": expression})
        try:
            with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
                result = json.load(answer)["data"]["result"]
        except OSError:
            assert self.child.poll() is None, "Prometheus has ended"
            return []
        return [(each["metric"], float(each["value"][1])) for each in result]

    def wait(self, expression):
        return wait_until(lambda: self.ask(expression), expression)

    def close(self):
        self.child.kill()
        self.child.wait()
        self.log.close()


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed")
@pytest.mark.parametrize("with_token", (False, True))
def test_real_prometheus(tally, program, tmp_path, with_token):
    token = tmp_path / "token"
    token.write_text("a-token-of-some-length\n")
    token.chmod(0o600)
    server = Server(tally, *(("--token-file", token) if with_token else ()))
    prometheus = Prometheus(server, tmp_path / "prometheus", token if with_token else None)
    try:
        assert prometheus.wait('up{job="meshtally"} == 1')
        query = 'sum by (device, kind) (meshtally_device_live_bytes{device="0xabc0",kind="DRAM"})'
        assert prometheus.wait(f"{query} == 2000")[0][0] == {"device": "0xabc0", "kind": "DRAM"}
        assert prometheus.wait("meshtally:device_held:ratio > 0")
        program.free(program.devices[0], 1)
        assert prometheus.wait(f"{query} == 1000")
        program.free(program.devices[0], 1)
        alert = prometheus.wait('ALERTS{alertname="MeshtallyFaults",alertstate="firing"}')
        assert alert[0][0]["type"] in ("double free", "unknown free")
        program.kill()
        assert prometheus.wait('meshtally_left_bytes_total{verdict="killed"} == 1200')
    finally:
        prometheus.close()
        server.close()
