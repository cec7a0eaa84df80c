"""The losses in PyTorch, as peers to measure against: its own function where it has one, else the formula written out.

Arguments are those of the loss of the same name in ``benchmarks.losses``; the value is the mean over the batch.
"""

import math

from benchmarks._figures import module

torch, F = module("torch"), module("torch.nn.functional")


def balanced_cross_entropy(x, t, *, alpha):
    """Binary cross-entropy; its ``pos_weight`` is alpha / (1 - alpha)."""
    weight = torch.tensor(alpha / (1 - alpha), device=x.device)
    return (1 - alpha) * F.binary_cross_entropy_with_logits(x, t, pos_weight=weight)


def sigmoid_focal(x, t):
    """Gamma 2, alpha 0.25, on the binary cross-entropy, as torchvision has it."""
    p = torch.sigmoid(x)
    rest = p + t - 2 * p * t
    weight = 0.25 * t + 0.75 * (1 - t)
    return (weight * rest**2 * F.binary_cross_entropy_with_logits(x, t, reduction="none")).mean()


def softmax_focal(x, t):
    """Gamma 2."""
    log_p = F.log_softmax(x, -1)
    return -(t * (1 - log_p.exp()) ** 2 * log_p).sum(-1).mean()


def smoothed_exclusive(x, t):
    """Alpha 0.1, shared among the other classes."""
    return F.cross_entropy(x, 0.9 * t + 0.1 / (t.shape[-1] - 1) * (1 - t))


def multiclass_hinge(x, y):
    """Crammer and Singer: the largest of the terms."""
    true = x.gather(1, y[:, None])
    others = x.masked_fill(F.one_hot(y, x.shape[1]).bool(), -math.inf)
    return torch.relu(1 + others.max(1).values - true[:, 0]).mean()


def ramp(x, y):
    """Cut off at s = -1."""
    terms = (1 + x - x.gather(1, y[:, None])).clamp(0, 2)
    return (terms.sum(1) - 1).mean()  # the term of the true class is 1


def large_margin(x, w, y):
    """L-Softmax of margin 2, then cross-entropy."""
    z = x @ w
    true = z.gather(1, y[:, None])
    size = x.norm(dim=1, keepdim=True) * w.norm(dim=0)[y][:, None]
    cos = true / size
    psi = torch.where(cos < 0, -(2 * cos**2 - 1) - 2, 2 * cos**2 - 1)
    return F.cross_entropy(z.scatter(1, y[:, None], size * psi), y)


def arcface(x, w, y):
    """Scale 64, margin 0.5, then cross-entropy."""
    cos = F.normalize(x) @ F.normalize(w, dim=0)
    true = cos.gather(1, y[:, None])
    turned = true * math.cos(0.5) - (1 - true**2).sqrt() * math.sin(0.5)
    target = torch.where(true > -math.cos(0.5), turned, true - 0.5 * math.sin(0.5))
    return F.cross_entropy(64 * cos.scatter(1, y[:, None], target), y)


def center(x, y, c):
    """Half the squared distance to the centre."""
    return 0.5 * ((x - c[y]) ** 2).sum(1).mean()


def supervised_contrastive(x, y):
    """Temperature 0.1."""
    z = F.normalize(x)
    itself = torch.eye(len(x), dtype=torch.bool, device=x.device)
    log_p = F.log_softmax((z @ z.T / 0.1).masked_fill(itself, -math.inf), 1)
    alike = (y[:, None] == y[None, :]) & ~itself
    return -(log_p.masked_fill(~alike, 0).sum(1) / alike.sum(1).clamp(min=1)).mean()


def tukey_biweight(r):
    """The usual c."""
    c = 4.6851
    return (c**2 / 6 * (1 - (1 - (r / c).clamp(-1, 1) ** 2) ** 3)).mean()


def kl_divergence(x, t):
    """Of the targets from the softmax of the logits."""
    return F.kl_div(F.log_softmax(x, -1), t, reduction="batchmean")


def distillation(s, t):
    """Temperature 2."""
    return 4 * F.kl_div(F.log_softmax(s / 2, -1), F.softmax(t / 2, -1), reduction="batchmean")


def logit_regression(s, t):
    """Half the squared distance."""
    return 0.5 * s.shape[1] * F.mse_loss(s, t)


def expected_cost(x, y, costs):
    """Under the softmax."""
    return (costs[y] * F.softmax(x, -1)).sum(-1).mean()


def elastic_net(w):
    """Both with the factor 1e-4."""
    return 1e-4 * w.abs().sum() + 0.5e-4 * (w**2).sum()


def poly_loss(x, t):
    """Epsilon 2."""
    return F.cross_entropy(x, t) + 2 * (1 - (t * F.softmax(x, -1)).sum(-1)).mean()


def asymmetric(x, t):
    """Gammas 0 and 4, shift 0.05."""
    q = (torch.sigmoid(x) - 0.05).clamp(min=0)
    return -(t * F.logsigmoid(x) + (1 - t) * q**4 * torch.log1p(-q)).mean()


def ldam(x, y, counts):
    """Largest margin 0.5."""
    margins = 0.5 * (counts / counts.min()) ** -0.25
    return F.cross_entropy(x - margins[None, :] * F.one_hot(y, x.shape[1]), y)


def logit_adjusted(x, t, counts):
    """Tau 1."""
    return F.cross_entropy(x + counts.log(), t)


def generalized_cross_entropy(x, t):
    """Q 0.7."""
    return (t * (1 - F.softmax(x, -1) ** 0.7) / 0.7).sum(-1).mean()


def box_loss(kind):
    """IoU, GIoU, DIoU or CIoU loss of boxes that overlap nothing degenerate."""

    def loss(a, b):
        size_a, size_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
        shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
        union = size_a.prod(1) + size_b.prod(1) - shared
        iou = shared / union
        if kind == "iou":
            return (1 - iou).mean()
        around = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
        if kind == "giou":
            area = around.prod(1)
            return (1 - iou + (area - union) / area).mean()
        apart = (((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2) ** 2).sum(1)
        diou = 1 - iou + apart / (around**2).sum(1)
        if kind == "diou":
            return diou.mean()
        turn = torch.atan(size_b[:, 0] / size_b[:, 1]) - torch.atan(size_a[:, 0] / size_a[:, 1])
        v = 4 / math.pi**2 * turn**2
        return (diou + (v / (1 - iou + v)).detach() * v).mean()

    return loss


def ohem(losses):
    """Mean of the 256 largest of each row."""
    return losses.topk(256).values.mean()


def hard_negatives(losses, positives):
    """All positives and three negatives for each, the largest; the mean a positive."""
    order = losses.detach().masked_fill(positives, -math.inf).argsort(1, descending=True)
    first = torch.arange(losses.shape[1], device=losses.device)[None, :] < 3 * positives.sum(1, keepdim=True)
    kept = positives.scatter(1, order, first) | positives
    return (losses * kept).sum() / positives.sum()
