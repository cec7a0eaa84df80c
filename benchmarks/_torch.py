"""The same residual networks in PyTorch, as a peer to measure against."""

import torch
from torch import nn

from jaxtricks.models import Layout


def conv_norm(inputs, outputs, kernel, stride):
    """Convolution without bias, then batch normalisation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Block(nn.Module):
    """A bottleneck or a basic block; with ``d`` the shortcut that halves averages first."""

    def __init__(self, inputs, width, stride, bottleneck, b, d):
        super().__init__()
        outputs = width * 4 if bottleneck else width
        first, second = (1, stride) if b else (stride, 1)
        layers = (
            [conv_norm(inputs, width, 1, first), nn.ReLU(True), conv_norm(width, width, 3, second), nn.ReLU(True)]
            if bottleneck
            else [conv_norm(inputs, width, 3, stride), nn.ReLU(True)]
        )
        self.path = nn.Sequential(*layers, conv_norm(width, outputs, 1 if bottleneck else 3, 1))
        shortcut = []
        if stride > 1 and d:
            shortcut.append(nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False))
        if stride > 1 or inputs != outputs:
            shortcut.append(conv_norm(inputs, outputs, 1, 1 if d else stride))
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x):
        """The block's output."""
        return torch.relu(self.path(x) + self.shortcut(x))


def resnet(layout: Layout, *, classes: int, channels: int = 3, b: bool, c: bool, d: bool) -> nn.Module:
    """The network of jaxtricks.models.resnet with the same arguments."""
    width = layout.widths[0]
    kernel, stride = layout.stem
    if c:
        half = width // 2
        stem = [conv_norm(channels, half, 3, stride), nn.ReLU(True), conv_norm(half, half, 3, 1), nn.ReLU(True)]
        stem += [conv_norm(half, width, 3, 1), nn.ReLU(True)]
    else:
        stem = [conv_norm(channels, width, kernel, stride), nn.ReLU(True)]
    layers = stem + ([nn.MaxPool2d(3, 2, 1)] if layout.pool else [])
    inputs = width
    for stage, (count, width) in enumerate(zip(layout.blocks, layout.widths, strict=True)):
        for i in range(count):
            layers.append(Block(inputs, width, 2 if i == 0 and stage else 1, layout.bottleneck, b, d))
            inputs = width * 4 if layout.bottleneck else width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))
