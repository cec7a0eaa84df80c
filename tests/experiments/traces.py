"""No rung of an experiment that has run did nothing: ``python tests/experiments/traces.py RESULTS.json``."""

import json
import sys
from pathlib import Path


def idle(results: dict) -> list[str]:
    """The rows whose training losses are, for every seed, those of the row that they are compared with."""
    rows = {row["name"]: row for row in results["rows"]}
    traces = {name: [cell["curve"]["train_loss"] for cell in row["cells"]] for name, row in rows.items()}
    empty = [name for name, trace in traces.items() if not trace]
    compared = [(name, row["reference"]) for name, row in rows.items() if row["reference"] is not None]
    return empty + [name for name, reference in compared if traces[name] == traces[reference]]


if __name__ == "__main__":
    if names := idle(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))):
        sys.exit(f"These rows did nothing: {', '.join(names)}.")
