"""Canonical Huffman codes: the lengths of the code words say all of the code."""

import heapq
from collections.abc import Sequence

import numpy as np

from jaxtricks import check

BLOCK = 2**16  # bits that are decoded at a time
LONGEST = 48  # bits; a code word of so many needs more symbols than memory holds


class CodeError(ValueError):
    """Bits that are no text of a code, or lengths that are no code."""


def huffman_lengths(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """The lengths of the code words of a Huffman code; the shortest text that a code by symbol can give.

    Args:
      counts: how often each symbol occurs, 0 or more; one symbol at least occurs.

    Returns:
      Bits by symbol, uint8; 0 for a symbol that does not occur, 1 for the only one that does.

    Raises:
      ValueError: if counts is not a vector of integers of 0 or more, or nothing occurs.

    Example:
      >>> print(huffman_lengths([4, 2, 1, 1]))
      [1 2 3 3]

    Reference:
      Huffman, A method for the construction of minimum-redundancy codes, 1952.
    """
    often = np.asarray(counts)
    check.rank("counts", often, 1)
    if often.dtype.kind not in "iu" or not often.size or often.min() < 0 or not often.any():
        raise ValueError(f"counts is {counts!r}; allowed: integers of 0 or more, not all of them 0.")
    lengths = np.zeros(often.size, np.uint8)
    heap: list[tuple[int, int, tuple[int, ...]]] = [
        (int(count), symbol, (symbol,)) for symbol, count in enumerate(often) if count
    ]
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
        return lengths
    heapq.heapify(heap)
    while len(heap) > 1:
        first, number, some = heapq.heappop(heap)
        second, _, others = heapq.heappop(heap)
        lengths[[*some, *others]] += 1
        heapq.heappush(heap, (first + second, number, some + others))
    return lengths


def huffman_bits(symbols: np.ndarray) -> int:
    """The bits of a text under its own Huffman code, without the table of lengths.

    Args:
      symbols: integers of 0 or more.

    Returns:
      Bits; 0 of an empty text.

    Raises:
      ValueError: if symbols are no integers of 0 or more.
    """
    symbols = _symbols(symbols)
    if not symbols.size:
        return 0
    counts = np.bincount(symbols)
    return int(counts @ huffman_lengths(counts).astype(np.int64))


def huffman_encode(symbols: np.ndarray, lengths: np.ndarray) -> bytes:
    """A text as bits, padded with zeros to full bytes.

    Args:
      symbols: integers of 0 or more.
      lengths: of ``huffman_lengths``, of a code that has all symbols.

    Returns:
      Bytes.

    Raises:
      ValueError: if symbols are no integers of 0 or more, or the code lacks one.
      CodeError: if lengths is no code.
    """
    symbols, lengths = _symbols(symbols), _code(lengths)
    if symbols.size and (symbols.max() >= lengths.size or not lengths[symbols].all()):
        raise ValueError("symbols holds one that the code lacks; allowed: symbols with a length.")
    order, words = _words(lengths)
    codes = np.zeros(lengths.size, np.int64)
    codes[order] = words
    width = int(lengths.max())
    parts = []
    for some in np.array_split(symbols, symbols.size // BLOCK + 1):
        shifts = lengths[some][:, None].astype(np.int64) - 1 - np.arange(width)
        parts.append((((codes[some][:, None] >> np.maximum(shifts, 0)) & 1)[shifts >= 0]).astype(np.uint8))
    return np.packbits(np.concatenate(parts)).tobytes()


def huffman_decode(data: bytes, lengths: np.ndarray, *, count: int) -> np.ndarray:
    """The text of ``huffman_encode``.

    Args:
      data: its bytes.
      lengths: of the code.
      count: of symbols, 0 or more.

    Returns:
      Symbols, int64 ``[count]``.

    Raises:
      CodeError: if lengths is no code, or the bytes are not the text of so many symbols.
      ValueError: if count is no integer of 0 or more.
    """
    lengths, count = _code(lengths), check.at_least("count", count)
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    if count > bits.size:
        raise CodeError(f"the text has {bits.size} bits; allowed: {count} or more, one a symbol.")
    out, at, done = np.empty(count, np.int64), 0, 0
    while done < count:
        steps, symbols, right = _words_at(bits[at : at + BLOCK + LONGEST].astype(np.int64), lengths)
        start = at
        while done < count and at - start < BLOCK:
            if at - start >= len(steps) or not right[at - start]:
                raise CodeError(f"the text ends or is no code word at bit {at}, after {done} of {count} symbols.")
            out[done] = symbols[at - start]
            at, done = at + steps[at - start], done + 1
    if at > bits.size or bits.size - at >= 8 or bits[at:].any():
        raise CodeError(f"the text has {bits.size} bits; allowed: {at}, and zeros up to a byte.")
    return out


def _words_at(bits: np.ndarray, lengths: np.ndarray) -> tuple[list[int], list[int], list[bool]]:
    """For each bit, the code word that begins there: its length, its symbol, and whether it is one."""
    order, words = _words(lengths)
    width = int(lengths.max())
    window, padded = np.zeros(bits.size, np.int64), np.concatenate([bits, np.zeros(width, np.int64)])
    for shift in range(width):
        window = 2 * window + padded[shift : shift + bits.size]
    starts = words << (width - lengths[order].astype(np.int64))
    entry = np.searchsorted(starts, window, side="right") - 1
    used = lengths[order][entry].astype(np.int64)
    return used.tolist(), order[entry].tolist(), (window >> (width - used) == words[entry]).tolist()


def _symbols(symbols) -> np.ndarray:
    symbols = np.asarray(symbols).reshape(-1)
    if symbols.size and (symbols.dtype.kind not in "iu" or symbols.min() < 0):
        raise ValueError("symbols is no array of integers of 0 or more.")
    return symbols.astype(np.int64)


def _code(lengths) -> np.ndarray:
    """The lengths, if they are those of a code: Kraft's sum is 1, or one word of a bit."""
    lengths = np.asarray(lengths)
    if (
        lengths.ndim != 1
        or lengths.dtype.kind not in "iu"
        or not lengths.any()
        or not 0 <= lengths.min() <= lengths.max() <= LONGEST
    ):
        raise CodeError(f"lengths is {lengths!r}; allowed: bits of 0 to {LONGEST} by symbol.")
    used = lengths[lengths > 0].astype(np.int64)
    if sum(2 ** (LONGEST - int(bits)) for bits in used) != 2**LONGEST and used.tolist() != [1]:
        raise CodeError("lengths is no complete code; allowed: those of huffman_lengths.")
    return lengths.astype(np.uint8)


def _words(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The symbols by length, then by number, and their code words, which count up."""
    order = np.lexsort((np.arange(lengths.size), lengths))
    order = order[lengths[order] > 0]
    words, word, before = [], 0, int(lengths[order[0]])
    for length in lengths[order].tolist():
        word <<= length - before
        words.append(word)
        word, before = word + 1, length
    return order, np.array(words, np.int64)
