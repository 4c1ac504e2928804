"""What benches/run runs: the release folder, and --quick."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

release = pathlib.Path(sys.argv[1]).resolve()
quick = "--quick" in sys.argv
connections = (16, 64) if quick else (1, 16, 64, 256)
seconds, rounds = (3, 1) if quick else (5, 3)
ticks = os.sysconf("SC_CLK_TCK")
run = 0


class Server:
    def __init__(self, command, folder):
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        self.public = self.process.stdout.readline().split()[1].rstrip("/")

    def cpu(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / ticks

    def rss(self):
        for line in open(f"/proc/{self.process.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024


def bridge(folder, name, relay=None):
    handler = f'[org.acme.relay]\nurl = "{relay}/webhooks/acme/workday"\napi_key = "k"' if relay else 'handler = "in_process"'
    # A candidate in no interview stage has nothing to deliver: the accept path alone is measured.
    stages = "" if relay else 'interview_stages = ["Nowhere"]\n'
    (folder / f"{name}.toml").write_text(
        f'listen = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"\ntoken = "t"\n[store]\nurl = "sqlite:{folder}/{name}.db"\n'
        f"[org.acme]\nauth.none = true\n{stages}{handler}\n"
    )
    server = Server([release / "imper-bridge", "serve", "--config", f"{name}.toml"], folder)
    server.admin = server.process.stdout.readline().split()[1].rstrip("/")
    return server


def stats(server):
    request = urllib.request.Request(f"{server.admin}/api/v1/stats", headers={"Authorization": "Bearer t"})
    found = json.load(urllib.request.urlopen(request))["organisations"]
    return found[0] if found else {"accepted": 0, "delivered": 0, "pending": 0}


def load(server, path, count, duration):
    global run
    run += 1
    before = server.cpu()
    command = ["wrk", "-t1", f"-c{count}", f"-d{duration}s", "--timeout", "10s", "-s", "benches/load.lua"]
    output = subprocess.run(command + [server.public + path, "--", "fixtures/seed.xml", str(run)], capture_output=True, text=True, check=True)
    line = next(line for line in output.stdout.splitlines() if line.startswith("result "))
    requests, micros, p50, p99, errors = map(int, line.split()[1:])
    assert errors == 0, output.stdout
    return {"rate": requests * 1e6 / micros, "p50": p50 / 1000, "p99": p99 / 1000, "cpu": (server.cpu() - before) * 1e6 / requests, "requests": requests}


def median(samples):
    return {key: statistics.median(sample[key] for sample in samples) for key in samples[0]}


with tempfile.TemporaryDirectory(dir=release) as name:
    folder = pathlib.Path(name)
    servers = {"bare actix-web": Server([release / "examples" / "bare"], folder), "durable accept": bridge(folder, "accept")}
    paths = {"bare actix-web": "/soap", "durable accept": "/soap/acme"}
    samples, sent = {}, 0
    for _ in range(rounds):
        for count in connections:
            for kind, server in servers.items():
                sample = load(server, paths[kind], count, seconds)
                samples.setdefault((kind, count), []).append(sample)
                sent += sample["requests"] if kind == "durable accept" else 0
    print(f"{'':16} {'conn':>4} {'requests/s':>10} {'ratio':>6} {'p50 ms':>7} {'p99 ms':>7} {'CPU µs':>7} {'RSS MiB':>8}")
    for (kind, count), found in samples.items():
        one, bare = median(found), median(samples["bare actix-web", count])
        ratio = one["rate"] / bare["rate"]
        print(f"{kind:16} {count:4} {one['rate']:10.0f} {ratio:6.2f} {one['p50']:7.2f} {one['p99']:7.2f} {one['cpu']:7.1f} {servers[kind].rss():8.0f}")
    # wrk does not count the answers that were under way when it stopped.
    kept = stats(servers["durable accept"])["accepted"]
    assert sent <= kept <= sent + sum(connections) * rounds, (sent, kept)
    print(f"{sent} acknowledged as counted by wrk, {kept} in the journal")
    for server in servers.values():
        server.process.terminate()

    sandbox = subprocess.Popen([release / "imper-bridge", "sandbox", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    relay = sandbox.stdout.readline().split()[1]
    # What it shows of each request must go somewhere.
    drain = subprocess.Popen(["cat"], stdin=sandbox.stdout, stdout=subprocess.DEVNULL)
    server = bridge(folder, "delivery", relay)
    begun = time.monotonic()
    accepted = load(server, "/soap/acme", 64, seconds)
    while stats(server)["pending"]:
        time.sleep(0.05)
    took, done = time.monotonic() - begun, stats(server)
    assert done["delivered"] == done["accepted"], done
    print(f"delivery: {done['delivered']} accepted at {accepted['rate']:.0f}/s and delivered over HTTP in {took:.1f} s: {done['delivered'] / took:.0f}/s, sandbox relay on the same cores")
    server.process.terminate()
    sandbox.terminate()
    drain.wait()
