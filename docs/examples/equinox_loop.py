"""A training loop of equinox with nine primitives in one compiled step. Its layers take one image, [C, H, W].

python -m docs.examples.equinox_loop    (pip install equinox)
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from jaxtricks import augment, init, losses, metrics, optim

CLASSES, STEPS = 4, 30


class Network(eqx.Module):
    stem: eqx.nn.Conv2d
    conv1: eqx.nn.Conv2d
    conv2: eqx.nn.Conv2d
    norm1: eqx.nn.GroupNorm
    norm2: eqx.nn.GroupNorm
    head: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key, 4)
        conv = partial(eqx.nn.Conv2d, kernel_size=3, padding=1, use_bias=False)
        self.stem, self.conv1, self.conv2 = conv(3, 8, key=keys[0]), conv(8, 8, key=keys[1]), conv(8, 8, key=keys[2])
        self.norm1, self.norm2 = eqx.nn.GroupNorm(2, 8), eqx.nn.GroupNorm(2, 8)
        self.head = eqx.nn.Linear(8, CLASSES, key=keys[3])

    def __call__(self, x):
        x = self.stem(x)
        y = self.norm2(self.conv2(jax.nn.relu(self.norm1(self.conv1(x)))))
        return self.head(jax.nn.relu(x + y).mean((1, 2)))


prepare = augment.chain(  # on [B, H, W, C], before the axes are exchanged
    crop=augment.each(partial(augment.random_pad_crop, padding=1)),
    flip=augment.each(augment.random_flip),
    mix=partial(augment.mixup, alpha=0.2),
)
tx = optax.chain(
    optax.add_decayed_weights(1e-4, mask=optim.decay_mask),
    optax.sgd(optim.cosine(0.1, steps=STEPS), momentum=0.9, nesterov=True),
)


def loss(params, static, batch):
    network = eqx.combine(params, static)
    logits = jax.vmap(network)(jnp.moveaxis(batch["image"], -1, 1))
    return optax.softmax_cross_entropy(logits, batch["target"]).mean(), logits


@eqx.filter_jit
def step(params, static, opt, key, image, label):
    target = losses.smooth_labels_exclusive(jax.nn.one_hot(label, CLASSES), alpha=0.1)
    batch = prepare(key, {"image": image, "target": target})
    sharp = optim.sam(jax.value_and_grad(loss, has_aux=True), rho=0.05)
    (value, logits), gradients = sharp(params, static, batch)
    updates, opt = tx.update(gradients, opt, params)
    return optax.apply_updates(params, updates), opt, value, metrics.correct(logits, label).mean()


def train(steps: int = STEPS) -> list[float]:
    """Trains on images whose brightness is their class; returns the loss of every step."""
    key = jax.random.key(0)
    label = jnp.arange(16) % CLASSES
    noise = jax.random.uniform(key, (16, 8, 8, 3))
    image = 0.9 * label[:, None, None, None] / CLASSES + 0.1 * noise
    params, static = eqx.partition(Network(key), eqx.is_inexact_array)
    params = init.zero_gamma(params, pattern=r"norm2/weight$")
    opt, seen = tx.init(params), []
    for i in range(steps):
        params, opt, value, _ = step(params, static, opt, jax.random.fold_in(key, i), image, label)
        seen.append(float(value))
    return seen


if __name__ == "__main__":
    seen = train()
    print(f"loss {seen[0]:.2f} to {seen[-1]:.2f} in {len(seen)} steps")
