"""Backs up and restores a real bridge's journal by the very commands of docs/operations.md.

Arguments: the bridge, a scratch folder.
"""

import json
import pathlib
import re
import subprocess
import sys
import urllib.request

from bridge import PATIENCE, Process, fetch

BINARY = sys.argv[1]
WORK = pathlib.Path(sys.argv[2])
SEED = pathlib.Path("fixtures/seed.xml").read_text()
RUNBOOK = pathlib.Path("docs/operations.md").read_text()


def follow(section):
    """Runs the commands of a section, the first where it knows two ways, on folders of this run."""
    text = RUNBOOK.split(f"\n## {section}\n")[1].split("\n## ")[0]
    commands = re.findall(r"```sh\n(.*?)```", text, re.S)[0]
    commands = commands.replace("/var/lib/imper-bridge", f"{WORK}/state").replace("/var/backups", f"{WORK}/backups")
    ran = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], capture_output=True, text=True)
    assert ran.returncode == 0, ran
    return ran.stdout


def start():
    return Process([BINARY, "serve", "--config", WORK / "bridge.toml"], 2, WORK / "log")


def accept(bridge, application):
    text = SEED.replace("WAPPLIC12345", application).encode()
    request = urllib.request.Request(bridge.addresses[0] + "/soap/acme", text, {"Content-Type": "text/xml"})
    assert urllib.request.urlopen(request, timeout=PATIENCE).status == 200


def events(bridge):
    """Each event's id and whether it waits."""
    status, answer = fetch(bridge.addresses[1] + "/api/v1/events?limit=1000", Authorization="Bearer backup-token")
    assert status == 200, answer
    return {each["event_id"]: each["delivery"]["state"] for each in json.loads(answer)["events"]}


for folder in ("state", "backups"):
    (WORK / folder).mkdir()
(WORK / "bridge.toml").write_text(f"""
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
token = "backup-token"
[store]
url = "sqlite:{WORK}/state/journal.db"
min_free_mb = 0
[org.acme]
auth.none = true
relay = {{ url = "http://127.0.0.1:9/nobody", api_key = "k" }}
""")
with start() as bridge:
    for number in range(20):
        accept(bridge, f"A{number}")
    backed_up = events(bridge)
    assert "ok" in follow("Backup").split(), "the copy is whole"
    accept(bridge, "after-the-backup")
    assert bridge.stop() == 0
follow("Restore")
with start() as bridge:
    restored = events(bridge)
    assert restored == backed_up and set(restored.values()) == {"pending"}, (backed_up, restored)
    accept(bridge, "after-the-restore")
    assert len(events(bridge)) == len(backed_up) + 1
    assert bridge.stop() == 0
print(f"ok    a backup of {len(backed_up)} events while the bridge runs, restored by the runbook's commands")
