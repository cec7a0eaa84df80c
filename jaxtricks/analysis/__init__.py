"""What one wants to know of a network: its cost, shapes, signal and learning rate; what it sees, and how it learns."""

from jaxtricks._signatures import name_defaults
from jaxtricks.analysis._cam import effective_field, grad_cam, grad_cam_plus_plus
from jaxtricks.analysis._cost import count_macs, count_parameters
from jaxtricks.analysis._count import Count, LayerCost, count
from jaxtricks.analysis._curves import Finding, diagnose
from jaxtricks.analysis._fields import receptive_fields
from jaxtricks.analysis._formulas import Cost, conv_cost, dense_cost, norm_cost
from jaxtricks.analysis._lr_range import RangeTest, lr_range_test, middle, steepest, valley
from jaxtricks.analysis._shapes import ReceptiveField, Window, output_size, receptive_field
from jaxtricks.analysis._signal import Variances, gradient_rank, variance_by_depth
from jaxtricks.analysis._speed import Latency, Throughput, latency, throughput, utilization
from jaxtricks.analysis._units import Activity, gradient_alarm, gradient_norms, unit_activity

__all__ = [
    "Activity",
    "Cost",
    "Count",
    "Finding",
    "Latency",
    "LayerCost",
    "RangeTest",
    "ReceptiveField",
    "Throughput",
    "Variances",
    "Window",
    "conv_cost",
    "count",
    "count_macs",
    "count_parameters",
    "dense_cost",
    "diagnose",
    "effective_field",
    "grad_cam",
    "grad_cam_plus_plus",
    "gradient_alarm",
    "gradient_norms",
    "gradient_rank",
    "latency",
    "lr_range_test",
    "middle",
    "norm_cost",
    "output_size",
    "receptive_field",
    "receptive_fields",
    "steepest",
    "throughput",
    "unit_activity",
    "utilization",
    "valley",
    "variance_by_depth",
]
name_defaults(globals())


def __dir__() -> list[str]:
    return __all__
