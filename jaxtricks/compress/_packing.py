"""Indices as bytes: in a fixed number of bits, in Huffman's code, or as the gaps between those that are not 0."""

import numpy as np

from jaxtricks.compress._huffman import CodeError, huffman_decode, huffman_encode, huffman_lengths

FORMS = ("bits", "huffman", "sparse bits", "sparse huffman")


def packed(indices: np.ndarray, size: int, *, sparse: bool, huffman: bool) -> tuple[str, list[bytes]]:
    """The smallest form of indices, and its parts."""
    forms = {"bits": [_bits(indices, _width(size))]}
    if huffman and indices.size:
        forms["huffman"] = _huffman(indices, size)
    if sparse and size > 1:
        places = np.flatnonzero(indices)
        others = indices[places] - 1
        jumps = np.diff(places, prepend=-1) - 1
        best = min((_fixed_gaps(jumps, width) for width in range(1, 9)), key=len)
        forms["sparse bits"] = [_count(others.size), best, _bits(others, _width(size - 1))]
        if huffman and others.size:
            forms["sparse huffman"] = [
                _count(others.size),
                *_huffman(_gaps(jumps, 255), 256),
                *_huffman(others, size - 1),
            ]
    name = min(forms, key=lambda form: sum(map(len, forms[form])) + 4 * len(forms[form]))
    return name, forms[name]


def unpacked(form: str, parts: list[bytes], size: int, count: int) -> np.ndarray:
    """The indices, int64 ``[count]``; CodeError or ValueError if the parts do not hold them."""
    if form not in FORMS:
        raise CodeError(f"the form is {form!r}; allowed: {', '.join(FORMS)}.")
    if form == "bits":
        (data,) = parts
        out = _unbits(data, _width(size), count)
    elif form == "huffman":
        out = _unhuffman(parts, count)
    else:
        head, *parts = parts
        kept = int.from_bytes(head, "little")
        if kept > count:
            raise CodeError(f"{kept} of {count} weights are not 0.")
        if form == "sparse bits":
            gaps, data = parts
            jumps, others = _unfixed_gaps(gaps, kept), _unbits(data, _width(size - 1), kept)
        else:
            jumps, others = _ungaps(_unhuffman(parts[:3], None), 255, kept), _unhuffman(parts[3:], kept)
        places = np.cumsum(jumps + 1) - 1
        if kept and places[-1] >= count:
            raise CodeError(f"a weight has place {places[-1]}; allowed: less than {count}.")
        out = np.zeros(count, np.int64)
        out[places] = others + 1
    if out.size and out.max() >= size:
        raise CodeError(f"an index is {out.max()}; allowed: less than {size}.")
    return out


def _width(size: int) -> int:
    """Bits that hold 0 to size - 1."""
    return max(0, int(size - 1).bit_length())


def _bits(numbers: np.ndarray, width: int) -> bytes:
    places = np.arange(width - 1, -1, -1)
    return np.packbits(((numbers[:, None] >> places) & 1).astype(np.uint8)).tobytes()


def _unbits(data: bytes, width: int, count: int) -> np.ndarray:
    if len(data) != -(-width * count // 8):
        raise CodeError(f"{len(data)} bytes hold {count} numbers of {width} bits; allowed: {-(-width * count // 8)}.")
    if not width:
        return np.zeros(count, np.int64)
    bits = np.unpackbits(np.frombuffer(data, np.uint8))[: width * count].reshape(count, width)
    return bits.astype(np.int64) @ (1 << np.arange(width - 1, -1, -1))


def _count(number: int) -> bytes:
    return int(number).to_bytes(4, "little")


def _huffman(symbols: np.ndarray, size: int) -> list[bytes]:
    """The count of symbols, the lengths of the code, the text."""
    lengths = huffman_lengths(np.bincount(symbols, minlength=1)[:size])
    return [_count(symbols.size), lengths.tobytes(), huffman_encode(symbols, lengths)]


def _unhuffman(parts: list[bytes], count: int | None) -> np.ndarray:
    head, table, text = parts
    number = int.from_bytes(head, "little")
    if count is not None and number != count:
        raise CodeError(f"a text has {number} symbols; allowed: {count}.")
    return huffman_decode(text, np.frombuffer(table, np.uint8), count=number)


def _gaps(jumps: np.ndarray, largest: int) -> np.ndarray:
    """Zeros before each weight; ``largest`` stands for so many zeros and no weight."""
    times, rest = np.divmod(jumps, largest)
    out = np.full(int(times.sum()) + jumps.size, largest, np.int64)
    out[np.cumsum(times + 1) - 1] = rest
    return out


def _ungaps(symbols: np.ndarray, largest: int, count: int) -> np.ndarray:
    ends = np.flatnonzero(symbols != largest)
    if (
        ends.size != count
        or (symbols.size and ends.size and ends[-1] != symbols.size - 1)
        or (not count and symbols.size)
    ):
        raise CodeError(f"the gaps are of {ends.size} weights; allowed: {count}.")
    return np.diff(np.cumsum(symbols)[ends], prepend=0)


def _fixed_gaps(jumps: np.ndarray, width: int) -> bytes:
    return bytes([width]) + _bits(_gaps(jumps, 2**width - 1), width)


def _unfixed_gaps(data: bytes, count: int) -> np.ndarray:
    if not data or not 1 <= data[0] <= 8:
        raise CodeError("gaps have no width of 1 to 8 bits.")
    width, largest = data[0], 2 ** data[0] - 1
    bits = np.unpackbits(np.frombuffer(data[1:], np.uint8))
    symbols = bits[: bits.size // width * width].reshape(-1, width).astype(np.int64) @ (
        1 << np.arange(width - 1, -1, -1)
    )
    ends = np.flatnonzero(symbols != largest)
    if ends.size < count:
        raise CodeError(f"the gaps are of {ends.size} weights; allowed: {count}.")
    used = int(ends[count - 1]) + 1 if count else 0
    if -(-used * width // 8) != len(data) - 1:
        raise CodeError("the gaps have bytes to spare.")
    return _ungaps(symbols[:used], largest, count)
