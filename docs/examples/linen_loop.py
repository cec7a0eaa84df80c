"""A training loop of flax.linen with ten primitives in one compiled step.

python -m docs.examples.linen_loop
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from jaxtricks import augment, init, losses, metrics, optim

CLASSES, STEPS = 4, 30


class Block(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        norm = partial(nn.BatchNorm, use_running_average=not train)
        y = nn.relu(norm()(nn.Conv(8, (3, 3), use_bias=False)(x)))
        return nn.relu(x + norm()(nn.Conv(8, (3, 3), use_bias=False)(y)))


class Network(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = Block()(nn.Conv(8, (3, 3))(x), train=train)
        return nn.Dense(CLASSES)(x.mean((1, 2)))


network = Network()
prepare = augment.chain(
    crop=augment.each(partial(augment.random_pad_crop, padding=1)),
    flip=augment.each(augment.random_flip),
    mix=partial(augment.mixup, alpha=0.2),
)
tx = optax.chain(
    optim.centralize(),
    optax.add_decayed_weights(1e-4, mask=optim.decay_mask),
    optax.sgd(optim.cosine(0.1, steps=STEPS), momentum=0.9, nesterov=True),
)


def loss(params, stats, batch):
    variables = {"params": params, "batch_stats": stats}
    logits, after = network.apply(variables, batch["image"], train=True, mutable=["batch_stats"])
    return optax.softmax_cross_entropy(logits, batch["target"]).mean(), (after["batch_stats"], logits)


@jax.jit
def step(params, stats, opt, key, image, label):
    target = losses.smooth_labels_exclusive(jax.nn.one_hot(label, CLASSES), alpha=0.1)
    batch = prepare(key, {"image": image, "target": target})
    sharp = optim.sam(jax.value_and_grad(loss, has_aux=True), rho=0.05)
    (value, (stats, logits)), gradients = sharp(params, stats, batch)
    updates, opt = tx.update(gradients, opt, params)
    return optax.apply_updates(params, updates), stats, opt, value, metrics.correct(logits, label).mean()


def train(steps: int = STEPS) -> list[float]:
    """Trains on images whose brightness is their class; returns the loss of every step."""
    key = jax.random.key(0)
    label = jnp.arange(16) % CLASSES
    noise = jax.random.uniform(key, (16, 8, 8, 3))
    image = 0.9 * label[:, None, None, None] / CLASSES + 0.1 * noise
    variables = network.init(key, image, train=False)
    params = init.zero_gamma(variables["params"], pattern=r"Block_\d+/BatchNorm_1/scale$")
    stats, opt, seen = variables["batch_stats"], tx.init(params), []
    for i in range(steps):
        params, stats, opt, value, _ = step(params, stats, opt, jax.random.fold_in(key, i), image, label)
        seen.append(float(value))
    return seen


if __name__ == "__main__":
    seen = train()
    print(f"loss {seen[0]:.2f} to {seen[-1]:.2f} in {len(seen)} steps")
