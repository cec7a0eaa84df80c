import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtricks import augment

IMAGE = np.arange(12).reshape(2, 3, 2)
KEYS = jax.random.split(jax.random.key(0), 2000)


def test_flips_by_hand():
    np.testing.assert_array_equal(augment.flip_left_right(IMAGE)[0], [[4, 5], [2, 3], [0, 1]])
    np.testing.assert_array_equal(augment.flip_up_down(IMAGE)[:, 0], [[6, 7], [0, 1]])


@pytest.mark.parametrize("flip", [augment.flip_left_right, augment.flip_up_down])
def test_flipping_twice_is_the_identity(flip):
    np.testing.assert_array_equal(flip(flip(IMAGE)), IMAGE)


@pytest.mark.parametrize("probability", [0.0, 0.3, 0.5, 1.0])
def test_random_flip_has_its_probability(probability):
    out = jax.vmap(lambda k: augment.random_flip(k, IMAGE, probability=probability))(KEYS)
    flipped = np.array([(image == IMAGE[:, ::-1]).all() for image in np.asarray(out)])
    assert all((image == IMAGE).all() for image in np.asarray(out)[~flipped])
    assert abs(flipped.mean() - probability) <= 4 * np.sqrt(probability * (1 - probability) / len(KEYS))


def test_alternating_flip_shows_each_image_both_ways_in_any_two_epochs():
    index = jnp.arange(500)

    @jax.jit
    def epoch(e):
        return jax.vmap(lambda i: augment.alternating_flip(IMAGE, i, e, seed=3))(index)

    first, second, third = (np.asarray(epoch(e)) for e in (4, 5, 6))
    np.testing.assert_array_equal(first, third)
    np.testing.assert_array_equal(first[:, :, ::-1], second)
    flipped = (first == IMAGE[None, :, ::-1]).all((1, 2, 3)).mean()
    assert 0.4 < flipped < 0.6


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: augment.flip_left_right(IMAGE[0]), "image"),
        (lambda: augment.flip_up_down(IMAGE[None]), "image"),
        (lambda: augment.random_flip(KEYS[0], IMAGE, probability=1.5), "probability"),
        (lambda: augment.alternating_flip(IMAGE, 1.5, 0), "index"),
        (lambda: augment.alternating_flip(IMAGE, 1, 0.5), "epoch"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        call()
