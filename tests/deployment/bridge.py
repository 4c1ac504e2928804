"""The real binary, started in a folder of its own, for the checks of what deploy/ says about it."""

import os
import pathlib
import subprocess
import time
import urllib.error
import urllib.request

# Long enough that only a hang exceeds it.
PATIENCE = 60


def wait_for(what, condition):
    """Looks until the condition gives something true, and gives that."""
    until = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > until:
            raise SystemExit(f"waited in vain until {what}")
        time.sleep(0.05)


def fetch(url, **headers):
    """The status and the text of a page, whatever the status."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Process:
    """A process that says on its first lines where it listens."""

    def __init__(self, command, lines, log, environment=None):
        self.log = pathlib.Path(log)
        with open(log, "w") as errors:
            self.child = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **(environment or {})}
            )
        self.addresses = []
        for _ in range(lines):
            line = self.child.stdout.readline()
            if not line:
                raise SystemExit(f"{command} did not start:\n{self.log.read_text()}")
            self.addresses.append(line.split()[-1].rstrip("/"))

    def stop(self):
        """Sends SIGTERM and gives the exit code."""
        self.child.terminate()
        return self.child.wait(timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
