"""Networks that torchvision and timm lack, in torch, after their papers; modules are called as our leaves are."""

import torch
from torch import nn


def activated(inputs: int, outputs: int, kernel: int, act: nn.Module, padding: int | None = None) -> nn.Module:
    """A convolution with a bias, and its activation."""
    padding = kernel // 2 if padding is None else padding
    return nn.ModuleDict({"conv": nn.Conv2d(inputs, outputs, kernel, padding=padding), "act": act})


def run(x: torch.Tensor, layers) -> torch.Tensor:
    for layer in layers:
        x = layer["act"](layer["conv"](x))
    return x


class LeNet(nn.Module):
    """LeCun et al. 1998, figure 2, with a full third layer and plain averages."""

    def __init__(self, widths=(6, 16, 120), units=84, classes=10):
        super().__init__()
        first, second, third = widths
        sizes = ((1, first, 2), (first, second, 0), (second, third, 0))
        self.convs = nn.ModuleList(activated(i, o, 5, nn.Tanh(), p) for i, o, p in sizes)
        self.hidden = nn.ModuleList([nn.Linear(third, units)])
        self.head = nn.Linear(units, classes)

    def forward(self, x):
        for number, layer in enumerate(self.convs):
            x = run(nn.functional.avg_pool2d(x, 2) if number else x, [layer])
        return self.head(torch.tanh(self.hidden[0](x.flatten(1))))


class NetworkInNetwork(nn.Module):
    """Lin et al., arXiv 1312.4400, the authors' definition for CIFAR-10: max pool, average pool, global average."""

    def __init__(self, stages=((5, (192, 160, 96)), (5, (192, 192, 192)), (3, (192, 192))), classes=10):
        super().__init__()
        inputs = 3
        for number, (kernel, widths) in enumerate(stages, 1):
            layers = []
            for place, width in enumerate(widths):
                layers.append(activated(inputs, width, 1 if place else kernel, nn.ReLU()))
                inputs = width
            setattr(self, f"stage{number}", nn.ModuleList(layers))
        self.head = activated(inputs, classes, 1, nn.ReLU())

    def forward(self, x):
        x = nn.functional.max_pool2d(run(x, self.stage1), 3, 2, ceil_mode=True)
        x = nn.functional.avg_pool2d(run(x, self.stage2), 3, 2, ceil_mode=True)
        return run(run(x, self.stage3), [self.head]).mean((2, 3))


class Before(nn.Module):
    """Normalisation, then activation."""

    def __init__(self, width):
        super().__init__()
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(self.bn(x))


class WideBlock(nn.Module):
    """BN, ReLU, 3x3, BN, ReLU, 3x3; where shapes differ the shortcut is a 1x1 of the activated input."""

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.norms = nn.ModuleList([Before(inputs), Before(width)])
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(inputs, width, 3, stride, 1, bias=False),
                nn.Conv2d(width, width, 3, 1, 1, bias=False),
            ]
        )
        self.shortcut = nn.Conv2d(inputs, width, 1, stride, bias=False) if inputs != width else None

    def forward(self, x):
        y = self.norms[0](x)
        x = x if self.shortcut is None else self.shortcut(y)
        return x + self.convs[1](self.norms[1](self.convs[0](y)))


class WideResNet(nn.Module):
    """Zagoruyko and Komodakis, arXiv 1605.07146, table 1."""

    def __init__(self, count, factor, base=16, classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, base, 3, padding=1, bias=False)
        inputs = base
        for number in (1, 2, 3):
            width = base * factor * 2 ** (number - 1)
            blocks = []
            for place in range(count):
                blocks.append(WideBlock(inputs, width, 2 if place == 0 and number > 1 else 1))
                inputs = width
            setattr(self, f"stage{number}", nn.ModuleList(blocks))
        self.last, self.head = Before(inputs), nn.Linear(inputs, classes)

    def forward(self, x):
        x = self.stem(x)
        for block in (*self.stage1, *self.stage2, *self.stage3):
            x = block(x)
        return self.head(self.last(x).mean((2, 3)))


class Gated(nn.Module):
    """Srivastava et al., arXiv 1505.00387, equation 3: H T + x (1 - T)."""

    def __init__(self, width):
        super().__init__()
        self.plain, self.gate = activated(width, width, 3, nn.ReLU()), nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        gate = torch.sigmoid(self.gate(x))
        return run(x, [self.plain]) * gate + x * (1 - gate)


class Highway(nn.Module):
    """Gated layers behind a plain one; a max pool between stages."""

    def __init__(self, stages, classes=10):
        super().__init__()
        self.entries, inputs = nn.ModuleList(), 3
        for number, (width, count) in enumerate(stages, 1):
            self.entries.append(activated(inputs, width, 3, nn.ReLU()))
            setattr(self, f"stage{number}", nn.ModuleList(Gated(width) for _ in range(count)))
            inputs = width
        self.head = nn.Linear(inputs, classes)

    def forward(self, x):
        for number, entry in enumerate(self.entries, 1):
            x = run(nn.functional.max_pool2d(x, 2) if number > 1 else x, [entry])
            for layer in getattr(self, f"stage{number}"):
                x = layer(x)
        return self.head(x.mean((2, 3)))


class Half(nn.Module):
    def __init__(self, inputs, outputs, pool):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), pool
        self.bn = nn.BatchNorm2d(outputs, eps=1e-12)
        self.bn.weight = None  # no gamma

    def forward(self, x):
        x = self.conv(x)
        return nn.functional.gelu(self.bn(nn.functional.max_pool2d(x, 2) if self.pool else x))


class Airbench(nn.Module):
    """Jordan, arXiv 2404.00498, section 3.1: a 2x2 convolution, three blocks of two 3x3, a max pool of 3x3."""

    def __init__(self, widths, classes=10):
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        inputs = 24
        for number, width in enumerate(widths, 1):
            setattr(self, f"stage{number}", nn.ModuleList([Half(inputs, width, True), Half(width, width, False)]))
            inputs = width
        self.head = nn.Linear(inputs, classes, bias=False)

    def forward(self, x):
        x = nn.functional.gelu(self.whiten(x))
        for half in (*self.stage1, *self.stage2, *self.stage3):
            x = half(x)
        return self.head(nn.functional.max_pool2d(x, 3).flatten(1)) / 9
