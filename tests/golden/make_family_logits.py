"""torchvision's and timm's names, shapes and logits for weights that a formula gives, in family_logits.json.

    python tests/golden/make_family_logits.py          # write the file
    python tests/golden/make_family_logits.py --check  # compare it with what torchvision and timm say now

Weights, images and digest are those of make_resnet_logits.py, so that only logits are stored. A dense layer that is a
1x1 convolution there counts as a dense layer, and ``num_batches_tracked`` is left out.
"""

import json
import platform
import sys
from datetime import date
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1]))  # as the tests have it
from golden.make_resnet_logits import CLASSES, NEAR, digest, images, tensor

STORED = Path(__file__).with_name("family_logits.json")
TORCHVISION = {
    **{name: {} for name in ("alexnet", "vgg11", "vgg11_bn", "squeezenet1_1", "mobilenet_v2", "resnext50_32x4d")},
    **{name: {} for name in ("densenet121", "densenet169", "wide_resnet50_2")},
    "googlenet": {"init_weights": False},
    "inception_v3": {"init_weights": False, "transform_input": False},
}
TIMM = (
    *("mobilenetv1_100", "cspresnet50", "vovnet39a", "ese_vovnet39b", "repvgg_a0", "resnetv2_50"),
    *("seresnet50", "ecaresnet50d", "resnetblur50"),
)
LARGE = {"inception_v3": (96, 107), "alexnet": (80, 72), "vgg11": (40, 72), "vgg11_bn": (40, 72)}  # rows and columns


def narrow(torchvision, timm) -> dict:
    """Networks of few layers and channels, for the tests that run every time."""
    import torch
    from timm.layers import BatchNormAct2d, BlurPool2d, create_conv2d
    from timm.models import byobnet, cspnet, efficientnet, resnet, resnetv2, vovnet

    tv, nn = torchvision.models, torch.nn
    vgg = tv.vgg.VGG(tv.vgg.make_layers([4, "M", 8, 8, "M"], batch_norm=True), num_classes=CLASSES)
    vgg.classifier = nn.Sequential(
        *(nn.Linear(8 * 49, 16), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(16, 12), nn.ReLU(), nn.Dropout(), nn.Linear(12, CLASSES)),
    )
    mobile = efficientnet._gen_mobilenet_v1("mobilenetv1_100", 0.25)
    mobile.blocks, mobile.classifier = mobile.blocks[:2], nn.Linear(32, CLASSES)
    stages = dict(depth=(1, 2), out_chs=(8, 16), stride=(1, 2), expand_ratio=2.0, bottle_ratio=0.5, cross_linear=True)
    csp = cspnet.CspModelCfg(
        cspnet.CspStemCfg(out_chs=8, kernel_size=7, stride=4, pool="max"), cspnet.CspStagesCfg(**stages)
    )
    blocks = tuple(byobnet.ByoBlockCfg(type="rep", d=d, c=c, s=2, gs=0) for d, c in ((2, 8), (2, 16)))
    vov = dict(stem_chs=[8, 8, 12], stage_conv_chs=[6, 8, 8, 8], stage_out_chs=[16, 20, 20, 24], layer_per_block=2)
    narrow_bottleneck = dict(block=resnet.Bottleneck, num_classes=CLASSES)
    return {
        "vgg_bn narrow": vgg,
        "densenet narrow": tv.DenseNet(4, (2, 3), 8, num_classes=CLASSES),
        "mobilenet_v2 narrow": tv.MobileNetV2(
            num_classes=CLASSES,
            width_mult=0.25,
            inverted_residual_setting=[[1, 32, 1, 1], [6, 32, 2, 2], [6, 64, 2, 2]],
        ),
        "mobilenet_v1 narrow": mobile,
        "csp narrow": cspnet.CspNet(csp, num_classes=CLASSES),
        "vovnet narrow": vovnet.VovNet(
            vov | dict(block_per_stage=[1, 2, 1, 1], residual=True, depthwise=False, attn="ese"), num_classes=CLASSES
        ),
        "repvgg narrow": byobnet.ByobNet(
            byobnet.ByoModelCfg(blocks=blocks, stem_type="rep", stem_chs=8), num_classes=CLASSES
        ),
        "preact narrow": resnetv2.ResNetV2(
            layers=[1, 2],
            channels=(32, 64),
            stem_chs=8,
            num_classes=CLASSES,
            conv_layer=create_conv2d,
            norm_layer=BatchNormAct2d,
        ),
        "resnext, squeeze-excite, blur narrow": resnet.ResNet(
            layers=[1, 1, 1, 1],
            channels=(64, 32, 32, 32),
            cardinality=4,
            base_width=16,
            aa_layer=BlurPool2d,
            block_args=dict(attn_layer="se"),
            **narrow_bottleneck,
        ),
        "resnet, eca, dilated narrow": resnet.ResNet(
            layers=[1, 1, 2, 2],
            channels=(64, 16, 16, 32),
            output_stride=8,
            block_args=dict(attn_layer="eca"),
            **narrow_bottleneck,
        ),
    }


def size_of(name: str) -> tuple[int, int]:
    """Rows and columns of the images that a network sees."""
    return LARGE.get(name, (64, 56))


def photographs(name: str) -> np.ndarray:
    """Two images of a network's size, ``[2, H, W, 3]``, float32: noise, and noise that fades from white to black."""
    rows, columns = size_of(name)
    small = images()
    repeated = np.tile(small, (1, -(-rows // small.shape[1]), -(-columns // small.shape[2]), 1))[:, :rows, :columns]
    ramp = np.linspace(2, -2, rows, dtype=np.float32).reshape(-1, 1, 1)
    return np.stack([repeated[0], ramp + ramp * repeated[1] / 2])


def shapes_of(network) -> dict[str, tuple[int, ...]]:
    """Names and shapes of what a network of torch holds, as far as they count."""
    found = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    return {name: shape for name, shape in found.items() if not name.endswith("num_batches_tracked")}


def bare(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without ones at its end."""
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def peer(name: str, network) -> dict:
    """A digest of names and shapes, the number of parameters, and the logits under the formula's weights."""
    import torch

    found = shapes_of(network)
    weights = {key: torch.from_numpy(np.array(tensor(key, shape))) for key, shape in found.items()}
    network.load_state_dict(weights, strict=False)
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(photographs(name)).permute(0, 3, 1, 2)).numpy()
    return {
        "shapes": digest({key: bare(shape) for key, shape in found.items()}),
        "parameters": sum(value.numel() for value in network.parameters()),
        "logits": [[float(f"{value:.8g}") for value in row] for row in logits],
    }


def peers() -> dict:
    """All networks by name."""
    from golden.peers import import_torchvision

    torchvision = import_torchvision()  # which timm imports
    import timm

    networks = narrow(torchvision, timm)
    for name, options in TORCHVISION.items():
        networks[name] = torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **options)
    networks |= {name: timm.create_model(name, pretrained=False, num_classes=CLASSES) for name in TIMM}
    return {name: peer(name, network) for name, network in networks.items()}


def main(arguments: list[str]) -> int:
    """Write the file, or compare it; returns how many networks differ."""
    if arguments not in ([], ["--check"]):
        raise SystemExit(f"the arguments are {arguments}; allowed: none, or --check")
    models = peers()
    if not arguments:
        from importlib.metadata import version

        versions = {name: version(name) for name in ("numpy", "torch", "torchvision", "timm")}
        stored = {
            "command": "python tests/golden/make_family_logits.py",
            "date": date.today().isoformat(),
            "versions": {"python": platform.python_version(), **versions},
            "models": models,
        }
        text = json.dumps(stored, separators=(",", ":")).replace("],[", "],\n[").replace('},"', '},\n"')
        STORED.write_text(text.replace('{"', '{\n"') + "\n", encoding="utf-8")
        return 0
    stored, different = json.loads(STORED.read_text(encoding="utf-8"))["models"], 0
    for name in sorted(stored.keys() | models.keys()):
        same = name in stored and name in models and stored[name]["shapes"] == models[name]["shapes"]
        apart = float("nan")
        if same:
            kept, now = (np.array(table[name]["logits"]) for table in (stored, models))
            apart = np.abs(kept - now).max() / np.abs(now).max()
            same = apart < NEAR
        print(f"{name:20s} {'same' if same else 'DIFFERENT'}, logits apart by {apart:.1e} of the largest")
        different += not same
    return different


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
