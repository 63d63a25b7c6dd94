"""Movement, on pictures that are moved by known amounts."""

import cv2
import numpy as np
import pytest

from lab import motion
from lab.language import camera_word, speed_of
from lab.motion import (
    MotionFinder,
    between_cells,
    camera,
    inside,
    mirrored,
    motion_vector,
    movement,
    within,
)
from lab.video import WHOLE, Box

RATE, SIZE = 24, (256, 144)
WIDE = 0.55  # part of the picture that is shown


@pytest.fixture(scope="module")
def picture():
    """Soft blots of many sizes, 640 x 360."""
    rng, total = np.random.default_rng(3), np.zeros((360, 640))
    for size in (8, 20, 60):
        noise = cv2.GaussianBlur(rng.normal(size=(360, 640)), (0, 0), size / 2)
        total += noise / noise.std()
    return np.clip(128 + 35 * total, 0, 255).astype(np.uint8)


def seen(picture, x, y, growth, turn=0.0):
    """A window of the picture about a middle in parts of it, larger by `growth`."""
    height, width = picture.shape
    scale = WIDE * width / SIZE[0] / growth
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    middle = np.array(SIZE) / 2
    turned = np.array([[cos, -sin], [sin, cos]])
    shift = np.array([x * width, y * height]) - turned @ middle
    matrix = np.column_stack([turned, shift])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, matrix, SIZE, flags=flags)


def flow_of(picture, right=0.0, down=0.0, closer=0.0, seconds=2.0, change=None, shake=0.0):
    """Flow of a camera that moves steadily: widths a second, growth a second."""
    finder, rng = MotionFinder(), np.random.default_rng(0)
    count = int(seconds * RATE)
    times = np.arange(count) / RATE
    unsteady = shake * np.sin(2 * np.pi * np.outer(times, [1.7, 2.3]))
    for frame, time in enumerate(times):
        since = time - seconds / 2
        x = 0.5 + WIDE * (right * since + unsteady[frame, 0])
        y = 0.5 + WIDE * (down * since + unsteady[frame, 1]) * 640 / 360
        shown = seen(picture, x, y, np.exp(closer * since))
        finder.push(change(shown, frame, rng) if change else shown, float(time))
    return finder.finish()[1]


def worn(shown, frame, rng):
    """Flicker, grain and gate weave."""
    weave = np.float32([[1, 0, rng.normal(0, 0.8)], [0, 1, rng.normal(0, 0.8)]])
    shown = cv2.warpAffine(shown, weave, SIZE, borderMode=cv2.BORDER_REFLECT)
    return np.clip(
        shown * (1 + rng.normal(0, 0.05)) + rng.normal(0, 6, shown.shape), 0, 255
    ).astype(np.uint8)


def with_passer_by(shown, frame, rng):
    """A large thing goes through the picture."""
    shown = shown.copy()
    cv2.circle(shown, (20 + 5 * frame, 72), 45, 20, -1)
    cv2.circle(shown, (20 + 5 * frame, 60), 15, 230, -1)
    return shown


MOVES = {
    "pan right": {"right": 0.1},
    "pan left": {"right": -0.25},
    "tilt down": {"down": 0.06},
    "tilt up": {"down": -0.1},
    "zoom in": {"closer": 0.12},
    "zoom out": {"closer": -0.2},
    "static": {},
    "handheld": {"shake": 0.012},
}


@pytest.mark.parametrize("change", [None, worn, with_passer_by])
@pytest.mark.parametrize("word", MOVES)
def test_camera_movements_are_told_apart(picture, word, change):
    move = movement(flow_of(picture, **MOVES[word], change=change))
    assert camera_word(move) == word


@pytest.mark.parametrize("word", [w for w in MOVES if w not in ("static", "handheld")])
def test_speed_is_measured_in_picture_widths_a_second(picture, word):
    known = {"right": 0, "down": 0, "closer": 0} | MOVES[word]
    way, rest = camera(flow_of(picture, **MOVES[word]))
    for name, value in known.items():
        assert np.median(getattr(way, name)) == pytest.approx(value, abs=0.01 + 0.06 * abs(value))
    assert np.abs(rest).mean() < 0.012


def test_near_things_that_pass_faster_are_a_camera_that_travels(picture):
    """Two layers, the nearer at three times the speed of the farther."""
    finder = MotionFinder()
    for frame in range(48):
        far = seen(picture, 0.4 + 0.0012 * frame, 0.5, 1)
        near = seen(picture[::-1], 0.3 + 0.0036 * frame, 0.5, 1)
        far[90:] = near[90:]
        finder.push(far, frame / RATE)
    assert camera_word(movement(finder.finish()[1])) == "track right"


def test_what_moves_by_itself_is_not_the_camera(picture):
    plain, passed = (flow_of(picture, change=change) for change in (None, with_passer_by))
    assert movement(plain).things < 0.003 < 0.03 < movement(passed).things
    assert speed_of(movement(plain)) < 0.012 < speed_of(movement(passed))
    assert abs(movement(passed).right) < 0.01


def test_too_little_film_says_nothing():
    assert not motion_vector(np.zeros((0, 6, 8, 3))).any()
    assert not motion_vector(np.ones((motion.LEAST - 1, 6, 8, 3))).any()
    finder = MotionFinder()
    finder.push(np.zeros((40, 60), np.uint8), 0.0)
    times, flow = finder.finish()
    assert times.shape == (0, 2) and flow.shape == (0, 6, 8, 3)


def test_vectors_tell_movements_apart_and_mirror(picture):
    flows = {word: flow_of(picture, **how) for word, how in MOVES.items()}
    vectors = {word: motion_vector(flow) for word, flow in flows.items()}
    for word, vector in vectors.items():
        again = motion_vector(flow_of(picture[::-1], **MOVES[word]))
        others = [vectors[other] for other in vectors if other != word]
        alike = [one @ vector / np.linalg.norm(one) / np.linalg.norm(vector) for one in others]
        assert again @ vector / np.linalg.norm(again) / np.linalg.norm(vector) > max(alike)
    flow = flow_of(picture, right=0.1, down=0.03, change=with_passer_by)
    turned = flow[:, :, ::-1] * np.array([-1, 1, 1], np.float16)
    np.testing.assert_allclose(
        mirrored(motion_vector(flow)[None])[0], motion_vector(turned), atol=1e-6
    )


def test_flow_across_a_cut_belongs_to_no_shot():
    times = np.stack([np.arange(0, 2, 0.1), np.arange(0.1, 2.05, 0.1)], axis=1)
    found = times[within(times, 0.5, 1.0)]
    assert found[0, 0] == pytest.approx(0.5) and found[-1, 1] == pytest.approx(0.9)


def test_flow_inside_bars_is_that_of_the_picture_without_them():
    rng = np.random.default_rng(4)
    flow = np.dstack([rng.normal(size=(2, 48, 2)), np.ones((2, 48, 1))]).reshape(2, 6, 8, 3)
    np.testing.assert_allclose(inside(flow, WHOLE), flow, atol=2e-3)
    # A bar of a row above and below, a column to the left: what is left fills the grid.
    boxed = np.zeros((2, 6, 8, 3))
    boxed[:, 1:5, 1:] = [0.7, -0.4, 1]
    boxed[:, 0, :, :2] = boxed[:, 5, :, :2] = 9  # nothing of it may be believed
    found = inside(boxed, Box(1 / 8, 1 / 6, 1, 5 / 6))
    np.testing.assert_allclose(found[..., 2], 1, atol=2e-3)
    np.testing.assert_allclose(found[..., :2] - [0.7 * 8 / 7, -0.4 * 6 / 4], 0, atol=2e-3)
    assert not inside(flow, Box(0, 0.4, 1, 0.6))[..., 2].any()  # no cell is free of bars


def test_cells_are_read_between_and_past_bars():
    middle = between_cells(4, 0.25, 0.75) @ [0, 1, 2, 3]
    np.testing.assert_allclose(middle, [0.75, 1.25, 1.75, 2.25])
    # A cell that is a quarter bar shows three quarters of its light, about a middle further in.
    row = np.array([0.75 * 4, 4, 4, 4])
    np.testing.assert_allclose(between_cells(4, 1 / 16, 1, (1 / 16, 1), 0.5) @ row, 4, atol=1e-6)
