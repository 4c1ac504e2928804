"""Holds `rust-version` against what the dependencies ask for. Reads `cargo metadata`."""

import json
import sys

packages = json.load(sys.stdin)["packages"]
version = lambda package: tuple(int(part) for part in (package["rust_version"] or "0").split("."))
(ours,) = [package for package in packages if package["name"] == "imper-workday-bridge"]
newer = [f"{package['name']} {package['rust_version']}" for package in packages if version(package)[:2] > version(ours)[:2]]
assert ours["rust_version"], "Cargo.toml states no rust-version"
assert not newer, f"rust-version is {ours['rust_version']}, but these ask for more: {newer}"
print(f"ok    none of {len(packages)} packages asks for a newer Rust than {ours['rust_version']}")
