"""Holds the list of components that `deploy/sbom` prints against CycloneDX's schema, and against what
cargo compiles for the program on this machine."""

import json
import subprocess
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

printed = subprocess.run(["deploy/sbom"], check=True, stdout=subprocess.PIPE, text=True).stdout
fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(printed)
assert fault is None, fault
listed = {(each["name"], each["version"]) for each in json.loads(printed)["components"]}
check = ["cargo", "check", "--locked", "--quiet", "--bin", "imper-bridge", "--message-format", "json"]
lines = subprocess.run(check, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
messages = [json.loads(line) for line in lines]
# The last part of an id is NAME@VERSION, or the version alone where the address ends in the name.
ids = {each["package_id"] for each in messages if each["reason"] == "compiler-artifact"}
packages = [each.rsplit("#", 1) for each in ids if each.startswith("registry+")]
compiled = {tuple(package.split("@")) for _, package in packages}
assert compiled, "nothing was compiled"
assert compiled <= listed, f"left out: {compiled - listed}"
print(f"ok    the list of {len(listed)} components is CycloneDX, and has each of the {len(compiled)} that are compiled")
