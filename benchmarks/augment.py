"""Images a second of every augmentation, and of torchvision v2, Kornia and albumentations, in the same run.

    python -m benchmarks.augment

Batches ``[128, 224, 224, 3]``, stored as uint8 and as float32, on all cores of one machine. torchvision is measured on
both, Kornia on float32, albumentations on uint8; a row compares what is stored alike. Functions of an amount have one
for all of the batch on both sides; random ones draw for each image on both, except that Kornia's policies draw one
operation a batch. A peer goes the fastest of three ways, measured first: the batch in one call, image after image,
or images over as many threads as there are cores. Ours are compiled, the batch spread over one device a core, and
policies go through the images in a loop on each.

Where a function has no chance in it, that both sides give about the same is checked before the clock starts. They are
timed in turns, and a ratio, our time by theirs, is the median over the turns, with its quartiles. The ImageNet chain
is random resized crop, flip, colour jitter, PCA noise, random erasing of a quarter of the images, and standardisation;
its share of a ResNet-50 step at the same size is of a step measured in this run. Memory that a side frees stays with
the process, as in benchmarks/losses.py, and before each call there is a pause.
"""

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from jax.sharding import NamedSharding, PartitionSpec

from benchmarks import _augment_peers as peers
from benchmarks import _cases, train_step
from benchmarks._figures import chosen, in_turns, keep_memory, module, write
from jaxtricks import ablation, augment, preprocess

torch = module("torch")
Call = Callable[[], object]
CHAIN, MIXING = "ImageNet chain", ("mixup", "cutmix")
STATS = preprocess.Affine(jnp.array(peers.MEAN), jnp.array(peers.STD))
PCA = augment.ColorPCA(jnp.array(peers.PCA_VALUES), jnp.array(peers.PCA_VECTORS).T)


@dataclass(frozen=True)
class Options:
    """What to measure."""

    batch: int = 128
    """Images."""
    size: int = 224
    """Height and width of the images."""
    turns: int = 8
    """Turns of each side."""
    only: tuple[str, ...] = ()
    """Names, or parts of names; all operations if none."""
    peers: tuple[str, ...] = ("torchvision", "kornia", "albumentations")
    """Libraries to measure, where installed."""
    step: bool = True
    """Whether a ResNet-50 training step is measured too."""
    out: Path | None = None
    """A JSON file to write the figures to; operations that are in it already stay there."""


def ours(size: int) -> dict[str, Callable]:
    """``(key, batch) -> batch`` of every operation."""
    same = {  # functions of an image
        "flip_left_right": augment.flip_left_right,
        "pad_crop": lambda x: augment.pad_crop(x, jnp.array([1, 6]), padding=4),
        "resized_crop": lambda x: augment.resized_crop(x, jnp.array(peers.BOX, jnp.float32), size=size),
        "evaluation bilinear": partial(preprocess.resize_center_crop, shorter=size * 8 // 7, size=size),
        "evaluation bicubic": partial(
            preprocess.resize_center_crop, shorter=size * 8 // 7, size=size, method="bicubic"
        ),
        "five_crops": partial(augment.five_crops, size=size // 2),
        "rotate": lambda x: augment.rotate(x, peers.ANGLE),
        "rotate nearest": lambda x: augment.rotate(x, peers.ANGLE, method="nearest"),
        "translate": lambda x: augment.translate(x, jnp.array(peers.SHIFT, jnp.float32)),
        "scale": lambda x: augment.scale(x, peers.FACTOR),
        "shear": lambda x: augment.shear(x, jnp.array([peers.SLOPE, 0.0])),
        "adjust_brightness": lambda x: augment.adjust_brightness(x, 1.3),
        "adjust_contrast": lambda x: augment.adjust_contrast(x, 1.3),
        "adjust_saturation": lambda x: augment.adjust_saturation(x, 1.3),
        "adjust_hue": lambda x: augment.adjust_hue(x, 0.1),
        "adjust_sharpness": lambda x: augment.adjust_sharpness(x, 1.5),
        "invert": augment.invert,
        "grayscale": augment.grayscale,
        "solarize": lambda x: augment.solarize(x, 0.5),
        "posterize": lambda x: augment.posterize(x, 4),
        "autocontrast": augment.autocontrast,
        "equalize": augment.equalize,
        "gaussian_blur": lambda x: augment.gaussian_blur(x, 1.5, radius=6),
        "erase_box": lambda x: augment.erase_box(x, jnp.array(peers.BOX), 0),
        "standardize": lambda x: preprocess.standardize(STATS, scaled(x)),
    }
    drawn = {  # random functions of an image
        "random_flip": augment.random_flip,
        "random_pad_crop": augment.random_pad_crop,
        "random_resized_crop": partial(augment.random_resized_crop, size=size),
        "random_affine": partial(augment.random_affine, angle=30.0, shift=0.1, scale=(0.8, 1.2), slope=0.17),
        "color_jitter": partial(augment.color_jitter, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1),
        "random_hsv_power": augment.random_hsv_power,
        "pca_noise": partial(augment.pca_noise, pca=PCA),
        "gaussian_noise": partial(augment.gaussian_noise, std=0.1),
        "random_blur": partial(augment.random_blur, radius=6),
        "random_erasing": partial(augment.random_erasing, probability=1.0),
        "cutout": partial(augment.cutout, size=size // 2),
        "gridmask": augment.gridmask,
    }
    looped = {  # policies
        "rand_augment": augment.rand_augment,
        "trivial_augment": augment.trivial_augment,
        "auto_augment": augment.auto_augment,
        "augmix": augment.augmix,
        "three_augment": augment.three_augment,
    }
    fixed = {name: augment.each(augment.keyless(f)) for name, f in same.items()}
    random = {name: augment.each(f) for name, f in drawn.items()}
    policies = {name: on_each_device(augment.each(f, loop=True)) for name, f in looped.items()}
    erasing = partial(augment.random_erasing, probability=0.25)
    chain = augment.chain(
        crop=random["random_resized_crop"],
        flip=random["random_flip"],
        jitter=random["color_jitter"],
        pca=random["pca_noise"],
        erasing=augment.each(erasing),
        standardize=fixed["standardize"],
    )
    mixing = dict(zip(MIXING, (augment.mixup, augment.cutmix), strict=True))
    return fixed | random | policies | mixing | {CHAIN: chain}


def scaled(image: jax.Array) -> jax.Array:
    """uint8 as floats in [0, 1]."""
    return image.astype(jnp.float32) / 255 if image.dtype == jnp.uint8 else image


def our_side(function: Callable, batch: dict[str, np.ndarray]) -> Call:
    """A call, compiled, on a batch that is spread over the devices, one a core on a CPU, as in training."""
    mesh = jax.make_mesh((len(jax.devices()),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = NamedSharding(mesh, PartitionSpec("data"))
    spread, key = jax.device_put(batch, rows), jax.random.key(0)
    compiled = jax.jit(lambda key, batch: function(key, batch)["image"], out_shardings=rows)
    return lambda: jax.block_until_ready(compiled(key, spread))


def on_each_device(function: Callable) -> Callable:
    """What goes through the images in a loop, which the compiler does not spread, on each device's part of them."""
    mesh = jax.make_mesh((len(jax.devices()),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = PartitionSpec("data")

    def part(key, batch):
        return function(jax.random.fold_in(key, jax.lax.axis_index("data")), batch)

    return jax.shard_map(part, mesh=mesh, in_specs=(PartitionSpec(), rows), out_specs=rows)


def their_ways(peer: peers.Peer, name: str, images: np.ndarray, pool: ThreadPoolExecutor) -> dict[str, Call]:
    """The calls by which a peer may do it; it goes image after image only if it has functions of one."""
    inputs = peer.give(images)
    batched, one = peer.batched.get(name), peer.batched.get(name) or peer.single.get(name)
    ways: dict[str, Call] = {}
    if batched:
        ways["batch"] = lambda: batched(inputs)
    if one and peer.single and name not in MIXING:
        ways["image after image"] = lambda: peer.stack([one(x) for x in inputs])
        ways["threads"] = lambda: peer.stack(list(pool.map(one, inputs)))
    return ways


def fastest(ways: dict[str, Call]) -> tuple[str, Call | None]:
    """The fastest way that works, or what was wrong."""
    took, wrong = {}, "not there"
    for way, call in ways.items():
        try:
            call()
            began = time.perf_counter()
            call()
            took[way] = time.perf_counter() - began
        except (RuntimeError, TypeError, ValueError) as error:
            wrong = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    way = min(took, key=took.get) if took else wrong
    return way, ways.get(way)


def check_same(name: str, peer: str, mine: np.ndarray, theirs: np.ndarray) -> None:
    """Raise AssertionError unless two results are alike; the border of what moves may differ."""
    unit = 255.0 if mine.dtype == np.uint8 else 1.0
    apart = np.abs(mine.astype(np.float32) - theirs.reshape(mine.shape)) / unit
    assert np.median(apart) < 0.006, f"{name} differs from {peer}: median {np.median(apart):.4f}"
    assert (apart > 0.03).mean() < 0.03, f"{name} differs from {peer} at {100 * (apart > 0.03).mean():.1f} %"


def measure(name, function, batch, available: dict[str, peers.Peer], options: Options, pool) -> dict:
    """The figures of one operation on one kind of storage."""
    images = batch["image"]
    calls, row = {"jaxtricks": our_side(function, batch)}, {}
    mine = np.asarray(calls["jaxtricks"]())
    for peer_name, peer in available.items():
        if images.dtype.name not in peer.dtypes:
            continue
        ways = their_ways(peer, name, images, pool)
        if not ways:
            continue
        way, call = fastest(ways)
        row[peer_name] = {"way": way}
        if call is None:
            continue
        if peer_name == "torchvision" and name in peer.batched and name not in (*MIXING, "gaussian_noise"):
            check_same(name, peer_name, mine, np.asarray(peer.take(call())))
        calls[peer_name] = call
    times = dict(zip(calls, in_turns(list(calls.values()), options.turns), strict=True))
    for peer_name, seconds in times.items():
        figures = {"images_per_second": options.batch / statistics.median(seconds)}
        if peer_name != "jaxtricks":
            low, ratio, high = statistics.quantiles([a / b for a, b in zip(times["jaxtricks"], seconds, strict=True)])
            figures |= {"ratio": ratio, "ratio_quartiles": [low, high]}
            figures["ratio_of_fastest"] = min(times["jaxtricks"]) / min(seconds)
        row.setdefault(peer_name, {}).update(figures)
    return row


def line_of(name: str, dtype: str, row: dict) -> str:
    """A line of the table."""
    cells = [f"{name:20s} {dtype:8s} {row['jaxtricks']['images_per_second']:8.0f}"]
    for peer in peers.PEERS:
        entry = row.get(peer, {})
        if "ratio" in entry:
            low, high = entry["ratio_quartiles"]
            cells.append(f"{entry['ratio']:6.2f} ({low:.2f} to {high:.2f})")
        else:
            cells.append(f"{'failed' if entry else '-':>22s}")
    return "  ".join(cells)


def step_seconds(size: int) -> tuple[float, str]:
    """Seconds an image of a ResNet-50 training step takes, and which step."""
    options = train_step.Options(batch=8, size=size, peer=False)
    run, _ = train_step.jax_side(options)
    run(1)
    seconds = min(run(1) for _ in range(3)) / options.batch
    return seconds, f"benchmarks.train_step: {options.model}, {options.precision}, {size} px, batch {options.batch}"


def main(options: Options) -> dict:
    """Measure, print, and give back the figures."""
    machine = ablation.machine()
    cores = machine["cores"]
    torch.set_num_threads(cores)
    rng, classes = np.random.default_rng(0), 1000
    coarse = rng.integers(0, 256, (options.batch, options.size // 8, options.size // 8, 3), dtype=np.uint8)
    smooth = jax.jit(jax.vmap(lambda x: jax.image.resize(x, (options.size, options.size, 3), "cubic")))
    floats = np.clip(np.asarray(smooth(coarse / np.float32(255))) + rng.normal(0, 0.02, (options.size, 1, 3)), 0, 1)
    levels = np.round(255 * floats).astype(np.uint8)
    labels = rng.integers(0, classes, options.batch)
    target = np.eye(classes, dtype=np.float32)[labels]
    available = {name: peers.PEERS[name](options.size, labels, classes) for name in options.peers}
    table = ours(options.size)
    table |= dict(_cases.augmentations(table))  # without a peer
    names = chosen(table, options.only)
    print(f"batch {options.batch}, {options.size} px, {options.turns} turns, {cores} cores; images/s, then our time by")
    print(f"{'':38s}  {'  '.join(f'{name} {peer.version}'.rjust(22) for name, peer in available.items())}")
    figures = {
        "command": " ".join(["python -m benchmarks.augment", *sys.argv[1:]]),
        "machine": machine | {"system": platform.platform()},
        "versions": {"torch": torch.__version__} | {name: peer.version for name, peer in available.items()},
        "batch": options.batch,
        "size": options.size,
        "turns": options.turns,
        "operations": {},
    }
    with ThreadPoolExecutor(cores, initializer=partial(torch.set_num_threads, 1)) as pool:
        for name in names:
            row = figures["operations"][name] = {}
            for images in (levels, levels / np.float32(255)):
                batch = {"image": images, "target": target}
                dtype = images.dtype.name
                row[dtype] = measure(name, table[name], batch, available, options, pool)
                print(line_of(name, dtype, row[dtype]), flush=True)
            keep(figures, options.out)
    if options.step and CHAIN in names:
        seconds, which = step_seconds(options.size)
        chain = figures["operations"][CHAIN]
        share = {dtype: 1 / row["jaxtricks"]["images_per_second"] / seconds for dtype, row in chain.items()}
        figures["step"] = {"which": which, "images_per_second": 1 / seconds, "chain_share": share}
        print(f"{which}: {1 / seconds:.1f} images/s; the chain takes {100 * share['uint8']:.1f} % of its time")
        keep(figures, options.out)
    return figures


def keep(figures: dict, out: Path | None) -> None:
    """Put the figures into a file, together with the operations that are in it."""
    before = json.loads(out.read_text(encoding="utf-8")) if out is not None and out.exists() else {"operations": {}}
    write(before | figures | {"operations": before["operations"] | figures["operations"]}, out)


if __name__ == "__main__":
    keep_memory()
    main(tyro.cli(Options, description=__doc__))
