"""Smaller networks that are really smaller: low rank, pruning, codebooks, bits, and the file that holds them.

Functions take arrays, or ``(params, stats)`` of a ``models.Model``; what runs on a host reads numbers and says so.
"""

from jaxtricks.compress._binary import (
    binary_connect,
    binary_connect_stochastic,
    binary_weights,
    filter_scales,
    sign,
    straight_through,
    ternary,
)
from jaxtricks.compress._circulant import circulant, circulant_product, nearest_circulant, toeplitz_product
from jaxtricks.compress._codebooks import (
    Codebook,
    ProductCode,
    codebook_gradient,
    decode,
    kmeans,
    product_decode,
    product_quantize,
    quantize,
)
from jaxtricks.compress._file import FileError, expand, load, save
from jaxtricks.compress._filters import filters_to_keep, mask_filters, shrink, verify_graph
from jaxtricks.compress._graph import Graph, GraphError, Group, Place, check_graph, graph_of
from jaxtricks.compress._hashing import fold_kernel, hash_places, hashed_kernel
from jaxtricks.compress._huffman import CodeError, huffman_bits, huffman_decode, huffman_encode, huffman_lengths
from jaxtricks.compress._importance import (
    apoz,
    filter_norms,
    fisher_diagonal,
    gated,
    hessian_diagonal,
    norm_scales,
    random_filters,
    saliency,
    taylor_filters,
)
from jaxtricks.compress._int8 import fake_int8, int8_dense, int8_scale, to_int8
from jaxtricks.compress._low_rank import Factors, Tucker, rank_of_energy, ranks_of_budget, svd, tucker2
from jaxtricks.compress._masks import apply_masks, density, n_of_m_mask, share_masks, threshold_masks
from jaxtricks.compress._model import from_values, resized, through, values_of
from jaxtricks.compress._sparse_training import Held, Pruning, cubic, keep_masks, prune_gradually
from jaxtricks.compress._xnor import pack_signs, packed_conv, packed_dense, packed_params, xnor_conv, xnor_dense

__all__ = [
    "CodeError",
    "Codebook",
    "Factors",
    "FileError",
    "Graph",
    "GraphError",
    "Group",
    "Held",
    "Place",
    "ProductCode",
    "Pruning",
    "Tucker",
    "apoz",
    "apply_masks",
    "binary_connect",
    "binary_connect_stochastic",
    "binary_weights",
    "check_graph",
    "circulant",
    "circulant_product",
    "codebook_gradient",
    "cubic",
    "decode",
    "density",
    "expand",
    "fake_int8",
    "filter_norms",
    "filter_scales",
    "filters_to_keep",
    "fisher_diagonal",
    "fold_kernel",
    "from_values",
    "gated",
    "graph_of",
    "hash_places",
    "hashed_kernel",
    "hessian_diagonal",
    "huffman_bits",
    "huffman_decode",
    "huffman_encode",
    "huffman_lengths",
    "int8_dense",
    "int8_scale",
    "keep_masks",
    "kmeans",
    "load",
    "mask_filters",
    "n_of_m_mask",
    "nearest_circulant",
    "norm_scales",
    "pack_signs",
    "packed_conv",
    "packed_dense",
    "packed_params",
    "product_decode",
    "product_quantize",
    "prune_gradually",
    "quantize",
    "random_filters",
    "rank_of_energy",
    "ranks_of_budget",
    "resized",
    "saliency",
    "save",
    "share_masks",
    "shrink",
    "sign",
    "straight_through",
    "svd",
    "taylor_filters",
    "ternary",
    "threshold_masks",
    "through",
    "to_int8",
    "toeplitz_product",
    "tucker2",
    "values_of",
    "verify_graph",
    "xnor_conv",
    "xnor_dense",
]


def __dir__() -> list[str]:
    return __all__
