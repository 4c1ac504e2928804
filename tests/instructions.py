"""What tests/instructions runs: the example's path, and --renew."""

import json
import pathlib
import re
import subprocess
import sys

example = sys.argv[1]
path = pathlib.Path("tests/instructions.json")
kept = json.loads(path.read_text())
compiler = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
# Two lengths of each: what begins and ends the program is the same in both, and falls out.
TIMES = {"parse": (100, 600), "decide": (200, 1200), "encode": (200, 1200), "commit": (100, 500)}


def counted(part, times):
    # The random keys of hash maps are all that differs from run to run, beside when threads take turns.
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", example, part, str(times)]
    found = subprocess.run(command, capture_output=True, text=True)
    collected = re.search(r"Collected : (\d+)", found.stderr)
    if found.returncode or not collected:
        sys.exit(f"{' '.join(command)} ends with {found.returncode}:\n{found.stderr}")
    return int(collected[1])


def each(part):
    few, many = TIMES[part]
    return round((counted(part, many) - counted(part, few)) / (many - few))


found = {part: each(part) for part in TIMES}
if "--renew" in sys.argv:
    path.write_text(json.dumps({**kept, "compiler": compiler, "instructions": found}, indent=2) + "\n")
    print(f"{path} is renewed: {found}; say in the commit why they changed")
    sys.exit()
bad = []
for part, now in found.items():
    before = kept["instructions"][part]
    change = now / before - 1
    print(f"{part:7} {now:9,} instructions each, {change:+.1%} against {before:,}")
    if change > kept["tolerance"]:
        bad.append(f"{part} takes {change:.1%} more instructions than it did")
    elif change < -kept["tolerance"]:
        bad.append(f"{part} takes {-change:.1%} fewer instructions than it did, which is good, and is to be kept")
if compiler != kept["compiler"]:
    print(f"nothing is compared: the figures are of {kept['compiler']}, this is {compiler}; renew them by tests/instructions --renew")
elif bad:
    print("\n".join(bad))
    sys.exit("If that is meant, run tests/instructions --renew, commit tests/instructions.json and say why; else find what grew by: "
             f"valgrind --tool=callgrind {example} PART 500, and callgrind_annotate")
