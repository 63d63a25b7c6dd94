"""Channels: unit or silent, blind to what they should not see, mirrored for free."""

import numpy as np
import pytest

from lab import channels
from lab.channels import CHANNELS, Calibration, mirrored, pool, see, trace, unit
from lab.encoders import Features


class Blocks:
    """An encoder whose feature map is the picture itself, coarsely: it mirrors exactly."""

    name, encode_text, frames = "blocks", None, 1

    def encode(self, pictures):
        height, width = pictures.shape[1] // 8, pictures.shape[2] // 8
        grid = pictures.reshape(-1, 8, height, 8, width, 3).mean(axis=(2, 4), dtype=np.float32)
        grid = grid.transpose(0, 3, 1, 2)
        return Features(grid.mean(axis=(2, 3)), grid)


SEEN = ("subject", "composition", "colour")  # the channels of single pictures


def describe(pictures, encoder):
    return channels.describe(pictures, see(pictures, encoder))


@pytest.fixture
def pictures():
    small = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    return small.repeat(32, axis=1).repeat(32, axis=2)


def test_every_channel_gives_unit_vectors(pictures):
    seen = describe(pictures, Blocks())
    assert tuple(seen) == SEEN
    for vectors in seen.values():
        assert vectors.dtype == np.float32 and len(vectors) == 6
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_what_is_seen_in_a_clip_holds_for_each_of_its_pictures(pictures):
    class Pairs(Blocks):
        frames = 2

        def encode(self, pictures):
            return Features(*(part[::2] for part in super().encode(pictures)))

    seen, alone = describe(pictures, Pairs()), describe(pictures, Blocks())
    np.testing.assert_array_equal(seen["subject"][0::2], seen["subject"][1::2])
    np.testing.assert_array_equal(seen["subject"][0::2], alone["subject"][0::2])
    np.testing.assert_array_equal(seen["colour"], alone["colour"])
    for vectors in seen.values():
        assert len(vectors) == 6


def test_an_empty_picture_says_nothing_of_composition():
    flat = np.full((1, 128, 128, 3), 90, np.uint8)
    seen = describe(flat, Blocks())
    assert not seen["composition"].any()


def test_the_mirror_image_comes_free(pictures):
    seen = mirrored(describe(pictures, Blocks()))
    turned = describe(pictures[:, :, ::-1], Blocks())
    for name in SEEN:
        np.testing.assert_allclose(seen[name], turned[name], atol=2e-2)
    same = describe(pictures, Blocks())
    assert np.abs(same["composition"] - turned["composition"]).max() > 0.05
    again = mirrored(mirrored(same))
    assert all(np.array_equal(again[name], same[name]) for name in SEEN)


def test_composition_does_not_see_what_it_is(pictures):
    """Other colours of the same brightness in the same places: the same composition."""
    left, right = np.full((2, 1, 128, 128, 3), 60, np.uint8)
    left[:, 30:90, 70:110], right[:, 30:90, 70:110] = (200, 60, 60), (60, 130, 74)
    moved = np.full((1, 128, 128, 3), 60, np.uint8)
    moved[:, 60:120, 10:50] = (200, 60, 60)
    a, b, c = (describe(p, Blocks())["composition"][0] for p in (left, right, moved))
    assert a @ b > 0.95 and a @ c < 0.6


def test_hue_is_silent_without_colour(pictures):
    grey = pictures.mean(axis=3, keepdims=True).repeat(3, axis=3).astype(np.uint8)
    vectors = channels.colour(grey)
    assert np.abs(vectors[:, 24:]).max() < 1e-6  # the palette and its layout
    assert np.abs(vectors[:, :24]).max() > 0.1
    red, blue, dim = (np.full((1, 64, 64, 3), c, np.uint8) for c in
                      ((200, 30, 30), (30, 30, 200), (180, 40, 40)))  # fmt: skip
    a, b, c = (channels.colour(p)[0] for p in (red, blue, dim))
    assert a @ c > a @ b + 0.2


def test_a_trace_is_the_brightness_layout():
    strip = np.zeros((27, 48, 3), np.uint8)
    strip[3:6, 45:48] = 200
    strip[0:3, 0:3] = (255, 0, 0)
    seen = trace(strip)
    assert seen.shape == (9, 16) and seen.dtype == np.uint8
    assert seen[1, 15] == 200 and seen[0, 0] == 76 and seen.sum(dtype=int) == 276


def test_pooling_is_the_mean_direction():
    vectors = np.eye(4, dtype=np.float32)
    pooled = pool(vectors, np.array([0, 0, 1, 1]), 2)
    np.testing.assert_allclose(pooled, unit(np.array([[1, 1, 0, 0], [0, 0, 1, 1.0]])), atol=1e-6)


def test_strangers_score_nothing_and_doubles_one():
    rng = np.random.default_rng(1)
    # All pictures share a direction: raw, even strangers look alike.
    raw = {name: unit(rng.normal(size=(500, 64)) + 6) for name in CHANNELS}
    ready = Calibration.fit(raw).apply(raw)
    for name in CHANNELS:
        scores = ready[name] @ ready[name].T
        np.testing.assert_allclose(np.diag(scores), 1, atol=1e-6)
        strangers = scores[~np.eye(500, dtype=bool)]
        assert abs(strangers.mean()) < 0.01 and (raw[name][:50] @ raw[name][50:].T).mean() > 0.9


def test_silence_stays_silent_and_small_archives_work():
    rng = np.random.default_rng(2)
    for count in (1, 2, 3):
        raw = {name: unit(rng.normal(size=(count, 8))) for name in CHANNELS}
        raw["colour"][0] = 0
        ready = Calibration.fit(raw).apply(raw)
        assert not ready["colour"][0].any()
        assert np.allclose(np.linalg.norm(ready["subject"], axis=1), 1)


def test_a_calibration_is_named_by_its_content():
    rng = np.random.default_rng(3)
    one = {name: unit(rng.normal(size=(9, 8))) for name in CHANNELS}
    two = {**one, "colour": unit(rng.normal(size=(9, 8)))}
    assert Calibration.fit(one).version == Calibration.fit(dict(one)).version
    assert Calibration.fit(one).version != Calibration.fit(two).version
