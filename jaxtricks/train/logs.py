"""What a run says while it goes: functions that take one record, a dict of plain values."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

Log = Callable[[dict[str, Any]], None]


def json_lines(path: str | Path) -> Log:
    """Append the record of every epoch to a file, one JSON object a line.

    Numbers that are not finite are written as text ("nan", "inf"), so that every line is valid JSON.

    Args:
      path: of the file; its folder is made.

    Returns:
      The function to hand to ``fit``.
    """
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)

    def log(record: dict[str, Any]) -> None:
        if record["kind"] == "epoch":
            plain = {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(plain, allow_nan=False) + "\n")

    return log


def tensorboard(folder: str | Path) -> Log:
    """Write the numbers of every epoch as TensorBoard scalars, one run for each seed (and variant of an ablation).

    Args:
      folder: of the event files.

    Returns:
      The function to hand to ``fit``.

    Raises:
      ImportError: if tensorboardX is missing; the message says what to install.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ImportError("TensorBoard logs need tensorboardX: pip install 'jaxtricks[tensorboard]'.") from error
    writers: dict = {}

    def log(record: dict[str, Any]) -> None:
        if record["kind"] != "epoch":
            return
        run = Path(record.get("variant", "")) / f"seed{record['seed']}"
        if run not in writers:
            writers[run] = SummaryWriter(str(Path(folder).absolute() / run))
        for name, value in record.items():
            if isinstance(value, (int, float)) and name not in ("seed", "step"):
                writers[run].add_scalar(name, value, record["step"])
        writers[run].flush()

    return log
