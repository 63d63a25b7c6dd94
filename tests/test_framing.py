"""Faces and shot scale, on drawn people and on numbers."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from lab import channels
from lab.faces import Face, find_faces
from lab.framing import SCALES, framing_vector, mirrored, scale_of

HAIR, SKIN = (60, 40, 30), (224, 180, 150)


def people(*places, size=(320, 180)):
    """Drawn people: middle and half height of each head, in pixels."""
    image = Image.new("RGB", (2 * size[0], 2 * size[1]), (90, 110, 120))
    draw = ImageDraw.Draw(image)
    for place in places:
        _person(draw, *(2 * value for value in place))
    image = image.resize(size, Image.LANCZOS).filter(ImageFilter.GaussianBlur(0.6))
    return np.asarray(image)


def _person(draw, x, y, s):
    def oval(across, down, wide, high, colour):
        draw.ellipse(
            (
                x + (across - wide) * s,
                y + (down - high) * s,
                x + (across + wide) * s,
                y + (down + high) * s,
            ),
            fill=colour,
        )

    body = x - 0.95 * s, y + 0.75 * s, x + 0.95 * s, y + 3 * s
    draw.rounded_rectangle(body, radius=int(0.4 * s), fill=(50, 60, 110))
    oval(0, -0.12, 0.5, 0.62, HAIR)
    oval(0, 0.02, 0.4, 0.54, SKIN)
    draw.pieslice((x - 0.46 * s, y - 0.72 * s, x + 0.46 * s, y + 0.1 * s), 180, 360, fill=HAIR)
    for side in (-1, 1):
        oval(side * 0.16, -0.06, 0.085, 0.045, (250, 250, 250))
        oval(side * 0.16, -0.06, 0.042, 0.045, (50, 35, 25))
        brow = x + side * 0.26 * s, y - 0.17 * s, x + side * 0.07 * s, y - 0.19 * s
        draw.line(brow, fill=HAIR, width=max(1, int(0.035 * s)))
    nose = (x - 0.06 * s, y + 0.14 * s), (x + 0.06 * s, y + 0.14 * s), (x, y - 0.02 * s)
    draw.polygon(nose, fill=(190, 150, 125))
    oval(0, 0.28, 0.14, 0.05, (170, 70, 70))


def test_faces_are_found_where_they_are():
    found = find_faces(people((80, 70, 40), (230, 90, 30)))
    assert len(found) == 2
    assert (found[0].x, found[0].y) == pytest.approx((0.25, 0.40), abs=0.03)
    assert (found[1].x, found[1].y) == pytest.approx((0.72, 0.51), abs=0.03)
    assert found[0].height > found[1].height and found[0].likely > 0.5
    assert 0.12 < found[1].height < 0.25


def test_no_faces_where_there_are_none():
    rng = np.random.default_rng(0)
    assert find_faces(rng.integers(0, 256, (180, 320, 3), np.uint8)) == []
    assert find_faces(np.full((50, 1000, 3), 128, np.uint8)) == []


def face(height, x=0.5, y=0.4):
    return Face(x, y, height / 2, height, 0.9)


def test_scales_are_shares_and_a_larger_face_is_nearer():
    pooled = np.random.default_rng(1).random((5, 1280)).astype(np.float32)
    heights = [0.12, 0.2, 0.35, 0.7]
    faces = [[face(height)] for height in heights] + [[]]
    scales = scale_of(np.repeat(pooled[:1], 5, axis=0), faces)
    assert scales.shape == (5, len(SCALES))
    np.testing.assert_allclose(scales.sum(axis=1), 1, atol=1e-6)
    middles = scales[:4] @ np.arange(len(SCALES))
    assert (np.diff(middles) < 0).all()
    medium = [np.flatnonzero(scales[row, 2:5])[0] for row in (0, 1, 2)]
    assert medium == [2, 1, 0]  # medium long shot, medium shot, medium close-up


def vector(scale, *faces):
    row = framing_vector(np.eye(len(SCALES))[scale], list(faces))
    return row / np.linalg.norm(row)


def test_framings_are_the_nearer_the_more_they_are_alike():
    one = vector(1, face(0.5, x=0.3))
    same, step, far = (vector(scale, face(0.5, x=0.3)) for scale in (1, 2, 5))
    elsewhere, none = vector(1, face(0.5, x=0.7)), vector(1)
    two = vector(1, face(0.5, x=0.3), face(0.5, x=0.7))
    assert one @ same == pytest.approx(1) and one @ step > one @ far + 0.1
    assert one @ same > one @ two > one @ none and one @ same > one @ elsewhere + 0.08
    assert vector(5) @ vector(5) == pytest.approx(1)  # also where there is no face


def test_framing_in_the_mirror():
    found = [face(0.4, x=0.2), face(0.2, x=0.6, y=0.7)]
    turned = [one._replace(x=1 - one.x) for one in found]
    scale = np.full(len(SCALES), 1 / len(SCALES))
    rows = channels.framing(np.stack([scale, scale]), [found, turned])
    np.testing.assert_allclose(mirrored(rows[:1])[0], rows[1], atol=1e-6)
