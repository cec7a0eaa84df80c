"""What one wants to know of a network before it is trained: its cost, its shapes, its signal, its learning rate."""

from jaxtricks.analysis._cost import count_macs, count_parameters
from jaxtricks.analysis._count import Count, LayerCost, count
from jaxtricks.analysis._fields import receptive_fields
from jaxtricks.analysis._formulas import Cost, conv_cost, dense_cost, norm_cost
from jaxtricks.analysis._lr_range import RangeTest, lr_range_test, middle, steepest, valley
from jaxtricks.analysis._shapes import ReceptiveField, Window, output_size, receptive_field
from jaxtricks.analysis._signal import Variances, gradient_rank, variance_by_depth

__all__ = [
    "Cost",
    "Count",
    "LayerCost",
    "RangeTest",
    "ReceptiveField",
    "Variances",
    "Window",
    "conv_cost",
    "count",
    "count_macs",
    "count_parameters",
    "dense_cost",
    "gradient_rank",
    "lr_range_test",
    "middle",
    "norm_cost",
    "output_size",
    "receptive_field",
    "receptive_fields",
    "steepest",
    "valley",
    "variance_by_depth",
]


def __dir__() -> list[str]:
    return __all__
