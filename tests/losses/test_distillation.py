import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import rel_entr, softmax

from jaxtricks import losses

RNG = np.random.default_rng(10)
STUDENT, TEACHER = RNG.normal(size=(2, 6, 4)).astype(np.float32)


def test_distillation_by_hand():
    # teacher (2 ln 3, 0) at T = 2: (3/4, 1/4), of entropy 0.5623; an undecided student: ln 2 for either class
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    found = losses.distillation(jnp.zeros(2), jnp.array([2 * np.log(3), 0.0]), temperature=2.0)
    np.testing.assert_allclose(found, 4 * (np.log(2) - entropy), rtol=1e-5)
    # student (0, 2 ln 3): -3/4 ln 1/4 - 1/4 ln 3/4
    found = losses.distillation(jnp.array([0.0, 2 * np.log(3)]), jnp.array([2 * np.log(3), 0.0]), temperature=2.0)
    cross = -(0.75 * np.log(0.25) + 0.25 * np.log(0.75))
    np.testing.assert_allclose(found, 4 * (cross - entropy), rtol=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 20.0])
def test_distillation_against_scipy(temperature):
    soft, student = (softmax(x.astype(np.float64) / temperature, axis=-1) for x in (TEACHER, STUDENT))
    expected = temperature**2 * rel_entr(soft, student).sum(-1)
    np.testing.assert_allclose(
        losses.distillation(STUDENT, TEACHER, temperature=temperature), expected, rtol=1e-5, atol=1e-5 * temperature
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 20.0])
def test_distillation_has_the_gradient_of_the_cross_entropy(temperature):
    soft = softmax(TEACHER / temperature, axis=-1)
    found = jax.grad(lambda s: losses.distillation(s, TEACHER, temperature=temperature).sum())(STUDENT)
    cross = jax.grad(lambda s: temperature**2 * optax.softmax_cross_entropy(s / temperature, soft).sum())(STUDENT)
    np.testing.assert_allclose(found, cross, rtol=1e-4, atol=1e-5)


def test_a_student_that_agrees_has_no_loss():
    # The cross-entropy of ten equal classes at T = 20 is 400 ln 10 = 921.
    found = losses.distillation(jnp.zeros((3, 10)), jnp.full((3, 10), 0.2), temperature=20.0)
    np.testing.assert_allclose(found, 0.0, atol=1e-4)


def test_distillation_from_a_sure_teacher_is_cross_entropy():
    sure = 1e4 * np.eye(4, dtype=np.float32)[[0, 1, 2, 3, 0, 1]]
    expected = optax.softmax_cross_entropy_with_integer_labels(STUDENT, np.array([0, 1, 2, 3, 0, 1]))
    np.testing.assert_allclose(losses.distillation(STUDENT, sure, temperature=1.0), expected, rtol=1e-5)


def test_at_high_temperature_the_gradient_is_that_of_centred_logit_regression():
    centred = STUDENT - STUDENT.mean(-1, keepdims=True), TEACHER - TEACHER.mean(-1, keepdims=True)
    hot = jax.grad(lambda s: losses.distillation(s, TEACHER, temperature=1e3).sum())(STUDENT)
    regression = jax.grad(lambda s: losses.logit_regression(s, centred[1]).sum())(centred[0])
    np.testing.assert_allclose(4 * hot, regression, atol=0.02)


def test_distillation_is_blind_to_shifts_and_smallest_at_the_teacher():
    found = losses.distillation(STUDENT + 5, TEACHER - 3, temperature=4.0)
    np.testing.assert_allclose(found, losses.distillation(STUDENT, TEACHER, temperature=4.0), rtol=1e-4, atol=1e-5)
    grad = jax.grad(lambda s: losses.distillation(s, TEACHER, temperature=4.0).sum())(TEACHER)
    np.testing.assert_allclose(grad, 0.0, atol=1e-5)


def test_logit_regression_by_hand():
    found = losses.logit_regression(jnp.array([[1.0, 2.0], [0.0, 0.0]]), jnp.array([[4.0, -2.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(found, [12.5, 0.0])


@pytest.mark.parametrize("loss", [lambda s, t: losses.distillation(s, t, temperature=2.0), losses.logit_regression])
def test_no_gradient_reaches_the_teacher(loss):
    student, teacher = jax.grad(lambda s, t: loss(s, t).sum(), (0, 1))(STUDENT, TEACHER)
    assert np.any(student != 0)
    np.testing.assert_array_equal(teacher, 0.0)


def test_a_class_that_only_the_student_excludes_costs_infinity():
    student = jnp.array([0.0, -jnp.inf])
    assert losses.distillation(student, jnp.zeros(2), temperature=1.0) == jnp.inf
    assert losses.distillation(student, jnp.array([0.0, -jnp.inf]), temperature=1.0) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.distillation(STUDENT, TEACHER, temperature=0.0), "temperature is 0.0"),
        (lambda: losses.distillation(STUDENT, TEACHER[:3], temperature=1.0), "teacher_logits has shape"),
        (lambda: losses.distillation(STUDENT, TEACHER.astype(int), temperature=1.0), "teacher_logits has dtype"),
        (lambda: losses.distillation(jnp.float32(1), jnp.float32(1), temperature=1.0), "student_logits has shape"),
        (lambda: losses.logit_regression(STUDENT, TEACHER[0]), "teacher has shape"),
        (lambda: losses.logit_regression(STUDENT.astype(int), TEACHER), "student has dtype"),
    ],
)
def test_wrong_arguments_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call()
