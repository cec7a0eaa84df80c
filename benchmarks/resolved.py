"""How many differences of the committed reports does either test resolve? python -m benchmarks.resolved.

Every report in experiments/results is summed up again; nothing is trained. What each test's error rate is, and that of
limma as it stands, is simulated in tests/ablation/test_moderated.py.

Measured on 2026-11-29, reports of that day, 603 differences and complete stacks, most with six seeds:

    plain paired t-test   248 of 603 resolved
    moderated variances   261 of 603 resolved, and 22 shown to have no effect beyond 0.5 points

On 2026-11-26, reports of that day, most with two to four seeds, it was 69 and 85 of 254.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from jaxtricks.ablation.summary import Row, summarise

RESULTS = Path(__file__).parents[1] / "experiments" / "results"
ALPHA = 0.05


def counted(rows: list[Row]) -> Counter:
    """How many rows are compared, and resolved by either test; how many have no effect beyond the margin."""
    compared = [row for row in rows if row.verdict is not None]
    return Counter(
        differences=len(compared),
        plain=sum(row.plain_p is not None and row.plain_p < ALPHA for row in compared),
        moderated=sum(row.verdict in ("helps", "hurts") for row in compared),
        absent=sum(row.verdict == "no effect" for row in compared),
        complete=sum(row.about == "complete stack" for row in compared),
    )


def main() -> None:
    """Print a table of all reports."""
    heads = ("differences", "plain", "moderated", "absent", "complete")
    total: Counter = Counter()
    lines = [f"{'':16}" + "".join(f"{head:>13}" for head in heads)]
    for path in sorted(RESULTS.glob("*/results.json")):
        results = json.loads(path.read_text(encoding="utf-8"))
        if "rows" not in results:  # compress keeps a table of its own
            continue
        counts = counted(summarise(results))
        total += counts
        lines.append(f"{path.parent.name:16}" + "".join(f"{counts[head]:13}" for head in heads))
    lines.append(f"{'all':16}" + "".join(f"{total[head]:13}" for head in heads))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
