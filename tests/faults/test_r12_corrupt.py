"""Row 12: unreadable records are replaced within their batch and counted, up to a share; an evaluation names them."""

import io
from dataclasses import replace

import numpy as np
import pytest
import runs
from PIL import Image

from jaxtricks import data
from jaxtricks.data import DataError, Feed, Split, epoch_permutation
from jaxtricks.data._files import ImageFiles, decode
from jaxtricks.train import fit

SIZE, BATCH, STEPS = 400, 16, 25  # an epoch of 25 steps; 1 % is 4 records


def colour(row):
    return (row % 256, row // 256, 255 - row % 256)


def png(row):
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour(row)).save(out, "PNG")
    return out.getvalue()


def photo(form, mode="RGB", **options):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((48, 48)).convert(mode).save(out, form, **options)
    return out.getvalue()


def flipped(raw, place, bit=3):
    return raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]


DAMAGED = {
    17: photo("JPEG")[:-200],  # truncated
    90: b"",
    213: flipped(png(213), 60),  # a bit of the pixels
    214: b"\0" * 500,
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    paths = tuple(folder / f"{row:03}.png" for row in range(SIZE))
    for row, path in enumerate(paths):
        path.write_bytes(DAMAGED.get(row, png(row)))
    return paths


class Counted(ImageFiles):
    """Image files that count how often each is read."""

    def __init__(self, files):
        super().__init__(files, 4)
        self.reads = []

    def read(self, index, **view):
        self.reads += index.tolist()
        return super().read(index, **view)


@pytest.fixture
def split(files):
    return Split({"image": Counted(files), "label": (np.arange(SIZE) % 7).astype(np.int32)})


def expected(seed, epoch, bad):
    """What each place of an epoch gets, walked by hand."""
    drawn = epoch_permutation(seed, epoch, SIZE).tolist()
    out = []
    for place, row in enumerate(drawn):
        at = place + SIZE // 2
        while row in bad:
            row, at = drawn[at % SIZE], at + 1
        out.append(row)
    return np.array(out)


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_batch_keeps_size_and_order_and_every_substitute_has_its_own_label(split, card):
    feed = Feed(split, (3,), BATCH)
    batches = list(feed.steps(0, STEPS))
    split["image"].reads.clear()
    batches += feed.steps(STEPS, 2 * STEPS)
    assert not set(split["image"].reads) & set(DAMAGED)  # known by now
    assert len(batches) == 2 * STEPS
    for step, batch in enumerate(batches):
        epoch, i = divmod(step, STEPS)
        places = slice(i * BATCH, (i + 1) * BATCH)
        np.testing.assert_array_equal(batch["index"], expected(3, epoch, DAMAGED)[places])
        readable = ~np.isin(epoch_permutation(3, epoch, SIZE)[places], list(DAMAGED))
        np.testing.assert_array_equal(batch["index"][readable], epoch_permutation(3, epoch, SIZE)[places][readable])
        np.testing.assert_array_equal(batch["label"], batch["index"] % 7)
        np.testing.assert_array_equal(batch["image"][:, 0, 0], [colour(row) for row in batch["index"]])
        assert batch["image"].shape == (BATCH, 4, 4, 3)
        assert batch["epoch"].tolist() == [epoch] * BATCH
        assert len(set(batch["index"].tolist())) == BATCH
    assert sorted(feed.corrupt) == sorted(DAMAGED)
    for row, reason in feed.corrupt.items():
        assert f"{row:03}.png cannot be read as an image" in reason
    card(
        "r12",
        f"{len(DAMAGED)} of {SIZE} records unreadable, two epochs",
        f"{len(feed.corrupt)} counted, 50 of 50 batches full",
    )


@pytest.mark.parametrize(("start", "workers", "ahead"), [(0, 1, 0), (3, 2, 4), (24, 5, 1), (31, 3, 0)])
def test_a_batch_depends_on_nothing_but_seed_and_step(split, start, workers, ahead):
    unbroken = list(Feed(split, (5,), BATCH).steps(0, 35))
    resumed = list(Feed(split, (5,), BATCH, workers=workers, ahead=ahead).steps(start, 35))
    for ours, theirs in zip(resumed, unbroken[start:], strict=True):
        same(ours, theirs)


def test_processes_and_seeds_get_what_one_process_and_one_seed_get(split):
    whole = [list(Feed(split, (seed,), BATCH).steps(0, STEPS)) for seed in (3, 4)]
    parts = [list(Feed(split, (3,), BATCH, part=(p, 2)).steps(0, STEPS)) for p in (0, 1)]
    stacked = list(Feed(split, (3, 4), BATCH, stacked=True).steps(0, STEPS))
    for step in range(STEPS):
        for name in ("image", "label", "index", "epoch"):
            np.testing.assert_array_equal(np.concatenate([p[step][name] for p in parts]), whole[0][step][name])
            np.testing.assert_array_equal(stacked[step][name], np.stack([w[step][name] for w in whole]))


@pytest.mark.parametrize("workers", [1, 4])
def test_beyond_the_share_the_error_counts_and_names(split, workers):
    feed = Feed(split, (3,), BATCH, corrupt_share=0.005, workers=workers)
    with pytest.raises(DataError, match=r"3 of 400 records cannot be read; allowed: 2, a share of 0\.005") as caught:
        list(feed.steps(0, STEPS))
    met = [row for row in expected(3, 0, ()) if row in DAMAGED]
    for row in met[:3]:
        assert f"{row}: " in str(caught.value)
        assert f"{row:03}.png" in str(caught.value)
    assert sorted(feed.corrupt) == sorted(met[:3])
    # every batch before the third unreadable record was handed out, whatever the number of workers
    last = expected(3, 0, ()).tolist().index(met[2]) // BATCH
    feed = Feed(split, (3,), BATCH, corrupt_share=0.005, workers=workers)
    given = feed.steps(0, STEPS)
    for _ in range(last):
        next(given)
    with pytest.raises(DataError):
        next(given)


def test_the_record_of_an_epoch_counts_them(files, card):
    labels = (np.arange(SIZE) % 10).astype(np.int32)
    source = runs.dataset()
    source = replace(source, train=Split({"image": ImageFiles(files, 8), "label": labels}))
    history = fit(runs.recipe(epochs=2.0), source)[0].history
    epoch = data.epoch_permutation(0, 0, SIZE)[: 12 * 32]  # 12 steps of 32
    assert [record["corrupt"] for record in history] == [len(set(epoch) & set(DAMAGED)), len(DAMAGED)]
    card(
        "r12", f"a run of two epochs with {len(DAMAGED)} unreadable records", f"ends; its record counts {len(DAMAGED)}"
    )


def test_when_nothing_is_readable_the_search_for_substitutes_ends(tmp_path):
    paths = tuple(tmp_path / f"{row}.png" for row in range(200))
    for path in paths:
        path.write_bytes(b"no image")
    files = Counted(paths)
    feed = Feed(Split({"image": files, "label": np.zeros(200, np.int32)}), (0,), 8, workers=1, ahead=0)
    with pytest.raises(DataError, match="3 of 200 records cannot be read; allowed: 2"):
        next(feed.steps(0, 25))
    assert len(files.reads) <= 8 + 3


def test_an_evaluation_names_the_files_instead_of_leaving_them_out(split):
    given = []
    with pytest.raises(DataError, match=r"4 of 400 records cannot be read; allowed: 0") as caught:
        given.extend(data.padded(split, 64))
    assert str(caught.value).endswith(". Delete or mend them.")
    assert not given  # the first batch has one
    for row in DAMAGED:
        assert f"{row:03}.png cannot be read as an image" in str(caught.value)
    good = split.take(np.setdiff1d(np.arange(SIZE), list(DAMAGED)))
    seen = np.concatenate([batch["image"][batch["row_valid"]] for batch in data.padded(good, 64, workers=3)])
    np.testing.assert_array_equal(seen[:, 0, 0], [colour(row) for row in range(SIZE) if row not in DAMAGED])


def test_what_is_fitted_on_a_sample_leaves_them_out(split):
    images = data.readable(split, np.arange(10, 220))
    np.testing.assert_array_equal(images[:, 0, 0], [colour(r) for r in range(10, 220) if r not in DAMAGED])
    with pytest.raises(DataError, match=r"\d of 400 records cannot be read; allowed: 1"):
        data.readable(split, np.arange(SIZE), corrupt_share=0.003)
    with pytest.raises(DataError, match="none of 2 records"):
        data.readable(split, np.array([213, 214]))


def saved(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


WIDE = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
READABLE = {
    "grey": (saved(Image.new("L", (9, 9), 77), "JPEG"), (77, 77, 77)),
    "grey and alpha": (saved(Image.new("LA", (9, 9), (80, 10)), "PNG"), (80, 80, 80)),
    "RGBA": (saved(Image.new("RGBA", (9, 9), (1, 2, 3, 0)), "PNG"), (1, 2, 3)),
    "palette": (saved(Image.new("RGB", (9, 9), (255, 0, 51)).convert("P"), "GIF"), (255, 0, 51)),
    "one bit": (saved(Image.new("1", (9, 9), 1), "PNG"), (255, 255, 255)),
    "CMYK": (saved(Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "JPEG"), (255, 0, 0)),
    "16 bits": (saved(Image.fromarray(np.full((9, 9), 300 * 100, np.uint16)), "PNG"), (117, 117, 117)),  # 116.7
}


@pytest.mark.parametrize("kind", READABLE)
def test_other_modes_are_read_whatever_the_name_says(tmp_path, kind):
    raw, colours = READABLE[kind]
    for suffix in (".jpg", ".png"):
        (tmp_path / f"a{suffix}").write_bytes(raw)
        image = ImageFiles((tmp_path / f"a{suffix}",), 4).read(np.array([0]), seed=0, epoch=0, train=False)
        assert abs(image.astype(int) - colours).max() <= (2 if kind == "CMYK" else 0)
    grey = decode(tmp_path / "a.png", channels=1)
    assert grey.mode == "L"


def test_16_bits_are_scaled_not_clipped():
    image = np.asarray(decode(io.BytesIO(saved(Image.fromarray(WIDE), "PNG"))))
    np.testing.assert_array_equal(image[..., 0].ravel(), np.arange(256))
    with pytest.raises(DataError, match="mode F, whose range is unknown"):
        decode(io.BytesIO(saved(Image.new("F", (9, 9)), "TIFF")))


def outcome(raw, want):
    try:
        image = np.asarray(decode(io.BytesIO(raw)))
    except DataError:
        return "refused"
    return "same" if image.shape == want.shape and (image == want).all() else "other pixels"


@pytest.mark.parametrize(("form", "step"), [("PNG", 11), ("JPEG", 5)])
def test_a_truncated_file_is_never_other_pixels(form, step, card):
    raw = photo(form)
    want = np.asarray(decode(io.BytesIO(raw)))
    found = [outcome(raw[:length], want) for length in range(0, len(raw), step)]
    assert "other pixels" not in found
    assert found.count("refused") > 0.95 * len(found)
    card("r12", f"{form} cut off at {len(found)} lengths", f"{found.count('refused')} refused, 0 silent")


def test_a_flipped_bit_of_a_png_is_never_other_pixels(card):
    raw = photo("PNG")
    want = np.asarray(decode(io.BytesIO(raw)))
    bits = range(0, 8 * len(raw), 67)
    found = [outcome(flipped(raw, bit // 8, bit % 8), want) for bit in bits]
    assert "other pixels" not in found
    assert found.count("refused") > 0.9 * len(found)
    card("r12", f"one bit of a PNG flipped, {len(found)} places", f"{found.count('refused')} refused, 0 silent")


@pytest.mark.parametrize(("name", "words"), [("gone.png", r"FileNotFoundError.*gone\.png"), ("", "IsADirectoryError")])
def test_a_file_that_cannot_be_opened_is_not_taken_for_a_damaged_one(files, name, words):
    """A lost disk must not turn into substitutes."""
    split = Split({"image": ImageFiles((*files[:20], files[0].parent / name), 4), "label": np.zeros(21, np.int32)})
    with pytest.raises(data.FeedError, match=rf"jaxtricks-feed-\d failed at record 20: {words}"):
        list(Feed(split, (0,), 7, corrupt_share=0.5).steps(0, 3))


def test_an_impossible_share_is_refused(split):
    for share in (-0.1, 1):
        with pytest.raises(ValueError, match=f"corrupt_share is {share}; allowed: 0 to less than 1"):
            Feed(split, (0,), 7, corrupt_share=share)
