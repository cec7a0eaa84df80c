"""What the functions of compress do with arrays, and where those that take networks, codes and files are tried."""

import jax.numpy as jnp
import numpy as np
import scipy.linalg

from jaxtricks import compress
from tests.cases.case import Array, Case, Key, Says
from tests.cases.common import within

KERNEL = Array(("C", "D"), edges=("zeros", "ones", "tiny"), lead=True)
ANY = Array(("C", "D"), edges=("zeros", "ones", "tiny"), free=True)
FOURS = Array(("B", "D"), edges=("zeros", "ones", "tiny"), lead=True)
FILTERS = Array(("h", "w", "K", "D"), edges=("zeros", "ones"))
COLUMN = Array(("D",), edges=("zeros", "ones"))
VECTORS = Array(("B", "D"), edges=("zeros", "ones"), lead=True)


def signs(x):
    return np.where(x >= 0, 1.0, -1.0)


def rectified(rng, shape):
    return np.maximum(rng.normal(size=shape), 0)


def twn(kernel):
    out = np.zeros_like(kernel)
    for d in range(kernel.shape[1]):
        size = np.abs(kernel[:, d])
        large = size > 0.7 * size.mean()
        out[large, d] = np.sign(kernel[large, d]) * size[large].mean() if large.any() else 0
    return out


def by_rows(kernel):
    return {"kernel": kernel[::-1].copy()}


def turned(matrix):
    return {"matrix": np.roll(np.roll(matrix, 1, 0), 1, 1)}


CASES = {
    "compress.apoz": Case(
        {
            "activations": Array(
                ("B", "D"), lambda rng, shape: np.maximum(rng.normal(size=shape), 0), dtypes="fiu", lead=True
            )
        },
        gradient=False,
        nan=Says("The average percentage of zeros"),
        inf=Says("The average percentage of zeros"),
        holds=within(0, 1),
        by_hand=(({"activations": [[0.0, 1.0], [0.0, 0.0], [2.0, 0.0], [0.0, 3.0]]}, [0.75, 0.5]),),
        limit=({}, lambda activations: 1 - np.count_nonzero(activations, axis=0) / len(activations)),
        reference=lambda activations: [(column == 0).sum() / column.size for column in activations.T],
        invariance=lambda activations: {"activations": activations[::-1] * 2},
    ),
    "compress.binary_connect": Case(
        {"kernel": ANY},
        empty="CD",
        by_hand=(({"kernel": [[0.3, -0.2], [0.0, -4.0]]}, [[1.0, -1.0], [1.0, -1.0]]),),
        limit=({}, lambda kernel: compress.sign(kernel)),
        reference=lambda kernel: signs(kernel),
        invariance=lambda kernel: {"kernel": 3 * kernel},
    ),
    "compress.binary_weights": Case(
        {"kernel": KERNEL},
        by_hand=(({"kernel": [[1.0, -1.0], [-3.0, -2.0]]}, [[2.0, -1.5], [-2.0, -1.5]]),),
        limit=({}, lambda kernel: compress.filter_scales(kernel) * compress.sign(kernel)),
        reference=lambda kernel: signs(kernel) * np.linalg.norm(kernel, 1, axis=0) / len(kernel),
        invariance=lambda kernel: {
            "kernel": np.stack([np.abs(kernel).mean(0)] * len(kernel)) * signs(kernel)
        },  # a projection
    ),
    "compress.circulant": Case(
        {"column": COLUMN},
        by_hand=(({"column": [1.0, 2.0, 3.0]}, [[1.0, 3.0, 2.0], [2.0, 1.0, 3.0], [3.0, 2.0, 1.0]]),),
        limit=({}, lambda column: np.stack([np.roll(column, j) for j in range(column.size)], 1)),
        reference=lambda column: scipy.linalg.circulant(column),
        invariance=lambda column: {"column": np.asarray(compress.circulant(column))[:, 0] * (1 + 1e-7)},
    ),
    "compress.circulant_product": Case(
        {"column": COLUMN, "x": VECTORS},
        empty="B",
        nan=Says("by FFT"),
        inf=Says("by FFT"),
        by_hand=(({"column": [1.0, 2.0], "x": [[3.0, 4.0]]}, [[11.0, 10.0]]),),
        limit=({}, lambda column, x: x @ np.asarray(compress.circulant(column)).T),
        reference=lambda column, x: x @ scipy.linalg.circulant(column).T,
        invariance=lambda column, x: {"column": np.roll(column, 1), "x": np.roll(x, -1, -1)},
    ),
    "compress.codebook_gradient": Case(
        {"gradient": Array(("N",), edges=("zeros",)), "indices": Array(("N",), dtypes="iu", classes="C")},
        {"size": 5},
        empty="N",
        labels=Says("another one is left out"),
        by_hand=(({"gradient": [1.0, 2.0, 4.0], "indices": [0, 1, 0], "size": 2}, [5.0, 2.0]),),
        limit=({"size": 5}, lambda gradient, indices: np.eye(5)[indices].T @ gradient),
        reference=lambda gradient, indices: np.bincount(indices, gradient, minlength=5),
        invariance=lambda gradient, indices: {"gradient": gradient[::-1].copy(), "indices": indices[::-1].copy()},
    ),
    "compress.cubic": Case(options={"step": 7, "begin": 2, "end": 20, "final": 0.9}, host=True, holds=within(0, 1)),
    "compress.fake_int8": Case({"x": VECTORS}, nan=Says("a NaN becomes 0"), inf=Says("to the nearest")),
    "compress.filter_scales": Case({"kernel": KERNEL}),
    "compress.fold_kernel": Case({"kernel": Array((8, "D"), own=True)}, {"buckets": 4, "seed": 1}),
    "compress.hash_places": Case(options={"count": 9, "buckets": 4, "seed": 1}, host=True),
    "compress.hashed_kernel": Case(
        {"weights": Array((4,), own=True)}, {"shape": (3, 5), "seed": 1}, right={"shape": ((),)}
    ),
    "compress.int8_dense": Case(
        {"x": Array(("B", 3)), "kernel": Array((3, "D"), own=True), "scale": Array((1, "D"), own=True)},
        call=lambda x, kernel, scale: compress.int8_dense(x, compress.to_int8(kernel, jnp.float32([[0.05]])), scale),
        gradient=False,
        nan=Says("a NaN becomes 0"),
        inf=Says("a scale of its own"),
    ),
    "compress.int8_scale": Case({"x": VECTORS}, holds=within(0, np.inf)),
    "compress.n_of_m_mask": Case(
        {"kernel": FOURS},
        {"n": 2, "m": 4},
        gradient=False,
        nan=Says("Keep the n largest"),
        inf=Says("Keep the n largest"),
    ),
    "compress.nearest_circulant": Case(
        {"matrix": Array(("D", "D"), edges=("zeros", "ones"))},
        by_hand=(({"matrix": [[1.0, 2.0], [4.0, 3.0]]}, [2.0, 3.0]),),
        limit=({}, lambda matrix: [np.mean(np.diag(np.roll(matrix, -k, 0))) for k in range(len(matrix))]),
        reference=lambda matrix: np.linalg.lstsq(
            np.stack([scipy.linalg.circulant(e).ravel() for e in np.eye(len(matrix))], 1), matrix.ravel(), rcond=None
        )[0],
        invariance=turned,
    ),
    "compress.pack_signs": Case(
        {"x": Array(("B", "D"), lead=True)},
        empty="BD",
        gradient=False,
        nan=Says("1 for 0 and more"),
        inf=Says("1 for 0 and more"),
        by_hand=(({"x": [[1.0, -1.0, 0.0, 5.0]]}, [[13]]),),
        limit=({}, lambda x: (x >= 0) @ 2 ** np.arange(x.shape[1])[:, None]),
        reference=lambda x: np.pad(np.packbits(x >= 0, axis=1, bitorder="little"), ((0, 0), (0, 3))).view("<u4"),
        invariance=lambda x: {"x": 2 * x},
    ),
    "compress.sign": Case(
        {"x": Array(("B",), lead=True, edges=("zeros", "ones"))},
        empty="B",
        by_hand=(({"x": [-2.0, 0.0, 2.0]}, [-1.0, 1.0, 1.0]),),
        limit=({}, lambda x: np.sign(x)),
        reference=lambda x: signs(x),
        invariance=lambda x: {"x": 5 * x},
    ),
    "compress.ternary": Case(
        {"kernel": KERNEL},
        nan=Says("for each filter"),
        inf=Says("for each filter"),
        by_hand=(({"kernel": [[4.0], [-2.0], [0.5], [-0.1]]}, [[3.0], [-3.0], [0.0], [0.0]]),),
        limit=({"ratio": 0.0}, compress.binary_weights),
        reference=twn,
        invariance=lambda kernel: {"kernel": twn(kernel)},
    ),
    "compress.to_int8": Case(
        {"x": Array(("B", "D")), "scale": Array((1, "D"), lambda rng, shape: rng.random(shape) + 0.1, free=True)},
        empty="BD",
        gradient=False,
        nan=Says("a NaN becomes 0"),
        inf=Says("what is beyond 127 multiples becomes 127"),
        by_hand=(({"x": [[1.0, -0.26, 9.0]], "scale": [[0.05, 0.05, 0.05]]}, [[20, -5, 127]]),),
        limit=({}, lambda x, scale: np.rint(x / scale)),
        reference=lambda x, scale: [
            [int(round(float(v / s))) for v, s in zip(row, scale[0], strict=True)] for row in x
        ],
        invariance=lambda x, scale: {"x": 2 * x, "scale": 2 * scale},
    ),
    "compress.toeplitz_product": Case(
        {"column": Array(("C",)), "row": COLUMN, "x": VECTORS},
        empty="B",
        nan=Says("by FFT"),
        inf=Says("by FFT"),
        by_hand=(({"column": [1.0, 2.0], "row": [9.0, 3.0], "x": [[1.0, 1.0]]}, [[4.0, 3.0]]),),
        limit=(
            {},
            lambda column, row, x: [
                [sum((column[i - j] if i >= j else row[j - i]) * v[j] for j in range(3)) for i in range(5)] for v in x
            ],
        ),
        reference=lambda column, row, x: x @ scipy.linalg.toeplitz(column, row).T,
        invariance=lambda column, row, x: {
            "column": column,
            "row": np.concatenate([[7], row[1:]]).astype("f4"),
            "x": x,
        },
    ),
    "compress.xnor_conv": Case({"x": Array(("B", "H", "W", "K")), "kernel": FILTERS}, {"padding": 1}, empty="B"),
    "compress.xnor_dense": Case(
        {"x": Array(("B", "C")), "kernel": Array(("C", "D"), edges=("zeros", "ones", "tiny"))},
        empty="B",
        by_hand=(
            ({"x": [[1.0, -3.0]], "kernel": [[2.0], [1.0]]}, [[0.0]]),
            ({"x": [[1.0, 3.0]], "kernel": [[2.0], [1.0]]}, [[6.0]]),
        ),
        limit=(
            {},
            lambda x, kernel: np.abs(x).mean(1)[:, None] * (signs(x) @ np.asarray(compress.binary_weights(kernel))),
        ),
        reference=lambda x, kernel: [
            [
                np.abs(row).mean()
                * np.abs(w).mean()
                * sum(1 if (a >= 0) == (b >= 0) else -1 for a, b in zip(row, w, strict=True))
                for w in kernel.T
            ]
            for row in x
        ],
        invariance=lambda x, kernel: {"x": -x, "kernel": -kernel},
    ),
    "compress.binary_connect_stochastic": Case({"key": Key(), "kernel": ANY}, empty="CD"),
}

ELSEWHERE = {
    path: names.split()
    for path, names in {
        "tests/compress/test_low_rank.py": """compress.svd compress.tucker2 compress.rank_of_energy
            compress.ranks_of_budget""",
        "tests/compress/test_masks.py": """compress.apply_masks compress.density compress.keep_masks
            compress.prune_gradually compress.share_masks compress.threshold_masks""",
        "tests/compress/test_filters.py": """compress.check_graph compress.filter_norms compress.filters_to_keep
            compress.fisher_diagonal compress.gated compress.graph_of compress.hessian_diagonal
            compress.mask_filters compress.norm_scales
            compress.random_filters compress.resized compress.saliency compress.shrink
            compress.taylor_filters compress.verify_graph""",
        "tests/compress/test_codebooks.py": """compress.decode compress.from_values compress.huffman_bits
            compress.huffman_decode compress.huffman_encode compress.huffman_lengths compress.kmeans
            compress.product_decode compress.product_quantize compress.quantize compress.through compress.values_of""",
        "tests/compress/test_bits.py": "compress.packed_conv compress.packed_dense compress.straight_through",
        "tests/compress/test_file.py": "compress.expand compress.load compress.save",
        "tests/layers/test_structured.py": "compress.packed_params",
        "tests/models/test_lenet.py": "models.lenet",
        "tests/models/test_xnor.py": "models.xnor",
    }.items()
}
