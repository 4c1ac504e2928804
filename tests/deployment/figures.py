"""Brings a real bridge into trouble, lets a real Prometheus look at it by deploy/prometheus, and asks
whether each alert and each panel of the dashboard sees what there is to see.

Arguments: the bridge, prometheus, promtool, a scratch folder.
"""

import base64
import http.client
import json
import pathlib
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import urllib.parse

import yaml

from bridge import PATIENCE, Process, fetch, wait_for

BINARY, PROMETHEUS, PROMTOOL = sys.argv[1:4]
WORK = pathlib.Path(sys.argv[4])
DEPLOY = pathlib.Path("deploy")
DASHBOARD = json.loads((DEPLOY / "grafana/dashboard.json").read_text())
SEED = pathlib.Path("fixtures/seed.xml").read_text()
# More than the bridge lets wait to be kept.
REFUSALS = 400


def free_port():
    """A port that nobody had a moment ago, for programs that do not say which one they took."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def sandbox(name, answers):
    command = [BINARY, "sandbox", "--listen", "127.0.0.1:0", "--answer", answers]
    return Process(command, 1, WORK / f"{name}.log")


def certificate():
    """One of the listener's own that is soon over."""
    files = ["-keyout", WORK / "server.key", "-out", WORK / "server.pem"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "5", "-subj", "/CN=localhost", *files], check=True, capture_output=True)


def configure(acme, globex):
    text = f"""
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
token = "figures-token"
[tls]
cert = "server.pem"
key = "server.key"
[store]
url = "sqlite:{WORK}/journal.db"
min_free_mb = 0
[delivery]
first_retry_seconds = 0.01
max_retry_seconds = 0.01
useful_within_seconds = 0.001
open_interview_alert_days = 0.00001
"""
    for name, url in (("acme", acme), ("globex", globex)):
        text += f"""
[org.{name}]
auth.basic = {{ username = "imper", password = "figures" }}
expect_message_every_hours = 1
relay = {{ url = "{url}/{name}", api_key = "k" }}
"""
    (WORK / "bridge.toml").write_text(text)


class Sender:
    """Workday: one connection that is kept."""

    def __init__(self, address):
        anybody = ssl._create_unverified_context()
        host = address.removeprefix("https://")
        self.connection = http.client.HTTPSConnection(host, timeout=PATIENCE, context=anybody)
        basic = base64.b64encode(b"imper:figures").decode()
        self.headers = {"Content-Type": "text/xml", "Authorization": f"Basic {basic}"}

    def post(self, org, text):
        self.connection.request("POST", f"/soap/{org}", text.encode(), self.headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


def trouble(public):
    """One event is retried and then given up, one delivered, one finds the set-up wrong, and many
    messages are refused while nothing can be kept of them."""
    sender = Sender(public)
    for application in ("A1", "A2"):
        assert sender.post("acme", SEED.replace("WAPPLIC12345", application)) == 200
    assert sender.post("globex", SEED) == 200
    refused = sqlite3.connect(WORK / "journal.db.refused", isolation_level=None)
    refused.execute("BEGIN IMMEDIATE")
    for _ in range(REFUSALS):
        assert sender.post("acme", "<not-a-message/>") == 500
    refused.rollback()


def configure_prometheus(admin):
    """The configuration that is shipped, with the addresses of this run and no patience."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"evaluation_interval": "1s"}
    config["rule_files"] = [str((DEPLOY / "prometheus" / file).resolve()) for file in config["rule_files"]]
    here = {"127.0.0.1:8081": admin.removeprefix("http://")}
    for job in config["scrape_configs"]:
        job["scrape_interval"] = job["scrape_timeout"] = "1s"
        for static in job["static_configs"]:
            static["targets"] = [here[target] for target in static["targets"]]
    (WORK / "prometheus.yml").write_text(yaml.safe_dump(config))


def names(text):
    """Figures by name, a histogram's as one."""
    own, every = r"imper_bridge_\w+", r"process_(?:cpu_seconds_total|resident_memory_bytes|start_time_seconds|\w+_fds)"
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(rf"\b(?:{own}|{every})", text)}


def scraped(admin):
    """The names that a scrape shows, once it shows those that take a look at the journal as well."""
    page = lambda: fetch(admin + "/metrics")[1]
    wait_for("the journal was looked at", lambda: "imper_bridge_late_starts{" in page())
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=page(), text=True, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    print("ok    promtool finds nothing amiss in what a scrape shows")
    return names("\n".join(line for line in page().splitlines() if not line.startswith("#")))


def every_name_exists(there):
    for file in ("deploy/prometheus/alerts.yml", "deploy/prometheus/alerts_test.yml", "deploy/grafana/dashboard.json",
                 "docs/operations.md"):
        unknown = names(pathlib.Path(file).read_text()) - there
        assert not unknown, f"{file} names what no scrape shows: {sorted(unknown)}"
    unused = there - names((DEPLOY / "grafana/dashboard.json").read_text())
    assert not unused, f"the dashboard leaves out {sorted(unused)}"
    print(f"ok    alerts, dashboard and runbook name only figures that a scrape shows: {len(there)}")


def query(server, expression):
    _, answer = fetch(f"{server}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
    answer = json.loads(answer)
    assert answer["status"] == "success", (expression, answer)
    return answer["data"]["result"]


def expressions():
    """What the dashboard asks, with its variables as Grafana would fill them in."""
    filled = lambda text: text.replace("$orgid", ".*").replace("$__rate_interval", "1m")
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], filled(target["expr"])
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            metric = re.fullmatch(r"label_values\((\w+), orgid\)", variable["query"])[1]
            yield variable["label"], f"count by (orgid) ({metric})"
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]


def alerts(server):
    _, answer = fetch(f"{server}/api/v1/alerts")
    return {each["labels"]["alertname"]: each["state"] for each in json.loads(answer)["data"]["alerts"]}


# What the trouble above must raise; those that wait for longer than this run are pending.
RAISED = {
    "ImperBridgeDeadLetter": "firing",
    "ImperBridgeRefusing": "firing",
    "ImperBridgeRefusedNotKept": "firing",
    "ImperBridgePaused": "pending",
    "ImperBridgeInterviewOpenTooLong": "pending",
    "ImperBridgeCertificateExpires": "pending",
}
# What it must not, however long this takes.
QUIET = {"ImperBridgeDown", "ImperBridgeNotReady", "ImperBridgeSilent"}


def as_expected(raised):
    return RAISED.items() <= raised.items() and not QUIET & raised.keys()


def prometheus_sees_it(server):
    wait_for("Prometheus is ready", lambda: ready(server))
    wait_for(f"the alerts are {RAISED} and none of {QUIET}", lambda: as_expected(alerts(server)))
    _, rules = fetch(f"{server}/api/v1/rules")
    rules = [rule for group in json.loads(rules)["data"]["groups"] for rule in group["rules"]]
    assert all(rule["health"] == "ok" for rule in rules), rules
    print(f"ok    of {len(rules)} alerts, trouble raises its {len(RAISED)}")
    asked = list(expressions())
    for title, expression in asked:
        wait_for(f"{title} shows something: {expression}", lambda: query(server, expression))
    print(f"ok    {len(asked)} queries of the dashboard show something")


def ready(server):
    try:
        return fetch(server + "/-/ready")[0] == 200
    except OSError:
        return False


def main():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids) >= 10
    with sandbox("acme", "503,422,200") as acme, sandbox("globex", "401") as globex:
        certificate()
        configure(acme.addresses[0], globex.addresses[0])
        with Process([BINARY, "serve", "--config", WORK / "bridge.toml"], 2, WORK / "bridge.log") as bridge:
            public, admin = bridge.addresses
            trouble(public)
            every_name_exists(scraped(admin))
            server = f"127.0.0.1:{free_port()}"
            configure_prometheus(admin)
            looking = [PROMETHEUS, f"--config.file={WORK}/prometheus.yml", f"--web.listen-address={server}",
                       f"--storage.tsdb.path={WORK}/tsdb"]
            with Process(looking, 0, WORK / "prometheus.log"):
                prometheus_sees_it(f"http://{server}")


main()
