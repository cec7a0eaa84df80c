"""What torchvision and timm call the leaves of each family of networks: ``names=`` of ``init.load_pretrained``.

Each is called with the paths of all leaves of one network and gives ``{path: name}``; leaves of anything else are left
out. ``resnet`` and its kin need none.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from string import ascii_lowercase

from jaxtricks._signatures import shown
from jaxtricks.init._pretrained import LEAVES

Rule = tuple[str, Callable[..., str]]


@dataclass(frozen=True)
class Names:
    """Rules from our paths of modules to the names of others.

    Fields:
      rules: ``paths -> ((pattern, name of the groups of its match), ...)``; the last that fits a path counts.
    """

    rules: Callable[[list[str]], Iterable[Rule]]

    def __repr__(self) -> str:
        return shown(self)

    def __call__(self, paths: Iterable[str]) -> dict[str, str]:
        """``{path: name}`` of all leaves that a rule fits."""
        paths = sorted(paths)
        rules = tuple(self.rules(paths))
        names = {}
        for path in paths:
            module, _, leaf = path.rpartition("/")
            for pattern, name in rules:
                match = re.fullmatch(pattern, module)
                if match and leaf in LEAVES:
                    names[path] = f"{name(*match.groups())}.{LEAVES[leaf]}"
        return names


def _places(paths: list[str], gap: int, step: Callable[[str], int]) -> dict[tuple[str, str], int]:
    """Where each module of each stage stands in one sequence, with ``gap`` places between two stages."""
    modules = sorted({(m[1], m[2]) for path in paths if (m := re.match(r"stage(\d+)/(\d+)/", path))}, key=_numbers)
    places, place, last = {}, 0, "1"
    for stage, module in modules:
        place += gap * (stage != last)
        places[stage, module], last = place, stage
        place += step(f"stage{stage}/{module}/")
    return places


def _numbers(groups: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(map(int, groups))


def _stacked(hidden: tuple[int, ...]) -> Callable:
    def rules(paths):
        normal = any("/bn/" in path for path in paths)
        places = _places(paths, 1, lambda _: 3 if normal else 2)
        return (
            (r"stage(\d+)/(\d+)/(conv|bn)", lambda s, i, kind: f"features.{places[s, i] + (kind == 'bn')}"),
            (r"hidden/(\d+)", lambda i: f"classifier.{hidden[int(i)]}"),
            (r"head", lambda: f"classifier.{hidden[-1]}"),
        )

    return rules


alexnet_names = Names(_stacked((1, 4, 6)))
vgg_names = Names(_stacked((0, 3, 6)))


def _googlenet(paths):
    yield r"stem/(\d+)/(conv|bn)", lambda i, kind: f"conv{int(i) + 1}.{kind}"
    block = r"stage(\d+)/(\d+)/branch"
    yield (
        block + r"1/(conv|bn)",
        lambda s, i, kind: f"inception{int(s) + 2}{ascii_lowercase[int(i)]}.branch1.{kind}",
    )
    yield (
        block + r"([23])/(\d)/(conv|bn)",
        lambda s, i, b, j, kind: f"inception{int(s) + 2}{ascii_lowercase[int(i)]}.branch{b}.{j}.{kind}",
    )
    yield (
        block + r"4/(conv|bn)",
        lambda s, i, kind: f"inception{int(s) + 2}{ascii_lowercase[int(i)]}.branch4.1.{kind}",
    )
    yield r"auxiliary/(\d)/conv/(conv|bn)", lambda i, kind: f"aux{int(i) + 1}.conv.{kind}"
    yield r"auxiliary/(\d)/dense", lambda i: f"aux{int(i) + 1}.fc1"
    yield r"auxiliary/(\d)/head", lambda i: f"aux{int(i) + 1}.fc2"
    yield r"head", lambda: "fc"


googlenet_names = Names(_googlenet)

STEM = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")
HALVING = (("branch3x3",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"))
BLOCKS = {  # the branches of the blocks of a stage: of the first block of a later stage, and of the others
    "1": (
        ("branch1x1",),
        ("branch5x5_1", "branch5x5_2"),
        ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
        ("branch_pool",),
    ),
    "2": (
        ("branch1x1",),
        tuple(f"branch7x7_{i}" for i in (1, 2, 3)),
        tuple(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)),
        ("branch_pool",),
    ),
    "3": (("branch1x1",), ("branch3x3_1",), ("branch3x3dbl_1", "branch3x3dbl_2"), ("branch_pool",)),
    "2 first": HALVING,
    "3 first": (("branch3x3_1", "branch3x3_2"), tuple(f"branch7x7x3_{i}" for i in (1, 2, 3, 4))),
}


def _mixed(stage: str, block: str, branch: str, part: str, number: str) -> str:
    """The name of one convolution of an Inception-v3 block."""
    first = stage != "1" and block == "0"
    letter = ascii_lowercase[int(block) + (stage == "1")]
    if part == "fork":
        name = {"1": "branch3x3_2", "2": "branch3x3dbl_3"}[branch] + "ab"[int(number)]
    else:
        name = BLOCKS[f"{stage} first" if first else stage][int(branch)][int(number)]
    return f"Mixed_{int(stage) + 4}{letter}.{name}"


def _inception_v3(paths):
    yield r"stem/(\d)/(conv|bn)", lambda i, kind: f"Conv2d_{STEM[int(i)]}.{kind}"
    yield (
        r"stage(\d)/(\d+)/branches/(\d)/(convs|fork)/(\d)/(conv|bn)",
        lambda s, i, b, part, j, kind: f"{_mixed(s, i, b, part, j)}.{kind}",
    )
    yield r"auxiliary/convs/(\d)/(conv|bn)", lambda i, kind: f"AuxLogits.conv{i}.{kind}"
    yield r"auxiliary/head", lambda: "AuxLogits.fc"
    yield r"head", lambda: "fc"


inception_v3_names = Names(_inception_v3)


def _densenet(paths):
    def layer(s, i, name):
        return f"features.denseblock{s}.denselayer{int(i) + 1}.{name}"

    yield r"stem/(conv|bn)", lambda kind: "features.conv0" if kind == "conv" else "features.norm0"
    yield r"stage(\d+)/(\d+)/(conv\d)", layer
    yield r"stage(\d+)/(\d+)/first/bn", lambda s, i: layer(s, i, "norm1")
    yield r"stage(\d+)/(\d+)/second/bn", lambda s, i: layer(s, i, "norm2")
    yield r"transitions/(\d+)/norm/bn", lambda i: f"features.transition{int(i) + 1}.norm"
    yield r"transitions/(\d+)/conv", lambda i: f"features.transition{int(i) + 1}.conv"
    yield r"last/bn", lambda: "features.norm5"
    yield r"head", lambda: "classifier"


densenet_names = Names(_densenet)


def _squeezenet(paths):
    places = _places(paths, 1, lambda _: 1)
    kinds = {"squeeze": "squeeze", "expand1": "expand1x1", "expand3": "expand3x3"}
    yield r"stem/conv", lambda: "features.0"
    yield (
        r"stage(\d+)/(\d+)/(squeeze|expand[13])/conv",
        lambda s, i, kind: f"features.{3 + places[s, i]}.{kinds[kind]}",
    )
    yield r"head/conv", lambda: "classifier.1"


squeezenet_names = Names(_squeezenet)


def _mobilenet_v1(paths):
    yield r"stem/(conv|bn)", lambda kind: "conv_stem" if kind == "conv" else "bn1"
    kinds = {("depthwise", "conv"): "conv_dw", ("depthwise", "bn"): "bn1"}
    kinds |= {("pointwise", "conv"): "conv_pw", ("pointwise", "bn"): "bn2"}
    yield (
        r"stage(\d+)/(\d+)/(depthwise|pointwise)/(conv|bn)",
        lambda s, i, part, kind: f"blocks.{int(s) - 1}.{i}.{kinds[part, kind]}",
    )
    yield r"head", lambda: "classifier"


mobilenet_v1_names = Names(_mobilenet_v1)


def _mobilenet_v2(paths):
    places = _places(paths, 0, lambda _: 1)
    expanded = {(m[1], m[2]) for path in paths if (m := re.match(r"stage(\d+)/(\d+)/expand/", path))}
    last = 1 + len(places)

    def block(s, i, place, end=""):
        return f"features.{1 + places[s, i]}.conv.{place + ((s, i) in expanded)}{end}"

    yield r"stem/(conv|bn)", lambda kind: f"features.0.{int(kind == 'bn')}"
    yield r"stage(\d+)/(\d+)/expand/(conv|bn)", lambda s, i, kind: block(s, i, -1, f".{int(kind == 'bn')}")
    yield r"stage(\d+)/(\d+)/depthwise/(conv|bn)", lambda s, i, kind: block(s, i, 0, f".{int(kind == 'bn')}")
    yield r"stage(\d+)/(\d+)/last_conv", lambda s, i: block(s, i, 1)
    yield r"stage(\d+)/(\d+)/(?:last|linear)_bn", lambda s, i: block(s, i, 2)
    yield r"last/(conv|bn)", lambda kind: f"features.{last}.{int(kind == 'bn')}"
    yield r"head", lambda: "classifier.1"


mobilenet_v2_names = Names(_mobilenet_v2)


def _cspnet(paths):
    kinds = {"down": "conv_down", "expand": "conv_exp", "transition": "conv_transition_b", "merge": "conv_transition"}
    yield r"stem/(conv|bn)", lambda kind: f"stem.conv1.{kind}"
    yield (
        r"stages/(\d+)/(down|expand|transition|merge)/(conv|bn)",
        lambda s, part, kind: f"stages.{s}.{kinds[part]}.{kind}",
    )
    yield (
        r"stages/(\d+)/blocks/(\d+)/inner/(\d)/(conv|bn)",
        lambda s, i, j, kind: f"stages.{s}.blocks.{i}.conv{int(j) + 1}.{kind}",
    )
    yield r"stages/(\d+)/blocks/(\d+)/last_(conv|bn)", lambda s, i, kind: f"stages.{s}.blocks.{i}.conv3.{kind}"
    yield r"head", lambda: "head.fc"


cspnet_names = Names(_cspnet)


def _vovnet(paths):
    yield r"stem/(\d)/(conv|bn)", lambda i, kind: f"stem.{i}.{kind}"
    yield (
        r"stage(\d+)/(\d+)/layers/(\d+)/(conv|bn)",
        lambda s, i, j, kind: f"stages.{int(s) - 1}.blocks.{i}.conv_mid.{j}.{kind}",
    )
    yield r"stage(\d+)/(\d+)/merge/(conv|bn)", lambda s, i, kind: f"stages.{int(s) - 1}.blocks.{i}.conv_concat.{kind}"
    yield r"stage(\d+)/(\d+)/gate", lambda s, i: f"stages.{int(s) - 1}.blocks.{i}.attn.fc"
    yield r"head", lambda: "head.fc"


vovnet_names = Names(_vovnet)


def _repvgg(paths):
    branches = {"conv3": "conv_kxk", "conv1": "conv_1x1"}
    yield r"stem/(conv[13])/(conv|bn)", lambda branch, kind: f"stem.{branches[branch]}.{kind}"
    yield (
        r"stage(\d+)/(\d+)/(conv[13])/(conv|bn)",
        lambda s, i, branch, kind: f"stages.{int(s) - 1}.{i}.{branches[branch]}.{kind}",
    )
    yield r"stage(\d+)/(\d+)/identity", lambda s, i: f"stages.{int(s) - 1}.{i}.identity"
    yield r"head", lambda: "head.fc"


repvgg_names = Names(_repvgg)


def _preact(paths):
    yield r"stem", lambda: "stem.conv"
    yield r"stage(\d+)/(\d+)/norms/(\d)/bn", lambda s, i, j: f"stages.{int(s) - 1}.blocks.{i}.norm{int(j) + 1}"
    yield r"stage(\d+)/(\d+)/convs/(\d)", lambda s, i, j: f"stages.{int(s) - 1}.blocks.{i}.conv{int(j) + 1}"
    yield r"stage(\d+)/(\d+)/shortcut", lambda s, i: f"stages.{int(s) - 1}.blocks.{i}.downsample.conv"
    yield r"last/bn", lambda: "norm"
    yield r"head", lambda: "head.fc"


preact_names = Names(_preact)
