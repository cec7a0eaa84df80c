"""A teacher for the networks whose layers have widths; a sentence for the others."""

import math
from dataclasses import replace
from functools import partial

import jax
import pytest

from jaxtricks import models, tasks, tricks
from jaxtricks.tricks import bag

WIDER = "plain_mini perceptron resnet_mini airbench_mini mobilenet_v1_mini vgg_mini densenet_mini".split()
NOT = "logistic lenet5 googlenet nin_mini highway_mini squeezenet_mini".split()


def recipe(name):
    model = partial(models.NETWORKS[name], **({"size": 16} if name in ("perceptron", "logistic") else {}))
    return tricks.standard(task=tasks.classification(3), augmented=None, model=model, lr=0.1, batch=4, epochs=1)


def parameters(model):
    params, _ = jax.eval_shape(model(classes=3, channels=3).init, jax.random.key(0))
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("name", WIDER)
def test_the_teacher_is_a_larger_network_of_the_same_kind(name):
    plain = recipe(name)
    taught = bag.distillation(plain)
    assert taught.teacher.model.func is plain.model.func
    assert parameters(taught.teacher.model) > 1.5 * parameters(plain.model)
    assert replace(taught, teacher=None, loss=plain.loss) == plain


@pytest.mark.parametrize("name", NOT)
def test_where_no_larger_one_is_known_a_sentence_says_so(name):
    with pytest.raises(
        ValueError, match=r"^model is \w+, of which distillation knows no larger one to teach; allowed: "
    ):
        bag.distillation(recipe(name))


def test_the_paper_s_teacher_is_its_own():
    assert bag.distillation(recipe("resnet50")).teacher.model.args == (models.LAYOUTS["resnet152"],)
