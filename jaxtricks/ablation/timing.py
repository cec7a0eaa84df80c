"""What a row costs in time: the ratio to its reference, with an interval."""

import math
from collections.abc import Mapping
from typing import Any

from jaxtricks.ablation.contrasts import Contrast
from jaxtricks.ablation.moderated import Moderated, moderated

BESIDE = "beside_compiling"  # marks a cell whose run shared the machine with the compiler


def training_seconds(cell: Mapping[str, Any], row: Mapping[str, Any], images: int) -> float:
    """Seconds of a run's training steps, its teacher's run included; start-up, compiling and evaluation are not.

    Args:
      cell: of the run.
      row: of the results, with the ``batch`` of its ``cost``, and ``teacher_seconds`` where it has a teacher.
      images: in its training set.

    Returns:
      Steps times the mean time of a step; the seconds of the loop where the results do not name the batch.
    """
    batch, epochs = row["cost"].get("batch"), cell["curve"]["epoch"]
    steps = cell["seconds"]
    if batch and epochs and cell["step_ms"]:
        steps = cell["step_ms"] / 1000 * (images // batch) * epochs[-1]
    return steps + (row.get("teacher_seconds") or 0.0)


def time_ratios(
    contrasts: list[Contrast],
    rows: Mapping[str, Mapping[str, Any]],
    cells: Mapping[str, Mapping[int, Mapping[str, Any]]],
    data: Mapping[str, Any],
) -> dict[str, Moderated]:
    """The logarithm of each row's training time over its reference's, tested as the differences are.

    Args:
      contrasts: of the table.
      rows: of the results, by name.
      cells: by row and seed.
      data: entry of the results.

    Returns:
      By name of the contrast, for those with a reference and a common seed, of which neither run was trained while
      another row was compiled.
    """
    logs = {}
    for name, row in rows.items():
        images = (row.get("data") or data)["train"]
        seconds = {seed: training_seconds(cell, row, images) for seed, cell in cells[name].items()}
        alone = {seed for seed, cell in cells[name].items() if not cell.get(BESIDE)}
        logs[name] = {seed: math.log(value) for seed, value in seconds.items() if value > 0 and seed in alone}
    pairs = [
        contrast._replace(weights={contrast.arm: 1.0, contrast.reference: -1.0})
        for contrast in contrasts
        if contrast.reference is not None
    ]
    # Seeds that stepped together were timed together, and count once.
    tried = [(pair, list(dict.fromkeys(pair.differences(logs)))) for pair in pairs]
    tried = [(pair, differences) for pair, differences in tried if differences]
    tested = moderated([d for _, d in tried], contrasts=[pair.weights for pair, _ in tried])
    return {pair.name: one for (pair, _), one in zip(tried, tested, strict=True)}
