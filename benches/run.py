"""What benches/run runs: the release folder, and the options below."""

import argparse
import datetime
import http.client
import http.server
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

options = argparse.ArgumentParser(prog="benches/run", description=__doc__)
options.add_argument("release", type=pathlib.Path)
options.add_argument("--quick", action="store_true", help="half a minute, for a first look")
options.add_argument("--million", type=float, nargs="+", default=[0.3], help="sizes of the filled journal, in millions of events")
options.add_argument("--connections", type=int, nargs="+", default=[16, 64, 256])
options.add_argument("--seconds", type=int, default=4, help="of each measurement")
options.add_argument("--rounds", type=int, default=3)
options.add_argument("--sustained", type=int, default=0, metavar="SECONDS", help="load the last size once more, for so long")
options.add_argument("--beside", metavar="NAME=URL", action="append", default=[], help="another server that runs already")
options.add_argument("--json", type=pathlib.Path, help="where the figures go, for benches/plot.py")
options = options.parse_args()
if options.quick:
    options.million, options.connections, options.seconds, options.rounds = [0.1], [16, 64], 2, 1
release = options.release.resolve()
ticks = os.sysconf("SC_CLK_TCK")
WAITING = 100_000
run = 0


class Server:
    def __init__(self, command, folder, **more):
        self.begun = time.monotonic()
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, **more)
        self.public = self.process.stdout.readline().split()[1].rstrip("/")

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    def rss(self, line="VmRSS"):
        for each in open(f"/proc/{self.process.pid}/status"):
            if each.startswith(line):
                return int(each.split()[1]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Bridge(Server):
    """A bridge on the journal `name`. Without a relay of its own nothing that it is sent is delivered, so that the
    accept path alone is measured: the candidate is in no interview stage."""

    def __init__(self, folder, name, relay=None):
        stages = "" if relay else 'interview_stages = ["Nowhere"]\n'
        relay = relay or "http://127.0.0.1:9"
        (folder / f"{name}.toml").write_text(
            f'listen = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"\ntoken = "t"\n[store]\nurl = "sqlite:{folder}/{name}.db"\n'
            f'[org.acme]\nauth.none = true\n{stages}[org.acme.relay]\nurl = "{relay}/webhooks/acme/workday"\napi_key = "k"\n'
        )
        super().__init__([release / "imper-bridge", "serve", "--config", f"{name}.toml"], folder)
        self.admin = self.process.stdout.readline().split()[1].rstrip("/")
        while not self.ready():
            time.sleep(0.001)
        self.started = time.monotonic() - self.begun

    def ready(self):
        try:
            return urllib.request.urlopen(f"{self.public}/readyz").status == 200
        except OSError:
            return False

    def api(self, path, post=False):
        request = urllib.request.Request(f"{self.admin}/api/v1/{path}", headers={"Authorization": "Bearer t"}, data=b"" if post else None)
        return urllib.request.urlopen(request).read()

    def stats(self):
        found = json.loads(self.api("stats"))["organisations"]
        return found[0] if found else {"accepted": 0, "delivered": 0, "pending": 0}


class Beside:
    """Somebody else's server, of which only the answers are seen."""

    def __init__(self, url):
        self.url = url

    def cpu(self):
        return float("nan")

    rss = cpu


def load(server, url, count, duration):
    global run
    run += 1
    before = server.cpu()
    command = ["wrk", "-t1", f"-c{count}", f"-d{duration}s", "--timeout", "10s", "-s", "benches/load.lua"]
    output = subprocess.run(command + [url, "--", "fixtures/seed.xml", str(run)], capture_output=True, text=True, check=True)
    line = next(line for line in output.stdout.splitlines() if line.startswith("result "))
    requests, micros, p50, p99, errors = map(int, line.split()[1:])
    assert errors == 0, output.stdout
    cpu = (server.cpu() - before) * 1e6 / requests
    return {"rate": requests * 1e6 / micros, "p50": p50 / 1000, "p99": p99 / 1000, "cpu": cpu, "rss": server.rss(), "requests": requests}


def median(samples):
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


def fill(folder, name, events, waiting):
    subprocess.run([release / "examples" / "fill", folder / f"{name}.db", str(events), str(waiting)], check=True)


def size(millions):
    return f"{millions:g} million" if millions else "empty"


def deliver(folder, name, relay):
    """Lets what waits in a journal go, all at once."""
    server = Bridge(folder, name, relay)
    waiting, delivered, before, begun = server.stats()["pending"], server.stats()["delivered"], server.cpu(), time.monotonic()
    server.api("organisations/acme/resume", post=True)
    while server.stats()["pending"]:
        time.sleep(0.05)
    took = time.monotonic() - begun
    assert server.stats()["delivered"] == delivered + waiting
    found = {"rate": waiting / took, "cpu": (server.cpu() - before) * 1e6 / waiting, "rss": server.rss(), "p50": float("nan"), "p99": float("nan")}
    server.stop()
    return found


def steady(server, folder, rate=1000, seconds=10):
    command = [release / "examples" / "steady", f"{server.public}/soap/acme", str(rate), str(2 if options.quick else seconds), "32", folder]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")
    return {name: {"p50": float(p50), "p99": float(p99)} for name, _, p50, p99, _ in (line.split() for line in lines if line)}


def from_answer_to_receipt(folder, times=200):
    """How long after the sender's answer the relay has the event, one at a time."""
    received, seed = threading.Semaphore(0), pathlib.Path("fixtures/seed.xml").read_text()
    arrivals = []

    class Relay(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            arrivals.append(time.perf_counter())
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            received.release()

        def log_message(self, *_):
            pass

    relay = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=relay.serve_forever, daemon=True).start()
    server = Bridge(folder, "idle", f"http://127.0.0.1:{relay.server_port}")
    connection = http.client.HTTPConnection(server.public.removeprefix("http://"))
    took = []
    for number in range(30 if options.quick else times):
        connection.request("POST", "/soap/acme", seed.replace("WAPPLIC12345", f"IDLE{number}"), {"Content-Type": "text/xml"})
        assert connection.getresponse().read().count(b"interview_started") == 1
        answered = time.perf_counter()
        assert received.acquire(timeout=60)
        # Where the relay was faster than the sender there was nothing to wait for.
        took.append(max(0, arrivals[-1] - answered) * 1000)
    server.stop()
    relay.shutdown()
    took.sort()
    return {"p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100]}


def measure(folder):
    bare = Server([release / "examples" / "bare"], folder)
    bridges = {0: Bridge(folder, "empty")}
    rows, starts, paced, sustained = {}, {}, {}, None

    def turns(kinds, size):
        for _ in range(options.rounds):
            for count in options.connections:
                for kind, (server, url) in kinds.items():
                    rows.setdefault((kind, size, count), []).append(load(server, url, count, options.seconds))

    kinds = {"bare actix-web": (bare, f"{bare.public}/soap"), "parse only": (bare, f"{bare.public}/parse")}
    kinds |= {name: (Beside(url), url) for name, _, url in (beside.partition("=") for beside in options.beside)}
    turns(kinds | {"durable accept": (bridges[0], f"{bridges[0].public}/soap/acme")}, 0)
    paced[0] = steady(bridges[0], folder)
    sent = sum(sample["requests"] for (kind, *_), samples in rows.items() if kind == "durable accept" for sample in samples)
    kept = bridges[0].stats()["accepted"]
    # wrk does not count the answers that were under way when it stopped.
    most = sum(options.connections) * options.rounds + 10_000
    assert sent <= kept <= sent + most, (sent, kept)
    bridges[0].stop()
    fill(folder, "few", WAITING // 2, WAITING // 2)
    rows["delivery", 0, 0] = [deliver(folder, "few", bare.public)]
    held = 0
    for millions in sorted(options.million):
        events = round((millions - held) * 1e6)
        held = millions
        # What is to wait is let go again at the end of each size.
        fill(folder, "filled", events, min(WAITING, events // 3))
        server = Bridge(folder, "filled")
        starts[millions] = (server.started, server.stats()["pending"])
        turns({"bare actix-web": kinds["bare actix-web"], "durable accept": (server, f"{server.public}/soap/acme")}, millions)
        paced[millions] = steady(server, folder)
        server.stop()
        rows["delivery", millions, 0] = [deliver(folder, "filled", bare.public)]
        if options.sustained and millions == max(options.million):
            sustained = sustain(bare, folder)
    idle = from_answer_to_receipt(folder)
    bare.stop()
    return {key: median(samples) for key, samples in rows.items()}, starts, paced, sustained, idle, (sent, kept)


def sustain(bare, folder):
    """A long load at 64 connections, with as much waiting as before, between two of the bare handler; the memory of
    each of its sixths, as a growth would show."""
    fill(folder, "filled", WAITING, WAITING)
    before = load(bare, f"{bare.public}/soap", 64, 5)
    server = Bridge(folder, "filled")
    held, memory, ended = server.stats()["accepted"], [], threading.Event()

    def watch():
        while not ended.wait(options.sustained / 6):
            memory.append(server.rss())

    watcher = threading.Thread(target=watch)
    watcher.start()
    found = load(server, f"{server.public}/soap/acme", 64, options.sustained)
    ended.set()
    watcher.join()
    found |= {"peak": server.rss("VmHWM"), "memory": memory, "held": held}
    server.stop()
    after = load(bare, f"{bare.public}/soap", 64, 5)
    return found | {"bare": (before["rate"] + after["rate"]) / 2}


def cell(value, width, places=0):
    return f"{'–':>{width}}" if value != value else f"{value:{width},.{places}f}"


def show(rows, starts, paced, sustained, idle, counted):
    print(f"| {'':26} | {'journal':11} | conns | {'per s':>8} | ratio | {'p50 ms':>6} | {'p99 ms':>6} | {'CPU µs':>6} | RSS MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for (kind, millions, count), one in rows.items():
        # Deliveries are held against the bare handler at the middle of the connections.
        against = count or options.connections[len(options.connections) // 2]
        ratio = one["rate"] / rows["bare actix-web", millions, against]["rate"]
        journal = size(millions) if kind in ("durable accept", "delivery") else "–"
        print(
            f"| {kind:26} | {journal:11} | {count or '–':>5} | {one['rate']:8,.0f} | {ratio:5.2f} | {cell(one['p50'], 6, 2)} | "
            f"{cell(one['p99'], 6, 2)} | {cell(one['cpu'], 6, 1)} | {cell(one['rss'], 7)} |"
        )
    print(f"\n{counted[0]:,} acknowledged as counted by wrk, {counted[1]:,} in the journal (1,000/s included)")
    for millions, found in paced.items():
        answer, disk = found["answer"], found["fdatasync"]
        print(f"1,000/s, {size(millions)}: accept p50 {answer['p50']:.2f} ms, p99 {answer['p99']:.2f} ms; the disk's fdatasync meanwhile p50 {disk['p50']:.2f}, p99 {disk['p99']:.2f}: {answer['p99'] / disk['p99']:.1f} times")
    for millions, (took, waiting) in starts.items():
        print(f"start with {size(millions)}, {waiting:,} waiting: {took:.2f} s until /readyz")
    if sustained:
        one, memory = sustained, ", ".join(f"{each:.0f}" for each in sustained["memory"])
        print(
            f"{options.sustained} s at 64 connections on {one['held'] / 1e6:.1f} million: {one['rate']:,.0f} a second beside {one['bare']:,.0f} of the bare "
            f"handler: {one['rate'] / one['bare']:.2f}; p50 {one['p50']:.2f} ms, p99 {one['p99']:.2f} ms, {one['cpu']:.1f} µs of CPU, {memory} MiB, at most {one['peak']:.0f}"
        )
    print(f"idle, from the SOAP answer to the relay's receipt: p50 {idle['p50']:.2f} ms, p99 {idle['p99']:.2f} ms")


with tempfile.TemporaryDirectory(dir=release) as name:
    rows, starts, paced, sustained, idle, counted = measure(pathlib.Path(name))
show(rows, starts, paced, sustained, idle, counted)
if options.json:
    flat = [{"kind": kind, "millions": millions, "connections": count, **one} for (kind, millions, count), one in rows.items()]
    options.json.write_text(json.dumps({"at": datetime.date.today().isoformat(), "rows": flat}, indent=1))
