"""What a run says while it goes: functions that take one record, a dict of plain values."""

import atexit
import json
import math
import time
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


def wandb(run: Any) -> Log:
    """Send the numbers of every epoch to a run of Weights & Biases, or to anything else with a method ``log``.

    One run holds all seeds, and all variants of an ablation: their names stand before those of the numbers.

    Args:
      run: what ``wandb.init()`` gives; its ``log(numbers)`` is called.

    Returns:
      The function to hand to ``fit``.
    """

    def log(record: dict[str, Any]) -> None:
        if record["kind"] == "epoch":
            front = "/".join([*([record["variant"]] if "variant" in record else []), f"seed{record['seed']}"])
            numbers = {name: value for name, value in record.items() if isinstance(value, (int, float))}
            run.log({f"{front}/{name}": value for name, value in numbers.items() if name != "seed"})

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
        from tensorboardX.event_file_writer import EventsWriter  # SummaryWriter's flush does not wait for its queue
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboardX.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue]
    except ImportError as error:
        raise ImportError("TensorBoard logs need tensorboardX: pip install 'jaxtricks[tensorboard]'.") from error
    writers: dict = {}

    def log(record: dict[str, Any]) -> None:
        if record["kind"] != "epoch":
            return
        run = Path(record.get("variant", "")) / f"seed{record['seed']}"
        if run not in writers:
            where = Path(folder).absolute() / run
            where.mkdir(parents=True, exist_ok=True)
            writers[run] = EventsWriter(str(where / "events"))
            atexit.register(writers[run].close)
        values = [
            Summary.Value(tag=name, simple_value=value)
            for name, value in record.items()
            if isinstance(value, (int, float)) and name not in ("seed", "step")
        ]
        writers[run].write_event(Event(wall_time=time.time(), step=record["step"], summary=Summary(value=values)))
        writers[run].flush()

    return log
