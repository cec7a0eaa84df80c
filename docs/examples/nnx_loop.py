"""A training loop of flax.nnx with ten primitives in one compiled step.

python -m docs.examples.nnx_loop
"""

from functools import partial

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from jaxtricks import augment, init, losses, metrics, optim

CLASSES, STEPS = 4, 30


class Network(nnx.Module):
    def __init__(self, rngs):
        conv = partial(nnx.Conv, kernel_size=(3, 3), use_bias=False, rngs=rngs)
        self.stem, self.conv1, self.conv2 = conv(3, 8), conv(8, 8), conv(8, 8)
        self.norm1, self.norm2 = nnx.BatchNorm(8, rngs=rngs), nnx.BatchNorm(8, rngs=rngs)
        self.head = nnx.Linear(8, CLASSES, rngs=rngs)

    def __call__(self, x):
        x = self.stem(x)
        y = self.norm2(self.conv2(nnx.relu(self.norm1(self.conv1(x)))))
        return self.head(nnx.relu(x + y).mean((1, 2)))


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


def loss(params, rest, batch, graph):
    network = nnx.merge(graph, params, rest, copy=True)  # of its own, for sam calls twice
    logits = network(batch["image"])
    _, _, after = nnx.split(network, nnx.Param, ...)
    return optax.softmax_cross_entropy(logits, batch["target"]).mean(), (after, logits)


@partial(jax.jit, static_argnames="graph")
def step(params, rest, opt, key, image, label, *, graph):
    target = losses.smooth_labels_exclusive(jax.nn.one_hot(label, CLASSES), alpha=0.1)
    batch = prepare(key, {"image": image, "target": target})
    sharp = optim.sam(jax.value_and_grad(partial(loss, graph=graph), has_aux=True), rho=0.05)
    (value, (rest, logits)), gradients = sharp(params, rest, batch)
    updates, opt = tx.update(gradients, opt, params)
    return optax.apply_updates(params, updates), rest, opt, value, metrics.correct(logits, label).mean()


def train(steps: int = STEPS) -> list[float]:
    """Trains on images whose brightness is their class; returns the loss of every step."""
    key = jax.random.key(0)
    label = jnp.arange(16) % CLASSES
    noise = jax.random.uniform(key, (16, 8, 8, 3))
    image = 0.9 * label[:, None, None, None] / CLASSES + 0.1 * noise
    graph, params, rest = nnx.split(Network(nnx.Rngs(0)), nnx.Param, ...)
    params = nnx.to_pure_dict(params)  # nested dicts, whose paths end in names
    params = init.zero_gamma(params, pattern=r"norm2/scale$")
    opt, seen = tx.init(params), []
    for i in range(steps):
        params, rest, opt, value, _ = step(params, rest, opt, jax.random.fold_in(key, i), image, label, graph=graph)
        seen.append(float(value))
    return seen


if __name__ == "__main__":
    seen = train()
    print(f"loss {seen[0]:.2f} to {seen[-1]:.2f} in {len(seen)} steps")
