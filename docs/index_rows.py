"""The rows of the index of tricks: what is grouped under which id. All else is read from docstrings and experiments.

A public function that is in no row gets one of its own, after the last of its family: nothing need be entered here.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """A row of the index.

    Fields:
      id: letter of the family and number; "+" for what the original list did not have.
      title: a few words.
      symbols: public names with commas between them, each with a note in parentheses where a reader needs one.
      papers: besides those of the docstrings, for what is another library's.
      also: experiments besides those whose rows use a symbol, such as one whose baseline has it.
      specific: False where the symbols are general and the row is about one use of them: papers and experiments are
        then those given here alone.
    """

    id: str
    title: str
    symbols: str
    papers: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    specific: bool = True


SGD = ("bag_of_tricks", "optimizers", "recipes", "regularizers")  # their baselines decay so

ROWS = (
    Row("A1", "softmax cross-entropy", "optax.softmax_cross_entropy", also=("bag_of_tricks", "losses")),
    Row("A2", "binary cross-entropy", "optax.sigmoid_binary_cross_entropy"),
    Row("A3", "balanced cross-entropy", "losses.balanced_cross_entropy, losses.balance_alpha"),
    Row("A4", "focal", "optax.sigmoid_focal_loss (alpha None by default; RetinaNet's is 0.25), losses.softmax_focal"),
    Row("A5", "label smoothing", "optax.smooth_labels, losses.smooth_labels_exclusive"),
    Row(
        "A6",
        "multi-class hinge",
        "optax.losses.multiclass_hinge_loss, losses.weston_watkins",
        papers=("Crammer & Singer 2001",),
    ),
    Row("A7", "ramp", "losses.ramp"),
    Row("A8", "large-margin softmax", "losses.large_margin_logits"),
    Row("A9", "center loss", "losses.center, losses.center_pull, losses.update_centers"),
    Row("A10", "L2, L1, smooth L1", "optax.squared_error, losses.absolute_error, optax.huber_loss"),
    Row("A11", "Tukey biweight", "losses.tukey_biweight, losses.mad_scale"),
    Row(
        "A12",
        "label distributions",
        "losses.gaussian_label_distribution, losses.expected_value, optax.losses.kl_divergence",
    ),
    Row(
        "A13",
        "distillation",
        "losses.distillation, losses.logit_regression, losses.attention_transfer",
        also=("compress", "thin"),
    ),
    Row(
        "A14",
        "costs of errors",
        "losses.expected_cost, losses.cost_vector, losses.class_weights, losses.costs_from_counts, "
        "losses.costs_from_confusion",
    ),
    Row("A15", "penalties", "losses.l1_penalty, losses.l2_penalty, losses.elastic_net, losses.group_sparsity"),
    Row("A16", "box losses", "losses.iou_loss, losses.giou_loss, losses.diou_loss, losses.ciou_loss"),
    Row("A17", "hard examples", "losses.hard_negative_weights, losses.ohem_weights"),
    Row("A18", "nearest source samples", "data.nearest_source", also=("finetune",)),
    Row("A+", "binary targets of RSB", "losses.bce_targets", also=("recipes",)),
    Row("A+", "PolyLoss", "optax.losses.poly_loss_cross_entropy", papers=("arXiv 2204.12511",)),
    Row("A+", "asymmetric", "losses.asymmetric"),
    Row("A+", "LDAM", "losses.ldam"),
    Row("A+", "logit adjustment", "losses.logit_adjusted"),
    Row("A+", "bi-tempered", "losses.bi_tempered"),
    Row("A+", "generalised cross-entropy", "losses.generalized_cross_entropy"),
    Row("A+", "ArcFace", "losses.arcface_logits"),
    Row("A+", "supervised contrastive", "losses.supervised_contrastive"),
    Row(
        "B1",
        "constant, normal, truncated normal",
        "jax.nn.initializers.constant, jax.nn.initializers.normal, jax.nn.initializers.truncated_normal",
    ),
    Row(
        "B2",
        "Xavier",
        "jax.nn.initializers.glorot_uniform, init.xavier_normal (JAX's normal is truncated)",
        also=("bag_of_tricks",),
    ),
    Row("B3", "He", "jax.nn.initializers.he_uniform, init.he_normal (JAX's normal is truncated)"),
    Row("B4", "orthogonal", "jax.nn.initializers.orthogonal", papers=("arXiv 1312.6120",)),
    Row("B5", "zero gamma", "init.zero_gamma"),
    Row("B6", "zero last layer", "init.zero_last"),
    Row("B7", "forget-gate bias", "init.forget_bias"),
    Row(
        "B8",
        "weights of torchvision's and timm's networks",
        "init.load_pretrained, init.from_pretrained, init.save_pretrained, init.read_torch, "
        "init.PretrainedMismatchError, "
        "init.alexnet_names, init.cspnet_names, init.densenet_names, init.googlenet_names, init.inception_v3_names, "
        "init.mobilenet_v1_names, init.mobilenet_v2_names, init.preact_names, init.repvgg_names, "
        "init.squeezenet_names, init.vgg_names, init.vovnet_names",
        also=("finetune",),
    ),
    Row(
        "B9",
        "why equal starts fail; the signal through depth",
        "analysis.gradient_rank, analysis.variance_by_depth",
        also=("init",),
    ),
    Row("B+", "Dirac, patch whitening", "init.dirac, init.patch_whitening"),
    Row("B+", "LSUV", "init.lsuv"),
    Row("B+", "Fixup", "init.fixup"),
    Row(
        "C",
        "activations",
        "jax.nn.relu, jax.nn.leaky_relu, jax.nn.elu, jax.nn.selu, jax.nn.silu, "
        "jax.nn.gelu (by tanh; torch's default is exact: approximate=False), jax.nn.mish, "
        "jax.nn.sigmoid, jax.nn.tanh",
    ),
    Row("C1", "PReLU", "layers.PReLU"),
    Row("C2", "randomised leaky ReLU", "layers.rrelu, layers.rrelu_mean"),
    Row("C3", "Swish with learned beta", "layers.Swish"),
    Row(
        "D1",
        "batch normalisation: all, replica, ghost, frozen",
        "layers.BatchNorm",
        also=("bag_of_tricks", "normalization"),
    ),
    Row("D1", "recalibration", "layers.recalibrate"),
    Row(
        "D2",
        "layer, instance, group normalisation",
        "flax.nnx.LayerNorm (epsilon 1e-6; torch's is 1e-5, and so in the others), flax.nnx.InstanceNorm, "
        "flax.nnx.GroupNorm",
        papers=("arXiv 1803.08494",),
    ),
    Row("D3", "local response normalisation", "layers.local_response_norm"),
    Row(
        "D4",
        "L2, feature, weight standardisation",
        "layers.l2_normalize, layers.FeatureNorm, layers.standardize_weight",
    ),
    Row(
        "E1", "pooling", "flax.nnx.max_pool, flax.nnx.avg_pool (counts padding by default), layers.global_average_pool"
    ),
    Row("E2", "spatial pyramid", "layers.spatial_pyramid_pool"),
    Row("E3", "stochastic pooling", "layers.stochastic_pool, layers.stochastic_pool_mean"),
    Row("E4", "Lp, GeM", "layers.lp_pool, layers.GeM"),
    Row("E5", "im2col", "layers.im2col, layers.conv2d_im2col (a correlation, as in all networks)"),
    Row("E6", "small kernels for a large one, a stride for pooling", "layers.Convolutions"),
    Row("E6", "separable, asymmetric", "layers.DepthwiseSeparable, layers.Asymmetric, flax.nnx.Conv"),
    Row("E+", "convolution with fast gradients on CPU", "layers.conv"),
    Row("E7", "deformable convolution", "layers.deform_conv2d"),
    Row("E8", "dense layer as convolution", "layers.dense_to_conv"),
    Row("E9", "output size, receptive field", "analysis.output_size, analysis.receptive_field"),
    Row(
        "E+",
        "BlurPool, squeeze-excite, ECA, space to depth",
        "layers.blur_pool, layers.SqueezeExcite, layers.EfficientChannelAttention, layers.space_to_depth",
    ),
    Row(
        "F1",
        "ResNet 18 to 152, CIFAR sizes; B, C, D; ResNeXt, wide; attention, blur, dilation, stochastic depth",
        "models.resnet, models.LAYOUTS, models.Layout",
    ),
    Row("F3", "several layers before the classifier, or for each pixel", "models.fuse_taps, models.hyper_columns"),
    Row("F2", "a Flax module as pure functions", "models.functional, models.Model"),
    Row(
        "F3",
        "a plain network and a perceptron whose parts are arguments",
        "models.plain, models.WIDTHS, models.perceptron, models.fixed, models.drawn, models.learned, "
        "models.batch_norm, models.stateless_norm",
        also=("init",),
    ),
    Row("F+", "feature pyramid with a head for boxes", "models.detector", also=("detect",)),
    Row("F+", "FCN and PSPNet on any backbone; U-Net", "models.segmenter, models.unet", also=("segment",)),
    Row(
        "F4",
        "LeNet-5: 61,706 parameters; Caffe's: 431,080",
        "models.lenet, models.LENET_LAYOUTS, models.LeNetLayout",
    ),
    Row(
        "F4",
        "AlexNet: 61.1 M parameters, 0.71 G multiply-accumulates; VGG 11 to 19, with and without BN: 132.9 M, 7.6 G "
        "(11), 138.4 M, 15.5 G (16); a deep one from a shallow one",
        "models.stacked, models.CONV_LAYOUTS, models.ConvLayout, init.grown",
    ),
    Row("F4", "network in network: 0.97 M", "models.nin, models.NIN_CIFAR, models.NIN_MINI"),
    Row(
        "F4",
        "GoogLeNet: 7.0 M, 1.6 G (without BN, kernels of 5x5)",
        "models.googlenet, models.INCEPTION_LAYOUTS, models.InceptionLayout",
    ),
    Row(
        "F4",
        "Inception-v3: 23.8 M, 5.7 G; auxiliary classifier 3.3 M",
        "models.inception_v3, models.INCEPTION_V3_LAYOUTS, models.InceptionV3Layout",
    ),
    Row("F4", "highway network", "models.highway, models.HIGHWAY_MINI"),
    Row(
        "F4",
        "DenseNet-121, 169, 201: 8.0 M, 2.8 G; 14.1 M, 3.4 G; 20.0 M, 4.3 G",
        "models.densenet, models.DENSE_LAYOUTS, models.DenseLayout",
    ),
    Row("F4", "SqueezeNet 1.1: 1.24 M, 0.35 G", "models.squeezenet, models.SQUEEZENET, models.SQUEEZENET_MINI"),
    Row(
        "F4",
        "MobileNet v1, v2: 4.2 M, 0.57 G; 3.5 M, 0.30 G",
        "models.mobilenet, models.MOBILE_LAYOUTS, models.MobileLayout",
    ),
    Row("F4", "CSP-ResNet-50: 21.6 M, 3.5 G", "models.cspnet, models.CSP_LAYOUTS, models.CspLayout"),
    Row(
        "F4",
        "VoVNet-39: 22.6 M, 7.1 G; version 2: 24.6 M",
        "models.vovnet, models.VOV_LAYOUTS, models.VovLayout",
    ),
    Row(
        "F4",
        "RepVGG-A0: 9.1 M, 1.5 G; as one branch 8.3 M, 1.4 G",
        "models.repvgg, models.merge_branches, models.REP_LAYOUTS, models.RepLayout",
    ),
    Row(
        "F4",
        "pre-activation ResNet-50: 25.5 M, 4.1 G; WRN-28-10: 36.5 M, 5.2 G (32x32)",
        "models.preact, models.PREACT_LAYOUTS, models.PreactLayout",
    ),
    Row("F4", "airbench94: 1.97 M", "models.airbench, models.AIRBENCH94"),
    Row("F4", "all networks by the names of --model", "models.NETWORKS"),
    Row(
        "G",
        "composition",
        "augment.each, augment.chain, augment.maybe, augment.combine, augment.keyless",
        also=("bag_of_tricks",),
    ),
    Row("G1", "random resized crop", "augment.random_resized_crop, augment.resized_crop, augment.random_box"),
    Row("G2", "crop with padding", "augment.random_pad_crop, augment.pad_crop", also=("bag_of_tricks",)),
    Row("G2", "crop of a scale", "augment.random_scaled_crop"),
    Row(
        "G2",
        "flip, alternating flip",
        "augment.random_flip, augment.flip_left_right, augment.flip_up_down, augment.alternating_flip, "
        "augment.alternating_flip_sample",
        also=("bag_of_tricks",),
    ),
    Row(
        "G2",
        "affine, one resampling a chain",
        "augment.random_affine, augment.warp, augment.rotate, augment.scale, augment.shear, "
        "augment.translate, augment.rotation, augment.scaling, augment.shearing, augment.translation, "
        "augment.mirroring, augment.cropping, augment.inverse, augment.random_matrix",
    ),
    Row(
        "G2",
        "boxes, masks, points follow",
        "augment.each_sample, augment.flip_sample, augment.random_flip_sample, augment.crop_sample, "
        "augment.random_crop_sample, augment.warp_sample, augment.random_affine_sample, augment.move_boxes, "
        "augment.move_points, augment.move_labels, augment.cut_boxes, augment.mask_boxes, augment.in_box",
    ),
    Row(
        "G3",
        "colour",
        "augment.adjust_brightness, augment.adjust_contrast, augment.adjust_saturation, augment.adjust_hue, "
        "augment.adjust_sharpness, augment.color_jitter, augment.luma",
    ),
    Row(
        "G4", "HSV power jitter", "augment.hsv_power, augment.random_hsv_power, augment.rgb_to_hsv, augment.hsv_to_rgb"
    ),
    Row(
        "G5",
        "PCA noise",
        "augment.fit_color_pca, augment.pca_noise, augment.pca_shift, augment.ColorPCA",
        also=("bag_of_tricks",),
    ),
    Row(
        "G6",
        "noise, blur, point operations",
        "augment.gaussian_noise, augment.gaussian_blur, augment.random_blur, augment.solarize, "
        "augment.posterize, augment.equalize, augment.autocontrast, augment.invert, augment.grayscale",
    ),
    Row(
        "G7",
        "erasing",
        "augment.random_erasing, augment.erase_box, augment.cutout, augment.gridmask, augment.mask_grid",
    ),
    Row("G8", "mixup", "augment.mixup, augment.mix_pairs"),
    Row("G8", "mixup for classes of unequal size", "augment.remix"),
    Row("G8", "CutMix", "augment.cutmix, augment.cut_pairs"),
    Row("G8", "mosaic, copy-paste", "augment.mosaic, augment.mosaic_at, augment.copy_paste, augment.paste_instances"),
    Row(
        "G9",
        "many sizes",
        "augment.multi_scale (of `detect` in a frame of one size: a step is compiled once), augment.pick_size, "
        "augment.progressive_size",
    ),
    Row("G9", "letterbox", "augment.letterbox_sample, augment.letterboxing"),
    Row("G10", "CAM-guided crops", "augment.cam_crop, augment.cam_box, augment.class_activation"),
    Row(
        "G11",
        "views at test time",
        "augment.flip_views, augment.five_crops, augment.ten_crops, augment.scale_views, augment.over_views, "
        "augment.merge",
        also=("views",),
    ),
    Row(
        "G+",
        "policies",
        "augment.rand_augment, augment.trivial_augment, augment.auto_augment, augment.augmix, "
        "augment.three_augment, augment.apply_op, augment.Op, augment.AUTO_OPS, augment.RAND_OPS, "
        "augment.WIDE_OPS, augment.MIX_OPS, augment.CIFAR10_POLICY, augment.IMAGENET_POLICY",
    ),
    Row(
        "G+",
        "FixRes: classifier and BN tuned at the size of the test",
        "optim.freeze, augment.random_resized_crop",
        papers=("arXiv 1906.06423",),
        also=("views",),
        specific=False,
    ),
    Row("G+", "repeated augmentation", "augment.repeat_batch", also=("recipes",)),
    Row(
        "H",
        "scaling of pixels",
        "preprocess.standardize_fit, preprocess.standardize, preprocess.standardize_inverse, "
        "preprocess.center_fit, preprocess.mean_image_fit, preprocess.min_max_fit, preprocess.per_image_fit, "
        "preprocess.per_image, preprocess.Affine",
        also=("bag_of_tricks",),
    ),
    Row(
        "H",
        "whitening",
        "preprocess.pca_fit, preprocess.pca, preprocess.pca_inverse, preprocess.zca_fit, preprocess.zca, "
        "preprocess.zca_inverse, preprocess.Whitening",
    ),
    Row("H", "resize and centre crop, as PIL", "preprocess.resize_center_crop"),
    Row("K3", "noise on labels", "augment.label_noise"),
    Row("K3", "fixed wrong labels", "augment.fixed_label_noise"),
    Row(
        "I1",
        "optimisers",
        "optax.sgd, optax.adam, optax.adamw (decays by 1e-4, torch's by 1e-2), optax.lars, optax.lamb, "
        "optax.contrib.muon, optax.contrib.schedule_free",
    ),
    Row(
        "I1",
        "Adagrad, Adadelta",
        "optax.adagrad (accumulator starts at 0.1, epsilon 1e-7 inside the root; torch's at 0, 1e-10, outside), "
        "optax.adadelta (rho 0.9, as torch's; the paper's is 0.95)",
    ),
    Row(
        "I1",
        "RMSProp",
        "optax.rmsprop (epsilon inside the root, decay 0.9, the rate before the momentum; torch's outside, "
        "0.99, after)",
    ),
    Row("I1", "AMSGrad", "optax.amsgrad", papers=("arXiv 1904.09237",)),
    Row("I1", "L-BFGS, of all images at once", "optim.line_search, optax.lbfgs"),
    Row("I1", "SGD with coupled decay", "optim.coupled_sgd, tricks.composing.coupled", also=SGD),
    Row("I2", "scheduled momentum", "optax.inject_hyperparams"),
    Row("I3", "Adam, then SGD", "optim.switch"),
    Row(
        "I4",
        "clipping",
        "optax.clip_by_global_norm, optax.clip, optax.adaptive_grad_clip, optax.normalize_by_update_norm",
        papers=("arXiv 2102.06171",),
    ),
    Row("I4", "centralisation", "optim.centralize (optax's is for output-first kernels)"),
    Row("I5", "accumulation", "optim.accumulate, optax.MultiSteps"),
    Row("K4", "batch size, from one image to all", "tricks.batches.sized, tricks.batches.exactly"),
    Row("I6", "no bias decay", "optim.decay_mask"),
    Row("I7", "max norm", "optim.max_norm", papers=("Srivastava et al. 2014",)),
    Row(
        "I8",
        "by layer: rates, freezing",
        "optim.by_path, optim.freeze, optim.unfreeze_at, optim.layerwise_decay, optim.layer_rates, "
        "optim.path_mask, optim.leaf_table",
    ),
    Row("I9", "regularisation on and off", "optim.alternate", also=("regularizers",), specific=False),
    Row(
        "I10",
        "bf16, fp16 with loss scaling",
        "train.Precision, train.BFLOAT16, train.FLOAT16",
        papers=("arXiv 1710.03740",),
    ),
    Row("I11", "learning rate by batch", "optim.scaled_lr"),
    Row("I12", "SAM", "optim.sam"),
    Row(
        "I12",
        "averages of weights",
        "optim.ema, optim.ema_decay, optim.swa, optim.swa_decay, optim.lawa, optim.soup, optim.greedy_soup",
    ),
    Row("I12", "lookahead, spikes, noise", "optim.lookahead, optim.skip_spikes, optax.add_noise"),
    Row(
        "I12",
        "weights that an optimiser names for evaluation: schedule-free",
        "optim.evaluate_at, opt_states.eval_params",
        papers=("arXiv 2405.15682",),
        also=("optimizers",),
    ),
    Row(
        "J1",
        "schedules",
        "optim.constant, optim.step_decay, optim.polynomial, optim.cosine, optim.exponential, "
        "optim.natural_exponential, optim.inverse_time, optim.inverse_sqrt (behind a warm-up: Noam), "
        "optim.stable_decay",
    ),
    Row("J1", "cycles", "optim.triangular, optim.one_cycle, optim.restarts"),
    Row("J1", "warm-up", "optim.with_warmup"),
    Row(
        "J2",
        "reduce on plateau",
        "optim.plateau, optax.contrib.reduce_on_plateau (accumulation_size is then the steps of an epoch; "
        "the first epoch counts as a bad one)",
    ),
    Row(
        "J3",
        "learning rate range test",
        "analysis.lr_range_test, analysis.valley (the one to take), analysis.steepest, analysis.middle",
        also=("lr_range",),
    ),
    Row(
        "K1",
        "dropout, DropBlock, stochastic depth",
        "layers.dropout, layers.dropout_plain, layers.dropout_plain_mean, layers.drop_block, layers.stochastic_depth",
    ),
    Row("K2", "early stopping", "train.EarlyStopping"),
    Row("K3", "noise on the classifier", "layers.classifier_noise"),
    Row("N1", "anchors and points", "detection.anchors, detection.points, detection.fpn_level"),
    Row(
        "N1",
        "boxes as offsets and distances",
        "detection.encode, detection.decode, detection.encode_distances, detection.decode_distances, "
        "detection.centerness",
    ),
    Row("N1", "formats of boxes", "detection.convert, detection.check_format, detection.clip, detection.area"),
    Row(
        "N2",
        "IoU, GIoU, DIoU, CIoU",
        "detection.iou, detection.giou, detection.diou, detection.ciou, detection.pairwise",
    ),
    Row("N3", "NMS by class, DIoU-NMS, soft-NMS", "detection.nms, detection.soft_nms, detection.Kept"),
    Row("N3", "box voting, weighted fusion", "detection.vote, detection.weighted_fusion, detection.Fused"),
    Row(
        "N4",
        "matching by IoU, ratio, ATSS, centres",
        "detection.match_iou, detection.match_ratio, detection.match_atss, detection.match_centers, detection.Match",
    ),
    Row("N5", "cuts of boxes", "detection.roi_pool, detection.roi_align, detection.multilevel_roi"),
    Row(
        "N6",
        "heat maps of centres",
        "detection.heatmap_targets, detection.HeatmapTargets, detection.gaussian_radius, detection.heatmap_focal, "
        "detection.peaks, detection.Peaks, detection.soft_argmax",
    ),
    Row(
        "L1",
        "sampling of unequal classes",
        "data.class_balanced, data.square_root, data.progressive, data.over_sample, data.bounded_batches, "
        "data.repeat_factor, data.batch_composition",
    ),
    Row("L1", "deferred: re-sampling, re-weighting", "data.deferred, tricks.reweighting.deferred_weights"),
    Row("L1", "temperatures by class", "tricks.reweighting.cooled"),
    Row("L1", "long tails made of balanced sets", "data.long_tail, data.long_tail_counts"),
    Row(
        "L1",
        "features, then the classifier: cRT, scales, tau-normalisation",
        "tricks.decoupling.retrained, tricks.decoupling.scaled, tricks.decoupling.tau_normalised",
    ),
    Row("L2", "label shuffling", "data.label_shuffle"),
    Row("L3", "balanced parts", "ensembles.easy_ensemble"),
    Row(
        "L4",
        "predictions balanced by a known prior",
        "ensembles.balance_predictions, ensembles.sinkhorn, ensembles.prior_correction",
    ),
    Row("M1", "means", "ensembles.average, ensembles.geometric, ensembles.fit_weights"),
    Row("M1", "votes", "ensembles.plurality, ensembles.majority, ensembles.coverage, ensembles.borda"),
    Row(
        "M2",
        "stacking; features of several networks",
        "ensembles.fit_linear, ensembles.linear_scores, ensembles.out_of_fold, ensembles.Fold, ensembles.LeakError, "
        "ensembles.Linear",
    ),
    Row("M3", "networks side by side as one, such as a teacher", "ensembles.side_by_side, ensembles.stack_members"),
    Row("M+", "temperature before averaging", "ensembles.temperature"),
    Row("M+", "diversity of members", "ensembles.disagreement, ensembles.q_statistic, ensembles.error_correlation"),
    Row("O1", "accuracy, top-k", "metrics.correct", also=("bag_of_tricks",)),
    Row(
        "O1",
        "confusion matrix, precision, recall, F1, balanced accuracy",
        "metrics.confusion_matrix, metrics.precision_recall_f1, metrics.PrecisionRecall, metrics.balanced_accuracy",
    ),
    Row(
        "O1",
        "calibration error, Brier score",
        "metrics.calibration_bins, metrics.calibration_error, metrics.brier",
    ),
    Row("O1", "ROC-AUC, log loss", "sklearn.metrics.roc_auc_score, sklearn.metrics.log_loss"),
    Row("O1", "an interval of any figure", "metrics.bootstrap"),
    Row(
        "O2",
        "average precision of scores",
        "metrics.average_precision, metrics.mean_average_precision, metrics.interpolated_average_precision, "
        "sklearn.metrics.precision_recall_curve",
    ),
    Row("O3", "mean average precision of boxes", "metrics.coco_map, metrics.CocoMap, metrics.voc_map, metrics.VocMap"),
    Row(
        "O4",
        "intersection over union of pixels, Dice, borders",
        "metrics.intersections_and_unions, metrics.mean_iou, metrics.mean_dice, "
        "metrics.boundary_intersections_and_unions",
    ),
    Row(
        "P1",
        "low rank",
        "compress.svd, compress.Factors",
        also=("compress",),
    ),
    Row(
        "P1",
        "Tucker-2, ranks",
        "compress.tucker2, compress.Tucker, compress.rank_of_energy, compress.ranks_of_budget, tricks.factoring.ranked",
    ),
    Row(
        "P2",
        "circulant and Toeplitz layers",
        "compress.circulant_product, compress.circulant, compress.nearest_circulant, compress.toeplitz_product, "
        "layers.Circulant",
    ),
    Row(
        "P3",
        "pruning of weights",
        "compress.share_masks, compress.apply_masks, compress.keep_masks, compress.prune_gradually, compress.cubic, "
        "compress.density, compress.Held, compress.Pruning, tricks.compression.pruned, tricks.compression.gradually",
        also=("compress", "prune"),
    ),
    Row("P3", "pruning by a threshold, N of M", "compress.threshold_masks, compress.n_of_m_mask"),
    Row(
        "P4",
        "pruning of filters",
        "compress.shrink, compress.mask_filters, compress.filters_to_keep, compress.graph_of, compress.check_graph, "
        "compress.verify_graph, compress.Graph, compress.Group, compress.Place, compress.GraphError, "
        "tricks.thinning.thinned, tricks.thinning.sparsely",
        also=("prune",),
    ),
    Row(
        "P5",
        "criteria",
        "compress.filter_norms, compress.norm_scales, compress.apoz, compress.taylor_filters, compress.gated, "
        "compress.random_filters",
        also=("prune",),
    ),
    Row(
        "P5",
        "importance of weights, of first and second order",
        "compress.saliency, compress.hessian_diagonal, compress.fisher_diagonal",
        also=("prune",),
    ),
    Row(
        "P7",
        "shared values, Huffman's code",
        "compress.quantize, compress.Codebook, compress.kmeans, compress.decode, "
        "compress.codebook_gradient, compress.huffman_lengths, "
        "compress.huffman_encode, compress.huffman_decode, compress.huffman_bits, compress.CodeError, "
        "tricks.coding.quantized",
        also=("compress",),
    ),
    Row(
        "P8",
        "product quantisation",
        "compress.product_quantize, compress.product_decode, compress.ProductCode",
        also=("compress",),
    ),
    Row(
        "P9", "hashed weights", "compress.hashed_kernel, compress.hash_places, compress.fold_kernel", also=("compress",)
    ),
    Row(
        "P10",
        "signs, three values",
        "compress.binary_connect, compress.binary_connect_stochastic, compress.binary_weights, compress.ternary, "
        "compress.sign, compress.filter_scales, compress.straight_through",
        also=("binary",),
    ),
    Row(
        "P10",
        "XNOR, packed",
        "compress.xnor_dense, compress.xnor_conv, compress.pack_signs, compress.packed_dense, compress.packed_conv, "
        "compress.packed_params, layers.XnorConv, models.xnor",
    ),
    Row(
        "P11",
        "int8",
        "compress.to_int8, compress.int8_scale, compress.int8_dense, compress.fake_int8",
        also=("binary",),
    ),
    Row(
        "P",
        "a smaller network: its file, and its training",
        "compress.save, compress.load, compress.expand, compress.FileError, compress.through, "
        "compress.values_of, compress.from_values, compress.resized, "
        "tricks.compression.surgery",
        also=("compress",),
    ),
    Row(
        "Q1",
        "multiply-accumulates, parameters",
        "analysis.count_macs, analysis.count_parameters",
        also=("bag_of_tricks",),
    ),
    Row(
        "Q1",
        "costs by layer, operations, bytes; formulas with and without bias",
        "analysis.count, analysis.Count, analysis.LayerCost, analysis.conv_cost, analysis.dense_cost, "
        "analysis.norm_cost, analysis.Cost",
        also=("inspect",),
    ),
    Row(
        "Q2",
        "receptive field of every tap, by formula and, effective, by gradient",
        "analysis.receptive_fields, analysis.effective_field",
        also=("inspect",),
    ),
    Row("Q3", "Grad-CAM, Grad-CAM++ over any tap", "analysis.grad_cam, analysis.grad_cam_plus_plus"),
    Row("Q4", "learning curves: rates, overfit, underfit", "analysis.diagnose, analysis.Finding"),
    Row(
        "Q5",
        "learning rate finder: J3 as a command, with a plot",
        "analysis.lr_range_test, analysis.RangeTest",
        also=("lr_range",),
    ),
    Row(
        "Q6",
        "latency, throughput, use of the machine",
        "analysis.latency, analysis.throughput, analysis.utilization, analysis.Latency, analysis.Throughput",
    ),
    Row(
        "Q8",
        "gradients by layer, in the record of a run too, and an alarm",
        "analysis.gradient_norms, analysis.gradient_alarm, optim.measure, opt_states.Measures, opt_states.reports, "
        "opt_states.Scales, opt_states.waits",
        also=("inspect",),
    ),
    Row(
        "Q9",
        "dead units, sparsity, concentration of responses",
        "analysis.unit_activity, analysis.Activity",
        also=("inspect",),
    ),
    Row("R", "stages over one state", "train.fit (a list of epochs and recipes)"),
    Row(
        "R",
        "a rate for each row before they are compared",
        "ablation.rate_trials, ablation.best_rates",
        also=("optimizers",),
    ),
    Row("T1", "norms of vectors and matrices", "jax.numpy.linalg.norm"),
    Row("Q7", "conflicts within a recipe", "tricks.lint.conflicts, tricks.lint.Conflict, tricks.lint.RecipeWarning"),
)
