"""Draws what `benches/run --json FILE` has measured: python3 benches/plot.py FILE, into docs/."""

import json
import pathlib
import sys

rows = json.loads(pathlib.Path(sys.argv[1]).read_text())["rows"]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 320, 70, 60, 50
# Told apart by dashes as well, and legible on white and on black.
STYLES = [("#8a8f98", ""), ("#c2790a", "6 4"), ("#2f81f7", ""), ("#1a9c6b", "2 3"), ("#b352c4", "8 3 2 3")]


def top(values):
    step = 10 ** (len(str(int(max(values)))) - 1)
    return (int(max(values) / step) + 1) * step


def draw(name, title, labels, series, unit):
    """Series of one value, or none, per label."""
    highest = top([value for values in series.values() for value in values if value is not None])
    x = lambda at: LEFT + (WIDTH - LEFT - 20) * (at + 0.5) / len(labels)
    y = lambda value: HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / highest
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" role="img" aria-label="{title}">',
        "<style>text{fill:#1f2328}.grid{stroke:#8a8f98;stroke-opacity:.35}@media(prefers-color-scheme:dark){text{fill:#e6edf3}}</style>",
        f'<text x="{LEFT}" y="18" font-size="14">{title}</text>',
    ]
    for step in range(5):
        value = highest * step / 4
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 20}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    out.append(f'<text x="{LEFT}" y="{TOP - 12}">{unit}</text>')
    for at, label in enumerate(labels):
        out.append(f'<text x="{x(at):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label}</text>')
    place = LEFT
    for (kind, values), (colour, dashes) in zip(series.items(), STYLES):
        line = f'stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dashes}" fill="none"'
        points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in enumerate(values) if value is not None)
        out.append(f'<polyline points="{points}" {line}/>')
        out += [f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="3.5" fill="{colour}"/>' for at, value in enumerate(values) if value is not None]
        out.append(f'<line x1="{place}" x2="{place + 24}" y1="{HEIGHT - 18}" y2="{HEIGHT - 18}" {line}/><text x="{place + 29}" y="{HEIGHT - 14}">{kind}</text>')
        place += 50 + 7 * len(kind)
    pathlib.Path("docs", name).write_text("\n".join(out + ["</svg>", ""]))


found = {(row["kind"], row["millions"], row["connections"]): row for row in rows}
connections = sorted({count for kind, _, count in found if kind == "durable accept"})
millions = sorted({size for kind, size, _ in found if kind == "durable accept"})
kinds = list(dict.fromkeys(kind for kind, size, count in found if size == 0 and count))
largest = millions[-1]


def value(key, what):
    return found[key][what] if key in found else None


over = {kind: [(kind, 0, count) for count in connections] for kind in kinds}
over[f"with {largest:g} million held"] = [("durable accept", largest, count) for count in connections]
held = {f"accept, {count} connections": [("durable accept", size, count) for size in millions] for count in connections}
held["delivery"] = [("delivery", size, 0) for size in millions]
sizes = [f"{size:g} million" if size else "empty" for size in millions]
counts = [f"{count} connections" for count in connections]
for what, unit, name in [("rate", "per second", "throughput"), ("p99", "ms", "p99")]:
    values = lambda keys: [value(key, what) for key in keys]
    title = "Throughput" if what == "rate" else "p99 of the answer"
    draw(f"{name}-connections.svg", f"{title} over connections", counts, {kind: values(keys) for kind, keys in over.items()}, unit)
    series = {kind: values(keys) for kind, keys in held.items() if what == "rate" or kind != "delivery"}
    draw(f"{name}-journal.svg", f"{title} over events held", sizes, series, unit)
