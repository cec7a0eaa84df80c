"""Learning from a teacher's output."""

import jax
import jax.numpy as jnp
import optax

from jaxtricks import check


def distillation(student_logits: jax.Array, teacher_logits: jax.Array, *, temperature: float) -> jax.Array:
    r"""Cross-entropy of the student to the teacher's softened output.

    .. math:: T^2 \sum_c -\mathrm{softmax}(t / T)_c \log \mathrm{softmax}(s / T)_c

    The factor :math:`T^2` keeps the size of the gradient as T grows. Add it to the loss on the labels.

    Args:
      student_logits: s, ``[..., C]``, floating point.
      teacher_logits: t, ``[..., C]``; no gradient flows into it.
      temperature: T > 0. Bag of Tricks uses 20.

    Returns:
      The loss of each example, ``[...]``, float32 or wider.

    Raises:
      ValueError: if the shapes differ, a dtype is no floating point, or temperature is not positive.

    Reference:
      Hinton et al., Distilling the knowledge in a neural network, arXiv 1503.02531.
    """
    check.min_rank("student_logits", student_logits, 1)
    check.same_shape("teacher_logits", teacher_logits, "student_logits", student_logits)
    check.floating("student_logits", student_logits)
    check.floating("teacher_logits", teacher_logits)
    check.positive("temperature", temperature)
    wide = jnp.promote_types(student_logits.dtype, jnp.float32)
    student, teacher = student_logits.astype(wide) / temperature, teacher_logits.astype(wide) / temperature
    soft = jax.nn.softmax(jax.lax.stop_gradient(teacher))
    return temperature**2 * optax.softmax_cross_entropy(student, soft)
