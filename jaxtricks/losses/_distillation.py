"""Learning from a teacher's output."""

import jax
import jax.numpy as jnp

from jaxtricks import check
from jaxtricks.losses import _arguments, _safe


def distillation(student_logits: jax.Array, teacher_logits: jax.Array, *, temperature: float) -> jax.Array:
    r"""Divergence of the student from the teacher's softened output: for a student that learns from a larger network.

    .. math:: T^2 \sum_c p_c (\log p_c - \log \mathrm{softmax}(s / T)_c), \quad p = \mathrm{softmax}(t / T)

    It has the gradient of the cross-entropy that the paper writes, and is 0 where the student agrees: at T = 20 and 10
    classes that cross-entropy is about 921 whatever the student does. The factor :math:`T^2` keeps the size of the
    gradient as T grows. Add it to the loss on the labels.

    Args:
      student_logits: s, ``[..., C]``, floating point.
      teacher_logits: t, ``[..., C]``; no gradient flows into it. A class at -inf in both adds nothing; one that only
        the student has at -inf makes the loss inf.
      temperature: T > 0. Bag of Tricks uses 20.

    Returns:
      The loss of each example, ``[...]``, 0 or more but for rounding, float32 or wider.

    Raises:
      ValueError: if the shapes differ, a dtype is no floating point, or temperature is not positive.

    Example:
      >>> student, teacher = jnp.zeros((1, 2)), jnp.array([[2.0, 0.0]])
      >>> print(np.asarray(distillation(student, teacher, temperature=2.0)).round(3))
      [0.444]

    Reference:
      Hinton et al., Distilling the knowledge in a neural network, arXiv 1503.02531.
    """
    student = _arguments.scores("student_logits", student_logits)
    teacher = _arguments.like("teacher_logits", teacher_logits, "student_logits", student)
    check.positive("temperature", temperature)
    wanted = jax.nn.log_softmax(jax.lax.stop_gradient(teacher) / temperature)
    soft = jnp.exp(wanted)
    distance = wanted - jax.nn.log_softmax(student / temperature)
    return temperature**2 * jnp.sum(soft * jnp.where(soft > 0, distance, 0.0), axis=-1)


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


def attention_transfer(student: jax.Array, teacher: jax.Array) -> jax.Array:
    r"""Squared distance of two maps of where a network is active: for a student of another width than its teacher.

    .. math:: \left\| \frac{Q_s}{\|Q_s\|_2} - \frac{Q_t}{\|Q_t\|_2} \right\|_2^2, \quad Q = \sum_c A_c^2

    Q is taken as one vector of all positions. A map that is 0 everywhere stays 0.

    Args:
      student: activations ``[..., H, W, C]`` of a layer, floating point.
      teacher: those of the teacher, ``[..., H, W, D]``; no gradient flows into it.

    Returns:
      The loss of each example, ``[...]``, 0 to 2, float32 or wider.

    Raises:
      ValueError: if heights or widths differ, there is no position, or a dtype is no floating point.

    Example:
      >>> left, right = jnp.array([[[1.0], [0.0]]]), jnp.array([[[0.0, 0.0], [3.0, 4.0]]])
      >>> print(attention_transfer(left, left), attention_transfer(left, right))
      0.0 2.0

    Reference:
      Zagoruyko and Komodakis, Paying more attention to attention, arXiv 1612.03928.
    """
    student, teacher = _arguments.wide("student", student, rank=3), _arguments.wide("teacher", teacher, rank=3)
    check.shape("teacher", teacher, (*student.shape[:-1], None))
    if not student.shape[-3] * student.shape[-2]:
        raise ValueError(f"student has shape {student.shape}; allowed: one position or more.")

    def attention(maps):
        squares = jnp.sum(maps**2, axis=-1)
        return _safe.unit(squares.reshape(*squares.shape[:-2], student.shape[-3] * student.shape[-2]), axis=-1)

    return jnp.sum((attention(student) - attention(jax.lax.stop_gradient(teacher))) ** 2, axis=-1)
