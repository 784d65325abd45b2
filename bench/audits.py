"""Put the figures of the last audits into docs/audit.md: ``python -m bench.audits``.

``grader audit`` leaves reports/SLUG/audit.json; between the two marks of the page stands one row
for each assignment of the course, in its order. While one has no report the page stays as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from grader.course.course import read_course
from grader.feedback.audit import Audit

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "audit.md"
BEGIN, END = "<!-- figures: make audit -->\n", "<!-- end of the figures -->\n"
COLUMNS = (
    "assignment",
    "checks",
    "functions",
    "mutants possible",
    "tried",
    "killed",
    "survived",
    "equivalent",
    "killed of the rest",
    "misconceptions told",
    "alternatives accepted",
    "verdict",
)


def table(audits: list[Audit]) -> str:
    """The figures as Markdown."""
    lines = [
        f"| {' | '.join(COLUMNS)} |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for audit in audits:
        looked_at = [row for row in audit.functions if row.checks]
        cells = [
            f"`{audit.assignment}`",
            len(audit.checks),
            f"{len(looked_at)} of {len(audit.functions)}",
            sum(row.made for row in looked_at),
            audit.tried + len(audit.equivalents),
            audit.killed,
            audit.tried - audit.killed,
            len(audit.equivalents),
            f"{audit.percent:.1f} %",
            f"{audit.misconceptions[1]} of {audit.misconceptions[0]}",
            f"{audit.alternatives[1]} of {audit.alternatives[0]}",
            "passes" if audit.passed else "does not pass",
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    kinds: dict[str, list[int]] = {}
    for audit in audits:
        for kind, counts in audit.kinds.items():
            kinds[kind] = [a + b for a, b in zip(kinds.get(kind, [0, 0, 0]), counts, strict=True)]
    lines += ["", "| kind of mistake | killed | survived | equivalent |", "|---|---:|---:|---:|"]
    lines += [
        f"| {kind} | {' | '.join(map(str, counts))} |" for kind, counts in sorted(kinds.items())
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Rewrite the page, if every assignment has a report."""
    course = read_course(ROOT)
    paths = {slug: ROOT / "reports" / slug / "audit.json" for slug in course.assignments}
    missing = [slug for slug, path in paths.items() if not path.is_file()]
    if missing:
        print(f"{PAGE.name} stays: no audit of {', '.join(missing)} yet", file=sys.stderr)
        return 0
    found = [msgspec.json.decode(path.read_bytes(), type=Audit) for path in paths.values()]
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, behind = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{table(found)}{END}{behind}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
