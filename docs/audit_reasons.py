"""Why a symbol of the index is called by no experiment: four kinds of reasons, by symbol or by pattern.

``python -m docs.audit`` prints them; a test holds that each is still needed, and that a demonstration names its symbol.
"""

SHAPES, TREES = "tests/analysis/test_shapes.py", "tests/optim/test_averages.py"
LABELS, CAM, BITS = "tests/augment/test_labels.py", "tests/augment/test_cam.py", "tests/compress/test_bits.py"

BY_NAME = {  # a network of any experiment
    "models.*": "--model of any experiment",
    "init.*_names": "the weights of --model",
}
DEMONSTRATED = {  # no row of a table could act, or the claim is exact: by this test
    "losses.balance_alpha": "tests/losses/test_balanced.py",
    "losses.update_centers": "tests/losses/test_metric.py",
    "init.forget_bias": "tests/test_init.py",
    "init.grown": "tests/models/test_families.py",
    "init.read_torch": "tests/models/test_torch_file.py",
    "layers.conv2d_im2col": "tests/layers/test_conv.py",
    "layers.dense_to_conv": "tests/layers/test_conv.py",
    "layers.BatchNorm": "tests/layers/test_norms.py",  # experiments take it as models.batch_norm
    "augment.maybe": "tests/augment/test_augment_contract.py",
    "augment.flip_up_down": "tests/augment/test_flip.py",
    "augment.shear": "tests/augment/test_affine.py",
    "augment.translate": "tests/augment/test_affine.py",
    "augment.alternating_flip_sample": "tests/augment/test_augment_contract.py",
    "augment.mask_boxes": "tests/augment/test_collage.py",
    "augment.pick_size": "tests/augment/test_sizes.py",  # for loops of one's own: a step of fit has one size
    "augment.progressive_size": "tests/augment/test_sizes.py",
    "augment.letterbox_sample": "tests/augment/test_sizes.py",  # data.boxed does it on the host, once
    "augment.letterboxing": "tests/augment/test_sizes.py",
    "preprocess.standardize_inverse": "tests/test_preprocess.py",
    "preprocess.pca_fit": "tests/test_preprocess.py",  # what it gives is no image
    "preprocess.pca_inverse": "tests/test_preprocess.py",
    "preprocess.zca_inverse": "tests/test_preprocess.py",
    "optim.ema": TREES,  # of trees; fit averages by its own ema=
    "optim.ema_decay": TREES,
    "optim.swa": TREES,
    "optax.contrib.reduce_on_plateau": "tests/optim/test_plateau.py",
    "train.EarlyStopping": "tests/train/test_stages.py",  # no recipe, an argument of fit
    "detection.giou": "tests/cases/detection.py",
    "detection.ciou": "tests/cases/detection.py",
    "compress.threshold_masks": "tests/compress/test_masks.py",
    "compress.density": "tests/compress/test_masks.py",
    "compress.codebook_gradient": "tests/compress/test_codebooks.py",
    "compress.huffman_bits": "tests/compress/test_codebooks.py",
    "compress.xnor_dense": BITS,
    "compress.xnor_conv": BITS,
    "compress.packed_dense": BITS,
    "compress.packed_conv": BITS,
    "compress.int8_dense": BITS,
    "tricks.compression.surgery": "tests/tricks/test_smaller.py",
    "ensembles.stack_members": "tests/ensembles/test_stacking.py",
}
FIGURES = {  # what reports or converts, and changes no run
    "metrics.*": "but a figure of runs",
    "sklearn.metrics.*": "but a figure of runs",
    "analysis.*": "but a figure of networks",
    "detection.convert": "but a format",
    "detection.check_format": "but a format",
    "detection.area": "but a format",
    "optim.leaf_table": "but a list",
    "opt_states.*": "but what a loop reads",
}
NOT_MEASURED = {  # nothing here has the place where it would act
    "detection.fpn_level": ": every detector here has one stage, and cuts nothing out of its maps",
    "detection.roi_*": ": every detector here has one stage, and cuts nothing out of its maps",
    "detection.multilevel_roi": ": every detector here has one stage, and cuts nothing out of its maps",
}
