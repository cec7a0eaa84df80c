"""The ablation machine: tricks, the recipes that they make, cells, paired statistics, report."""

from jaxtricks.ablation.cells import TEACHER_SEED, Cells
from jaxtricks.ablation.headline import Headline, common_headline, headline_of, headline_of_task
from jaxtricks.ablation.moderated import Moderated, moderated
from jaxtricks.ablation.progress import Display
from jaxtricks.ablation.provenance import machine
from jaxtricks.ablation.results import forward_cost, gather
from jaxtricks.ablation.running import run_cells
from jaxtricks.ablation.search import best_rates, rate_trials
from jaxtricks.ablation.statistics import Comparison, holm, interval, paired, resolvable
from jaxtricks.ablation.variants import MODES, Setting, Variant, settings_grid, variants
from jaxtricks.ablation.verdicts import agreement, equivalence, seeds_needed, verdict
from jaxtricks.tricks.trick import Ladder, SilentTrickError, Trick, apply, merge

__all__ = [
    "MODES",
    "TEACHER_SEED",
    "Cells",
    "Comparison",
    "Display",
    "Headline",
    "Ladder",
    "Moderated",
    "Setting",
    "SilentTrickError",
    "Trick",
    "Variant",
    "agreement",
    "apply",
    "best_rates",
    "common_headline",
    "equivalence",
    "forward_cost",
    "gather",
    "headline_of",
    "headline_of_task",
    "holm",
    "interval",
    "machine",
    "merge",
    "moderated",
    "paired",
    "rate_trials",
    "resolvable",
    "run_cells",
    "seeds_needed",
    "settings_grid",
    "variants",
    "verdict",
]


def __dir__() -> list[str]:
    return __all__
