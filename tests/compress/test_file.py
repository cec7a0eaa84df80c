"""The file: what was saved comes back to the bit, in the bytes that it says; what was cut or flipped is an error."""

import hashlib
import json
import os

import jax
import numpy as np
import pytest

from jaxtricks import compress, models

RNG = np.random.default_rng(0)


def tree():
    kernel = RNG.normal(size=(40, 30)).astype(np.float32)
    sparse = np.where(np.abs(kernel) > 1.7, kernel, 0)
    return {
        "dense": {"kernel": compress.quantize(kernel, clusters=16), "bias": RNG.normal(size=30).astype(np.float32)},
        "sparse": compress.quantize(sparse, clusters=8, sparse=True),
        "signs": compress.quantize(np.sign(kernel), clusters=2),
        "one": compress.Codebook(np.float32([3]), np.zeros((4, 2), np.uint8)),
        "none": compress.Codebook(np.float32([0, 1]), np.zeros(1000, np.uint8)),
        "skewed": compress.Codebook(np.arange(1, 5, dtype=np.float32), RNG.choice(4, 999, p=[0.9, 0.06, 0.03, 0.01])),
        "product": compress.product_quantize(kernel, length=4, clusters=8),
        "int8": RNG.integers(-127, 128, (3, 2)).astype(np.int8),
        "step": np.int64(7),
        "flag": np.array([True, False]),
    }


def equal(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("huffman", [True, False])
def test_what_was_saved_comes_back(tmp_path, huffman):
    saved, path = tree(), tmp_path / "network.jtcz"
    size = compress.save(path, saved, huffman=huffman)
    assert size == os.path.getsize(path)
    assert [p.name for p in tmp_path.iterdir()] == ["network.jtcz"]
    loaded = compress.load(path)
    equal(loaded, saved)
    assert loaded["int8"].dtype == np.int8
    assert loaded["flag"].dtype == bool
    full = compress.expand(loaded)
    assert full["product"].shape == (40, 30)
    np.testing.assert_array_equal(full["signs"], compress.decode(saved["signs"]))


def bytes_of(path, leaf, **options):
    """What a leaf takes in a file, beside header, digest and values."""
    compress.save(path, {"w": leaf}, **options)
    data = path.read_bytes()
    return len(data) - 5 - 4 - int.from_bytes(data[5:9], "little") - 32 - 4 * np.size(leaf.values)


def test_indices_take_the_bits_that_they_need(tmp_path):
    path, leaves = tmp_path / "one", tree()
    assert bytes_of(path, leaves["dense"]["kernel"], huffman=False) == 40 * 30 * 4 // 8
    assert bytes_of(path, leaves["signs"], huffman=False) == 40 * 30 // 8
    assert bytes_of(path, leaves["one"]) == 0
    skewed = leaves["skewed"]
    bits = compress.huffman_bits(skewed.indices)
    assert bytes_of(path, skewed) == -(-bits // 8) + 4 + 4  # the text, the lengths of four words, the count
    assert bytes_of(path, skewed, huffman=False) == -(-999 * 2 // 8)
    sparse = leaves["sparse"]
    kept = int((sparse.indices > 0).sum())
    assert bytes_of(path, sparse, huffman=False) < 40 * 30 * 4 // 8
    assert bytes_of(path, sparse, huffman=False) >= (kept * 3 + kept) // 8  # a bit at least for each gap


def test_gaps_that_are_longer_than_a_symbol(tmp_path):
    index = np.zeros(3000, np.uint8)
    index[[0, 255, 256, 511, 2999]] = 1, 2, 1, 2, 1
    code = compress.Codebook(np.float32([0, 1, 2]), index)
    for huffman in (True, False):
        compress.save(tmp_path / "gaps", {"w": code}, huffman=huffman)
        equal(compress.load(tmp_path / "gaps"), {"w": code})
        assert os.path.getsize(tmp_path / "gaps") < 200


def test_a_network_from_the_file_has_the_same_logits(tmp_path):
    model = models.perceptron((30,), size=64, classes=10)
    params, stats = model.init(jax.random.key(0))
    masks = compress.share_masks(params, share=0.9)
    pruned = compress.apply_masks(params, masks)
    codes = jax.tree.map_with_path(
        lambda path, leaf: compress.quantize(leaf, clusters=8, sparse=True) if path[-1].key == "kernel" else leaf,
        pruned,
    )
    size = compress.save(tmp_path / "n", codes)
    assert size < 4 * sum(leaf.size for leaf in jax.tree.leaves(params)) / 8
    image = RNG.normal(size=(5, 8, 8, 1)).astype(np.float32)
    before = model.apply(compress.expand(codes), stats, image, train=False)[0][0]
    np.testing.assert_array_equal(
        model.apply(compress.expand(compress.load(tmp_path / "n")), stats, image, train=False)[0][0], before
    )


def test_every_cut_and_every_flipped_bit_is_found(tmp_path):
    path = tmp_path / "network"
    compress.save(path, {"w": tree()["sparse"], "b": np.ones(3, np.float32)})
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(compress.FileError, match=r"no file of compress\.save|cut or changed"):
            compress.load(path)
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(bytes(flipped))
        with pytest.raises(compress.FileError, match=r"no file of compress\.save|cut or changed"):
            compress.load(path)


def test_a_hostile_file_with_the_right_digest_is_an_error_too(tmp_path):
    """Every byte of the header and the body is changed, and the digest with it: an error, or another tree; no crash."""
    path = tmp_path / "network"
    compress.save(path, {"a": tree()["sparse"], "b": {"c": np.ones(3, np.float32)}})
    data, errors = path.read_bytes()[:-32], 0
    for place in range(5, len(data)):
        changed = bytearray(data)
        changed[place] = RNG.integers(256)
        path.write_bytes(bytes(changed) + hashlib.sha256(changed).digest())
        try:
            compress.load(path)
        except compress.FileError:
            errors += 1
    assert errors > 100


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ([["w", "float32", [10**12], [], [0]]], "limit"),
        ([["w", "float32", [3], [], [8]]], "has shape"),
        ([["w", "float32", [-1], [], [8]]], "a size -1"),
        ([["w", "object", [2], [], [8]]], "the form is 'object'|values of shape"),
        ([["w", "bits", [2], [9], [8, 1]]], "allowed: 2|do"),
        ([["w", "float32", [1], [], [4]], ["w", "float32", [1], [], [4]]], "twice"),
        ([["w", "float32", [1], [], [4]], ["w/b", "float32", [1], [], [4]]], "does not hold"),
        ([["w", "float32", [1], [], [4]]], "there are"),
        ({"w": 1}, "does not hold"),
        (3, "does not hold"),
    ],
)
def test_headers_that_lie(tmp_path, header, words):
    text = json.dumps(header).encode()
    data = b"jtcz\x01" + len(text).to_bytes(4, "little") + text + bytes(8)
    (tmp_path / "lie").write_bytes(data + hashlib.sha256(data).digest())
    with pytest.raises(compress.FileError, match=words):
        compress.load(tmp_path / "lie")


def test_the_limit(tmp_path):
    compress.save(tmp_path / "n", {"w": np.ones(1000, np.float32)})
    with pytest.raises(compress.FileError, match="the limit"):
        compress.load(tmp_path / "n", limit=1000)


def test_only_dicts_are_written(tmp_path):
    with pytest.raises(TypeError, match="tree is ndarray; allowed: nested dicts"):
        compress.save(tmp_path / "a", np.ones(2))  # which would come back as a dict


@pytest.mark.parametrize(
    ("leaf", "error", "words"),
    [
        (object(), TypeError, "w is object"),
        ({}, TypeError, "nothing at w"),
        ({"a/b": np.ones(1)}, TypeError, "without '/'"),
        ({1: np.ones(1)}, TypeError, "key 1"),
        (np.array(["text"]), ValueError, "dtype"),
        (np.ones(1, np.complex64), ValueError, "complex64"),
        (compress.Codebook(np.ones(2), np.array([2])), ValueError, "0 to 1"),
        (compress.Codebook(np.ones((2, 2)), np.array([1])), ValueError, "values of shape"),
        (compress.ProductCode(np.ones((2, 2, 2)), np.zeros((3, 3), int)), ValueError, "indices of shape"),
    ],
)
def test_what_cannot_be_saved(tmp_path, leaf, error, words):
    with pytest.raises(error, match=words):
        compress.save(tmp_path / "n", {"w": leaf})
    assert not list(tmp_path.iterdir())
