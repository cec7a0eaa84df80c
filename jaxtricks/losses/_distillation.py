"""Learning from a teacher's output."""

import jax
import jax.numpy as jnp
import optax

from jaxtricks import check
from jaxtricks.losses import _arguments


def distillation(student_logits: jax.Array, teacher_logits: jax.Array, *, temperature: float) -> jax.Array:
    r"""Cross-entropy of the student to the teacher's softened output.

    .. math:: T^2 \sum_c -\mathrm{softmax}(t / T)_c \log \mathrm{softmax}(s / T)_c

    The factor :math:`T^2` keeps the size of the gradient as T grows. Add it to the loss on the labels.

    Args:
      student_logits: s, ``[..., C]``, floating point.
      teacher_logits: t, ``[..., C]``; no gradient flows into it. A class at -inf in both adds nothing; one that only
        the student has at -inf makes the loss inf.
      temperature: T > 0. Bag of Tricks uses 20.

    Returns:
      The loss of each example, ``[...]``, float32 or wider.

    Raises:
      ValueError: if the shapes differ, a dtype is no floating point, or temperature is not positive.

    Example:
      >>> student, teacher = jnp.zeros((1, 2)), jnp.array([[2.0, 0.0]])
      >>> print(np.asarray(distillation(student, teacher, temperature=2.0)).round(3))
      [2.773]

    Reference:
      Hinton et al., Distilling the knowledge in a neural network, arXiv 1503.02531.
    """
    student = _arguments.scores("student_logits", student_logits)
    teacher = _arguments.like("teacher_logits", teacher_logits, "student_logits", student)
    check.positive("temperature", temperature)
    soft = jax.nn.softmax(jax.lax.stop_gradient(teacher) / temperature)
    return temperature**2 * optax.safe_softmax_cross_entropy(student / temperature, soft)


def logit_regression(student: jax.Array, teacher: jax.Array) -> jax.Array:
    r"""Half the squared distance from the student's logits to the teacher's.

    .. math:: \tfrac{1}{2} \sum_c (s_c - t_c)^2

    Args:
      student: logits s, ``[..., C]``, floating point, finite.
      teacher: logits t, ``[..., C]``, finite; no gradient flows into it.

    Returns:
      The loss of each example, ``[...]``, float32 or wider.

    Raises:
      ValueError: if the shapes differ or a dtype is no floating point.

    Example:
      >>> print(logit_regression(jnp.array([[1.0, 2.0]]), jnp.array([[1.0, 4.0]])))
      [2.]

    Reference:
      Ba and Caruana, Do deep nets really need to be deep?, arXiv 1312.6184.
    """
    student = _arguments.scores("student", student)
    teacher = _arguments.like("teacher", teacher, "student", student)
    return 0.5 * jnp.sum((student - jax.lax.stop_gradient(teacher)) ** 2, axis=-1)
