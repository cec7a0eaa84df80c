"""Parameters and multiply-accumulates of networks, counted here and published: a table of the site.

``tests/models/test_families.py`` counts them again, and holds them to what is published and to torch's counter.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from docs.site.markdown import grid

TORCHVISION = "torchvision's documentation"
TIMM = "timm's table"
COUNTED = Path(__file__).parents[1] / "tests/golden/small_networks.json"


@dataclass(frozen=True)
class Network:
    """A network of ``models.NETWORKS``.

    Fields:
      name: after ``--model``.
      size: of the image.
      classes: of the classifier.
      parameters: counted here.
      macs: multiply-accumulates for one image, counted here.
      published: parameters and multiply-accumulates, as the source writes them; "" for none.
      source: of both.
      besides: millions that the published figure has beyond multiply-accumulates, or lacks.
    """

    name: str
    size: int
    classes: int
    parameters: int
    macs: int
    published: tuple[str, str]
    source: str
    besides: float = 0.0


def of_torchvision(name: str, parameters: int, macs: int, published: str) -> Network:
    """A network of which torchvision has as many parameters."""
    return Network(name, 224, 1000, parameters, macs, (f"{parameters:,}", published), TORCHVISION)


def of_timm(name: str, parameters: int, macs: int, published: tuple[str, str], values: float, size=224) -> Network:
    """A network of timm's table, which has the values that convolutions give, in millions; all are normalised."""
    return Network(name, size, 1000, parameters, macs, published, TIMM, 2 * values)


def of_cifar(name: str, parameters: int, macs: int, published: str, source: str) -> Network:
    """A network for CIFAR-10, of which parameters alone are published."""
    return Network(name, 32, 10, parameters, macs, (published, ""), source)


NETWORKS = (
    of_torchvision("alexnet", 61_100_840, 714_188_480, "0.714 G"),
    of_torchvision("vgg11", 132_863_336, 7_609_090_048, "7.609 G"),
    of_torchvision("vgg16_bn", 138_365_992, 15_470_264_320, "15.470 G"),
    of_torchvision("googlenet_torchvision", 13_004_888, 1_498_376_192, "1.498 G"),
    Network(
        "inception_v3",
        299,
        1000,
        23_834_568,
        5_713_216_096,
        ("27,161,264", "5.713 G"),
        TORCHVISION + ", with 3,326,696 parameters of the auxiliary classifier",
    ),
    of_torchvision("squeezenet", 1_235_496, 349_151_936, "0.349 G"),
    of_torchvision("mobilenet_v2", 3_504_872, 300_774_272, "0.301 G"),
    of_torchvision("densenet121", 7_978_856, 2_834_161_664, "2.834 G"),
    of_torchvision("densenet169", 14_149_480, 3_359_843_328, "3.360 G"),
    of_torchvision("densenet201", 20_013_928, 4_291_365_888, "4.291 G"),
    of_torchvision("resnext50", 25_028_904, 4_230_479_872, "4.230 G"),
    of_torchvision("resnext101", 88_791_336, 16_414_015_488, "16.414 G"),
    of_torchvision("wide_resnet50", 68_883_240, 11_398_021_120, "11.398 G"),
    Network("mobilenet_v1", 224, 1000, 4_231_976, 568_740_352, ("4.2 M", "0.569 G"), "arXiv 1704.04861, table 4"),
    of_timm("cspresnet50", 21_616_168, 4_517_240_832, ("21.62 M", "4.54 G"), 11.5, size=256),
    of_timm("vovnet39", 22_600_296, 7_072_227_328, ("22.60 M", "7.09 G"), 6.73),
    of_timm("ese_vovnet39", 24_568_936, 7_074_193_408, ("24.57 M", "7.09 G"), 6.74),
    of_timm("repvgg_a0", 9_108_968, 1_512_581_120, ("9.11 M", "1.52 G"), 3.59),
    of_timm("preact50", 25_549_352, 4_089_184_256, ("25.55 M", "4.11 G"), 11.11),
    Network(
        "alexnet_2012",
        224,
        1000,
        60_965_224,
        724_406_816,
        ("60 M", "0.666 G"),
        "Krizhevsky et al. 2012; Chen et al., ISSCC 2016, of convolutions alone",
        -58.6,
    ),
    Network("lenet5", 28, 10, 61_706, 416_520, ("60,000", ""), "LeCun et al. 1998, where the third layer sees less"),
    of_cifar("nin", 966_986, 222_486_528, "", "arXiv 1312.4400 has neither"),
    of_cifar("wrn_28_10", 36_479_194, 5_243_328_768, "36.5 M", "arXiv 1605.07146, table 4"),
    of_cifar("wrn_16_4", 2_748_890, 392_612_352, "2.7 M", "arXiv 1605.07146, table 4"),
    of_cifar("densenet_bc100", 769_162, 287_929_692, "0.8 M", "arXiv 1608.06993, table 2"),
    of_cifar("airbench94", 1_971_640, 118_147_360, "1.97 M", "arXiv 2404.00498"),
)


def table() -> str:
    """All networks in Markdown."""
    counted = json.loads(COUNTED.read_text(encoding="utf-8"))["costs"]
    rows = (
        [
            f"`{one.name}`",
            f"{one.size}",
            f"{one.parameters:,}",
            f"{one.macs:,}",
            *(text or "not published" for text in one.published),
            "equal" if one.name in counted else "\N{EN DASH}",
            one.source,
        ]
        for one in NETWORKS
    )
    heads = ("network", "image", "parameters", "multiply-accumulates", "published", "published", "torch", "source")
    return grid(heads, rows)
