"""Batch normalisation: over all replicas, one, or groups; frozen."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxtricks import check
from jaxtricks.layers._materialize import materialized, materialized_gradient
from jaxtricks.layers._sharding import explicit


class BatchNorm(nnx.BatchNorm):
    r"""Batch normalisation of the last axis, its statistics in float32.

    .. math:: y = \gamma (x - \mu) / \sqrt{\sigma^2 + \epsilon} + \beta

    In training mu and sigma^2 are the mean and the biased variance over every axis but the last, in two passes
    (on a GPU in one, around a value of each channel), and
    ``running = momentum * running + (1 - momentum) * batch`` follows them. Otherwise the running ones are used. Over
    which examples the mean goes:

    - all, under ``jit``, however the batch is sharded: the default;
    - the examples of one replica, under ``shard_map`` or ``pmap``: the default there;
    - all replicas, under ``shard_map`` or ``pmap``: ``axis_name``;
    - each of ``groups`` equal, contiguous parts of the batch (ghost batch normalisation): the running statistics
      follow the mean of the groups' statistics. With as many groups as devices, this is one replica's under ``jit``;
    - none, when ``frozen``: the running statistics are used and kept, even in training.

    Parameters ``scale`` (1 at first, none without ``use_scale``) and ``bias`` (0), statistics ``mean`` (0) and ``var``
    (1), each ``[D]``, float32. torch's momentum is 1 minus this one, and its running variance that of ``unbiased``. The
    epsilon is torch's, 1e-5, for which the normalisations of Flax (LayerNorm, GroupNorm, InstanceNorm) have 1e-6.

    Args:
      features: D, the size of the last axis.
      momentum: share of the running statistics that stays at each step, 0 to 1.
      epsilon: added to the variance, greater than 0.
      axis_name: mesh axis over which the statistics are averaged; only inside ``shard_map`` or ``pmap``.
      groups: parts of the batch, 1 or more; the batch size must be a multiple.
      frozen: keep the running statistics.
      unbiased: whether the running variance follows m / (m - 1) times that of the batch, m values a channel, as in the
        paper and in torch; it matters for a few examples a device.
      use_scale: whether gamma, ``scale``, is learned; else it is 1, and no parameter.
      rngs: as flax.nnx wants it; nothing is drawn.

    Raises:
      ValueError: if momentum or epsilon lies outside its range, groups is no integer of 1 or more, or two of
        axis_name, groups and frozen are given: each says over what to average.

    Reference:
      Ioffe and Szegedy, arXiv 1502.03167; ghost: Hoffer et al., Train longer, generalize better, arXiv 1705.08741.
    """

    def __init__(
        self,
        features: int,
        *,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        axis_name: str | None = None,
        groups: int | None = None,
        frozen: bool = False,
        unbiased: bool = False,
        use_scale: bool = True,
        rngs: nnx.Rngs,
    ):
        check.option("unbiased", unbiased, (True, False))
        check.option("use_scale", use_scale, (True, False))
        check.between("momentum", momentum, 0.0, 1.0)
        check.positive("epsilon", epsilon)
        groups = None if groups is None else check.at_least("groups", groups, minimum=1)
        if (axis_name is not None) + (groups is not None) + frozen > 1:
            raise ValueError(
                f"groups is {groups!r}, axis_name {axis_name!r}, frozen {frozen}; allowed: one of the three."
            )
        super().__init__(
            features,
            momentum=momentum,
            epsilon=epsilon,
            dtype=jnp.float32,
            axis_name=axis_name,
            use_fast_variance=False,
            use_scale=use_scale,
            rngs=rngs,
        )
        self.groups = groups
        self.frozen = frozen
        self.unbiased = unbiased

    def __call__(self, x: jax.Array, *, train: bool, relu: bool = False) -> jax.Array:
        """Normalise ``x[B, ..., D]``; the result has its shape and dtype.

        With relu what is negative becomes 0: the same as ``jax.nn.relu`` of the result, and faster on a GPU.
        """
        check.min_rank("x", x, 2)
        check.shape("x", x, (None,) * (x.ndim - 1) + self.mean.shape)  # fewer than features, if pruned
        check.floating("x", x)
        if train and not x.size:
            raise ValueError(f"x has shape {x.shape}; allowed in training: one element or more.")
        if not train or self.frozen:
            y = super().__call__(x, use_running_average=True).astype(x.dtype)
            return jax.nn.relu(y) if relu else y
        groups = 1 if self.groups is None else self.groups
        if x.shape[0] % groups:
            raise ValueError(f"x has a batch of {x.shape[0]}; allowed: a multiple of groups, {groups}.")
        bias = self.bias[...]  # pyright: ignore[reportOptionalSubscript]
        scale = jnp.ones_like(bias) if self.scale is None else self.scale[...]
        parts = x.astype(jnp.float32)
        if groups > 1:
            parts = parts.reshape(groups, x.shape[0] // groups, *x.shape[1:])
        options = _Options(self.axis_name, self.epsilon, relu, groups > 1)
        y, mean, var = _normalised(options, parts, scale, bias)
        if self.unbiased:
            many = x.size // (groups * x.shape[-1])
            many = many if self.axis_name is None else many * jax.lax.axis_size(self.axis_name)
            if many < 2:
                raise ValueError(f"x has shape {x.shape}, a value a channel; allowed with unbiased: two or more.")
            var = var * (many / (many - 1))
        for running, batch in ((self.mean, mean), (self.var, var)):
            mean_of_batch = batch.mean(tuple(range(batch.ndim - 1)))
            running.set_value(self.momentum * running[...] + (1 - self.momentum) * mean_of_batch)  # by [...] is slow
        y = y.reshape(x.shape).astype(x.dtype)
        return materialized(y) if relu else y


class _Options(NamedTuple):
    axis_name: str | None
    epsilon: float
    relu: bool
    grouped: bool


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _normalised(options: _Options, x: jax.Array, scale: jax.Array, bias: jax.Array):
    """``x[B, ..., D]``, or in groups ``x[G, B, ..., D]``, each by its own statistics; and these, ``[1, ..., D]``.

    Without groups there is no axis for them: after a change of shape XLA on a CPU computes x anew for each reader.
    """
    mean, var = _statistics(options, x)
    scale, bias = _over(scale, x), _over(bias, x)
    y = (x - mean) * (jax.lax.rsqrt(var + options.epsilon) * scale) + bias
    return jax.nn.relu(y) if options.relu else y, mean, var


@_normalised.defjvp
def _normalised_jvp(options, primals, tangents):
    r"""The derivative in closed form; the sums of its transpose are those of the gradients of scale and bias.

    .. math:: \dot y = v + \hat x (\dot\gamma - \overline{\hat x v}) + \dot\beta - \bar v, \quad
        v = \gamma \dot x / \sqrt{\sigma^2 + \epsilon}
    """
    x, scale, bias = primals
    dx, dscale, dbias = materialized_gradient(x, tangents[0]), *tangents[1:]
    y, mean, var = _normalised(options, *primals)
    root = jax.lax.rsqrt(var + options.epsilon)
    unit = (x - mean) * root
    v = dx * (root * _over(scale, x))
    along, level = unit * (_over(dscale, x) - _mean(options, unit * v)), _over(dbias, x) - _mean(options, v)

    def plain(v, along, level):
        return v + along + level

    def by_one_mask(v, along, level):
        return jnp.where(y > 0, v + along + level, 0)

    def by_three(v, along, level):  # one condition that they shared, XLA on a GPU would write to memory
        v = jnp.where((x - mean) * (root * _over(scale, x)) > -_over(bias, x), v, 0)
        along = jnp.where(unit * _over(scale, x) > -_over(bias, x), along, 0)
        level = jnp.where(unit * _over(scale, x) + _over(bias, x) > 0, level, 0)
        return v + along + level

    if not options.relu:
        dy = plain(v, along, level)
    elif explicit(x):
        dy = by_three(v, along, level)
    else:
        dy = jax.lax.platform_dependent(v, along, level, cpu=by_one_mask, default=by_three)
    return (y, mean, var), (dy, _mean(options, dx), 2 * _mean(options, (x - mean) * dx))


def _statistics(options: _Options, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and variance, in two passes over x; on a GPU in one, around a value of each channel.

    The nearer that value to the mean, the less cancels: it is the middle one of the first, the central and the last.
    """

    def twice(x):
        mean = _mean(options, x)
        return mean, _mean(options, (x - mean) ** 2)

    def once(x):
        first, central, last = (
            x[(*(slice(None),) * options.grouped, *(slice(i, i + 1) for i in place))]
            for place in zip(*((0, n // 2, n - 1) for n in x.shape[options.grouped : -1]), strict=True)
        )
        near = jnp.maximum(jnp.minimum(first, central), jnp.minimum(jnp.maximum(first, central), last))
        near = near if options.axis_name is None else jax.lax.pmean(near, options.axis_name)
        above, square = _mean(options, x - near), _mean(options, (x - near) ** 2)
        return near + above, jnp.maximum(square - above**2, 0)

    return twice(x) if explicit(x) else jax.lax.platform_dependent(x, cuda=once, default=twice)


def _mean(options: _Options, x: jax.Array) -> jax.Array:
    mean = x.mean(tuple(range(options.grouped, x.ndim - 1)), keepdims=True)
    return mean if options.axis_name is None else jax.lax.pmean(mean, options.axis_name)


def _over(values: jax.Array, x: jax.Array) -> jax.Array:
    """``[D]`` with the rank of x."""
    return values.reshape((1,) * (x.ndim - 1) + values.shape)
