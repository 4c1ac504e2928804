"""What benches/run --several runs: one to three bridges on one PostgreSQL beside one on SQLite, in one
run on one machine, with the load generator, the database and the relay on the same cores."""

import glob
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

release = pathlib.Path(sys.argv[1]).resolve()
seconds = 3 if "--quick" in sys.argv else 10
connections = 48
programs = max(glob.glob("/usr/lib/postgresql/*/bin")) if not shutil.which("initdb") else os.path.dirname(shutil.which("initdb"))
# PostgreSQL insists on not being root.
other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"] if os.getuid() == 0 else []
run = 0


def cluster(folder):
    folder.mkdir()
    if other:
        shutil.chown(folder, "postgres")
    subprocess.run(other + [f"{programs}/initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C"], check=True, stdout=subprocess.DEVNULL, cwd="/")
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "shared_buffers=256MB", "-c", "max_wal_size=4GB"]
    server = subprocess.Popen(other + [f"{programs}/postgres", "-D", folder / "data"] + settings, stderr=subprocess.DEVNULL, cwd="/")
    while subprocess.run(["psql", "-h", folder, "-U", "postgres", "-c", "SELECT 1"], capture_output=True).returncode:
        time.sleep(0.1)
    return server


def bridge(folder, name, url, relay):
    (folder / f"{name}.toml").write_text(
        f'listen = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"\ntoken = "t"\n[store]\nurl = "{url}"\n'
        f'[org.acme]\nauth.none = true\n[org.acme.relay]\nurl = "{relay}/webhooks/acme/workday"\napi_key = "k"\n'
    )
    process = subprocess.Popen([release / "imper-bridge", "serve", "--config", f"{name}.toml"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    public, admin = (process.stdout.readline().split()[1].rstrip("/") for _ in range(2))
    return process, public, admin


def stats(admin):
    request = urllib.request.Request(f"{admin}/api/v1/stats", headers={"Authorization": "Bearer t"})
    found = json.load(urllib.request.urlopen(request))["organisations"]
    return found[0] if found else {"accepted": 0, "delivered": 0, "pending": 0}


def measure(folder, title, url, count, relay):
    global run
    bridges = [bridge(folder, f"b{run}-{number}", url, relay) for number in range(count)]
    begun, loads = time.monotonic(), []
    for _, public, _ in bridges:
        run += 1
        command = ["wrk", "-t1", f"-c{connections // count}", f"-d{seconds}s", "--timeout", "10s", "-s", "benches/load.lua", public + "/soap/acme", "--", "fixtures/seed.xml", str(run)]
        loads.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    rate, p50, p99 = 0, 0, 0
    for load in loads:
        output = load.communicate()[0]
        line = next(line for line in output.splitlines() if line.startswith("result "))
        requests, micros, half, most, errors = map(int, line.split()[1:])
        assert errors == 0, output
        rate, p50, p99 = rate + requests * 1e6 / micros, max(p50, half / 1000), max(p99, most / 1000)
    admin = bridges[0][2]
    while stats(admin)["pending"]:
        time.sleep(0.05)
    took, done = time.monotonic() - begun, stats(admin)
    assert done["delivered"] == done["accepted"], done
    print(f"{title:22} {rate:8.0f} acks/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms; {done['delivered']} delivered, {done['delivered'] / took:.0f}/s", flush=True)
    for process, _, _ in bridges:
        process.terminate()
        process.wait()


with tempfile.TemporaryDirectory(dir="/tmp") as name:
    folder = pathlib.Path(name)
    folder.chmod(0o755)
    sandbox = subprocess.Popen([release / "imper-bridge", "sandbox", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    relay = sandbox.stdout.readline().split()[1]
    # What it shows of each request must go somewhere.
    drain = subprocess.Popen(["cat"], stdin=sandbox.stdout, stdout=subprocess.DEVNULL)
    server = cluster(folder / "pg")
    host = str(folder / "pg").replace("/", "%2F")
    measure(folder, "SQLite, 1 bridge", f"sqlite:{folder}/journal.db", 1, relay)
    for count in (1, 2, 3):
        subprocess.run(["psql", "-h", folder / "pg", "-U", "postgres", "-qc", f"CREATE DATABASE b{count}"], check=True)
        measure(folder, f"PostgreSQL, {count} bridge{'s' if count > 1 else ''}", f"postgres://postgres@{host}/b{count}", count, relay)
    sandbox.terminate()
    drain.wait()
    server.terminate()
    server.wait()
