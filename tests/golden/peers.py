"""Libraries that the golden files are made with, where importing them takes more than ``import``."""

KEPT: list = []  # definitions of operators, which go when the object goes


def import_torchvision():
    """torchvision; where its compiled operators do not fit torch, it wants the signatures of two of them first."""
    try:
        import torchvision
    except RuntimeError:
        import torch

        KEPT.append(torch.library.Library("torchvision", "FRAGMENT"))
        for operator in ("nms", "qnms"):
            KEPT[-1].define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision
    return torchvision
