"""The command line of an ablation: options, the training of what is missing, the report.

A script needs a baseline, tricks and presets, and calls ``main``:

    from dataclasses import replace

    from jaxtricks import tricks
    from jaxtricks.ablation import cli

    def fast(recipe):
        return replace(recipe, lr=2 * recipe.lr)

    PRESETS = {"quick": cli.Preset("digits", "resnet_digits", seeds=2, epochs=3, batch=32, lr=0.05)}

    if __name__ == "__main__":
        cli.main("mine", tricks.standard, {"fast": tricks.Trick(fast)}, PRESETS, title="My trick")
"""

import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import jax
from rich.console import Console

from jaxtricks import ablation, data, train
from jaxtricks._command import read
from jaxtricks._help import while_read
from jaxtricks.ablation import Cells, Display, Ladder, Setting, cluster, output, pace, planning, report, search, sources
from jaxtricks.ablation.board import lines_of
from jaxtricks.ablation.budget import Budget, block_size, of_one_block
from jaxtricks.ablation.clock import Clock, minutes, process_age
from jaxtricks.ablation.decisions import decisions
from jaxtricks.ablation.headline import headline_of_task, plural
from jaxtricks.ablation.options import (  # noqa: F401 - a script finds all names here
    NETWORKS,
    PRECISIONS,
    Options,
    Preset,
    UsageError,
    check_recipes,
    check_rows,
    choice,
    choose,
    fitted,
    network,
    settle,
    side,
    task_of,
    under,
)
from jaxtricks.ablation.output import started
from jaxtricks.ablation.pictures import contact_sheet
from jaxtricks.ablation.planning import spread_so_far
from jaxtricks.ablation.preparing import chosen, join_processes, prepare
from jaxtricks.ablation.progress import jobs, work
from jaxtricks.ablation.recommend import sentence
from jaxtricks.ablation.saved import build_recommendation
from jaxtricks.tricks import bag  # noqa: F401

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "jaxtricks" / "xla"


def main(
    name: str,
    baseline: Callable[..., train.Recipe],
    ladder: Ladder | Mapping[str, Setting],
    presets: Mapping[str, Preset],
    *,
    title: str,
    mode: str = "stack",
    dataset: Callable[[data.Dataset], data.Dataset] | None = None,
    task: Callable[[data.Dataset], train.Task] | None = None,
    begin: Callable[[train.Recipe, data.Dataset, data.Dataset], train.Recipe] | None = None,
    also: Callable[[Path], None] | None = None,
    after: Callable | None = None,
    counted: Callable[[int], Ladder] | None = None,
    adapted: Callable[[train.Recipe, Ladder, data.Dataset], tuple[Ladder, list[str]]] | None = None,
    factors: tuple[float, ...] = (),
    masks: bool | None = None,
    tables: str | None = None,
) -> None:
    """Run an ablation from the command line; exit status 2 for what was typed wrong, 1 if no run was finished.

    Args:
      name: of the experiment; its folder is runs/NAME/DATA.
      baseline: ``(task=, augmented=, model=, lr=, batch=, epochs=) -> Recipe``.
      ladder: the tricks by name, or settings by name, each with tricks of its own.
      presets: by name; ``quick`` is the default.
      title: of the report.
      mode: how the tricks are combined unless the command line says otherwise.
      dataset: what the experiment makes of the data that it loads, or None.
      task: of this data; its classification if None.
      begin: ``(baseline, data as loaded, data of the experiment) -> baseline``: makes what the rows need before they
        are built, such as weights to start from; or None.
      also: makes what the experiment shows beside the table, into the folder that it gets; or None.
      after: ``(results, rows, data, folder)``: makes what the experiment shows of the results; or None.
      counted: ``steps of the baseline -> tricks by name``, which take the place of those of the ladder; or None.
      factors: of each row's own learning rate, which are tried before the rows are compared; none if empty.
      masks: as for ``data.load``.
      tables: a sentence on whose tables the tricks' ``paper`` names, for the report; or None.
    """
    with exit_status(name):
        description = sys.modules["__main__"].__doc__
        options = read(sys.argv[1:], started=" ".join(started()), description=description)
        if options.on != "here" and not cluster.is_worker():
            out = output.folder_for(name, settle(options, presets).data, options.out)
            sys.exit(cluster.run_jobs(options, cluster.typed_command(started()), out))
        parts = {"dataset": dataset, "task": task, "begin": begin, "also": also, "counted": counted}
        parts |= {"adapted": adapted, "masks": masks}
        parts |= {"after": after, "factors": factors, "tables": tables}
        clock = Clock(age=process_age())
        results = run(name, options, baseline, ladder, presets, title=title, mode=mode, clock=clock, **parts)
    if not any(row["cells"] for row in results["rows"]):
        errors = dict.fromkeys(cell["error"] for row in results["rows"] for cell in row["failed"])
        Console(stderr=True).print(f"{name}: every run failed. {' '.join(errors)}", markup=False, soft_wrap=True)
        sys.exit(1)


@contextmanager
def exit_status(name: str) -> Iterator[None]:
    """End the process with 2 and a sentence for what was typed wrong, and by a signal's status for a signal.

    Args:
      name: of the command, in front of the sentence.
    """
    train.keep_memory()
    try:
        with while_read():
            yield
    except (UsageError, data.DataError) as error:
        Console(stderr=True).print(f"{name}: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except (KeyboardInterrupt, train.Interrupted) as stopped:
        Console(stderr=True).print(output.STOPPED, soft_wrap=True)
        sys.stdout.flush()
        status = 128 + stopped.signal if isinstance(stopped, train.Interrupted) else 130
        if threading.active_count() > 1:  # one may be in the compiler, which would end only in its own time
            os._exit(status)
        sys.exit(status)


def run(
    name,
    options: Options,
    baseline,
    ladder,
    presets,
    *,
    title,
    mode="stack",
    dataset=None,
    task=None,
    begin=None,
    also=None,
    after=None,
    counted=None,
    adapted=None,
    factors=(),
    masks=None,
    tables=None,
    clock: Clock | None = None,
):
    """What main does once the command line is read; returns the results."""
    clock = Clock() if clock is None else clock
    asked = chosen(options, ladder, presets, mode=mode, factors=factors)
    out = output.folder_for(name, asked.preset.data, options.out)
    join_processes()
    jax.config.update("jax_compilation_cache_dir", str(CACHE))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    console = Console(stderr=True, quiet=jax.process_index() > 0)
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    parts = {"title": title, "dataset": dataset, "task": task, "begin": begin, "counted": counted, "say": say}
    parts |= {"adapted": adapted, "masks": masks}
    ready = prepare(asked, options, baseline, **parts)
    preset, plan, source, recipe, rows = ready.preset, ready.plan, ready.source, ready.recipe, ready.rows
    costs = {row.name: work(row.recipe, row.dataset(source), cost=ready.forward[row.name]) for row in rows}

    # The folder, and what is going to be done in it.
    if options.save is not None:
        with output.written("--save", options.save):
            options.save.mkdir(parents=True, exist_ok=True)  # not after an hour of training
    with output.written("--out", out):
        cells = Cells(out, source, checkpoints=output.checkpoints(options, preset, out))
    if cells.todo(rows, range(options.first_seed, options.first_seed + 2)):
        sources.check_images(source, say=say)
    if also is not None and jax.process_index() == 0:
        also(cells.folder.parent)
    device = f"{plan.size} x {jax.devices()[0].device_kind}"
    epochs = plural(recipe.epochs, "epoch")
    say(f"{len(rows)} rows, batch {recipe.batch}, learning rate {recipe.lr:g}, {epochs}, {device}")

    # How steps and seeds are put together.
    free = {"choose": options.seeds_on is None and options.parallel == "jit", "programs": (programs := {}), "say": say}
    together = of_one_block(preset.seeds, preset.minutes)
    plan = pace.on_accelerators(rows[0], cells, plan, seeds=together, **free)

    # The cells that are missing, block after block.
    logs = [train.json_lines(cells.folder.parent / "log.jsonl")]
    guard = train.Guard(signals=True, exit_on_error=True, leave_compiler=True)
    training, compiled = {"plan": plan, "guard": guard}, {"programs": programs, "ahead": options.ahead}
    if factors:
        tried = {"factors": factors, "costs": costs, "log": [clock.log, *logs], "console": console}
        rows = search.search_rates(rows, cells, **tried, **training)
    if options.tensorboard:
        logs.append(train.tensorboard(cells.folder.parent / "tensorboard"))
    limits = {"minutes": preset.minutes, "most": preset.seeds, "start": options.first_seed, "clock": clock}
    budget = Budget(
        cells.budget(rows, options.first_seed),
        **limits,
        block=block_size(plan.seeds_on, plan.size),
        work=lambda seeds: sum(job.teacher + job.work * job.seeds for job in jobs(cells.todo(rows, seeds), costs)),
        one=sum(costs.values()),
        at_once=lambda: plan.seeds_on == "vmap" or cluster.is_worker() or bool(cells.claims.elsewhere()),
    )
    seeds, of_table = budget.first(), budget.planned
    assumed = {"assumed": preset.sd, "source": preset.sd_from, "images": len(source.test)}
    spread = partial(spread_so_far, rows, cells, **assumed)
    words = {"title": title, "command": shlex.join([*started(), *sys.argv[1:]]), "mode": ready.mode}
    words |= {"margin": options.margin, "tables": tables}
    parts = {"spread": spread, "model": preset.model, "budget": budget, "clock": clock, "costs": ready.forward}
    results = partial(_results, rows, cells, **parts, **words)
    planned = plural(len(of_table), "seed")
    planned = planned if preset.minutes is None else f"{preset.minutes:g} min, {planned} at least"
    planned += ", then the recommendation" if options.recommend or options.save else ""
    kept = sum(len(of_table) - len(cells.of(row).missing(row.recipe, of_table)) for row in rows)
    say(planned + (f"; {kept} cells are there already, in {cells.folder}." if kept else "."))
    expected = spread(of_table)
    effect = planning.resolution(rows, len(of_table), expected["value"], ready.headline)
    for line in planning.said(effect, len(of_table), expected, ready.headline):
        say(line)
    shown = {"clock": clock, "headline": ready.headline, "console": console, "budget": budget}
    with Display([], len(rows), lines=lines_of(rows, cells, of_table, ready.headline), **shown) as display:
        try:
            while seeds:
                display.add(jobs(cells.todo(rows, seeds), costs))
                ablation.run_cells(rows, cells, seeds=seeds, log=(display.log, *logs), **compiled, **training)
                block = [cells.of(row).get(row.recipe, seed) for row in rows for seed in seeds]
                good = sum(cell is not None and "error" not in cell for cell in block)
                budget.finished(seeds, pace=display.pace, good=good)
                seeds = budget.next()
        except (KeyboardInterrupt, train.Interrupted):
            display.stop()
            Console().print(report.table(results((*budget.trained, *seeds))))
            raise
        finally:
            if jax.process_index() == 0:
                budget.save(pace=display.pace)

    # The report.
    clock.turn("report")
    say("Writing the report.")
    out = results(budget.trained)
    if jax.process_index() == 0:
        out["contact"] = contact_sheet(source, recipe.task.truth)
        _write(out, rows, cells)
        output.claim(cells.folder.parent, name, preset.data)
        Console().print(report.table(out))
        if after is not None and not (options.recommend or options.save):
            after(out, rows, source, cells.folder.parent)
        say(f"{plural(budget.seeds, 'seed')}: {budget.stopped}. Report: {cells.folder.parent / 'report.html'}")
        spent = ", ".join(f"{part} {minutes(seconds)}" for part, seconds in clock.spent().items())
        say(f"{minutes(clock.elapsed)}: {spent}.")
        for line in output.next_steps(report.summarise(out), options, one_setting=bool(ready.chosen)):
            say(line)
    if options.recommend or options.save:
        training |= {"log": logs, "say": say, "console": console, "save": options.save}
        choice = build_recommendation(recipe, ready.chosen, cells, out, **training)
        out["recommendation"] = sentence(choice, ready.headline)
        if jax.process_index() == 0:
            _write(out, rows, cells, recommended=(recipe, choice) if choice.tricks else None)
            if after is not None:  # the report was written anew
                after(out, rows, source, cells.folder.parent)
    return out


def _write(out: dict, rows, cells: Cells, *, recommended=None) -> None:
    """The report, with what is shown of single images."""
    out["decisions"] = decisions(out, report.summarise(out), rows, cells, recommended=recommended)
    with cells.claims.alone("report"):
        report.write(out, cells.folder.parent)


def _results(rows, cells, seeds, *, spread, budget, clock, **words) -> dict:
    """What was trained, of these seeds, and how far it spreads."""
    measured = spread(seeds)
    return ablation.gather(
        rows,
        cells,
        seeds=tuple(seeds),
        sd_assumed=measured,
        resolvable=planning.resolution(rows, len(seeds), measured["value"], headline_of_task(rows[0].recipe.task)),
        budget={**budget.plain(), "seconds": clock.spent()},
        **words,
    )
