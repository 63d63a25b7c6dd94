"""Cuts, dissolves, fades, black and bars, on films and numbers with known answers."""

import random

import numpy as np
import pytest
import torch

from lab import shots
from lab.sample import numbered_film
from lab.shots import STRIP, BarFinder, CutFinder, find_moments, find_shots
from lab.video import WHOLE, Reader


def table(count, here=(), reach=(), black=(), flat=(), times=None):
    """A shots table from what the network and the light would say."""
    cuts, light = np.zeros((count, 2), np.float32), np.tile([120.0, 50.0], (count, 1))
    for at, value in here:
        cuts[at, 0] = value
    for first, last in reach:
        cuts[first : last + 1, 1] = 0.9
    for first, last in black:
        light[first : last + 1] = 0.5, 0.2
    for first, last in flat:
        light[first : last + 1] = 130, 1
    times = np.arange(count) / 25 if times is None else times
    return find_shots("f", times, times[-1] + 0.04, cuts, light)


def told(found):
    return [(row.start_frame, row.transition_in, row.flags) for row in found.itertuples()]


def test_the_network_marks_the_last_frame_before_a_cut():
    assert told(table(100, here=[(39, 0.9)], reach=[(39, 39)])) == [(0, "cut", ""), (40, "cut", "")]


def test_weak_peaks_are_no_cuts():
    assert len(table(100, here=[(39, 0.25)])) == 1


def test_a_dissolve_is_cut_in_its_middle():
    found = table(100, here=[(49, 0.8)], reach=[(40, 59)])
    assert told(found) == [(0, "cut", ""), (50, "dissolve", "")]
    # a long one may be seen by its reach alone
    assert told(table(200, here=[(99, 0.25)], reach=[(80, 119)]))[1] == (100, "dissolve", "")


def test_both_halves_of_a_fade_meet_in_the_black():
    found = table(100, here=[(43, 0.5), (56, 0.6)], reach=[(40, 48), (52, 60)], black=[(49, 51)])
    assert told(found) == [(0, "cut", ""), (51, "fade", "")]


def test_long_black_stands_alone():
    found = table(100, here=[(29, 0.8), (69, 0.7)], reach=[(22, 36), (62, 76)], black=[(30, 69)])
    assert told(found) == [(0, "cut", ""), (30, "fade", "black"), (70, "fade", "")]
    found = table(100, here=[(29, 0.9), (69, 0.9)], black=[(30, 69)])
    assert told(found) == [(0, "cut", ""), (30, "cut", "black"), (70, "cut", "")]


def test_one_colour_is_flagged():
    assert told(table(80, here=[(39, 0.9)], flat=[(40, 79)]))[1] == (40, "cut", "flat")


def test_shots_cover_a_film_of_variable_rate_without_a_gap():
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.1, 300)) + 5
    found = table(300, here=[(i, 0.9) for i in (10, 15, 99, 250)], times=times)
    assert found.start.tolist() == [times[i] for i in (0, 11, 16, 100, 251)]
    assert found.start.tolist()[1:] == found.end.tolist()[:-1]
    assert found.end.iloc[-1] == times[-1] + 0.04
    assert found.end_frame.tolist() == [11, 16, 100, 251, 300]
    assert found.shot_id[1] == f"f-{round(times[11] * 1000)}-{round(times[16] * 1000)}"


def test_moments_are_equal_short_and_cover_their_shot():
    found = table(1000, here=[(9, 0.9), (84, 0.9), (160, 0.9)])
    moments = find_moments(found)
    parts = moments.groupby("shot_id", sort=False)
    assert parts.size().tolist() == [1, 1, 2, 12]
    lengths = moments.end - moments.start
    assert lengths.max() <= shots.MOMENT + 1e-6
    assert (parts.start.min() == found.set_index("shot_id").start[parts.start.min().index]).all()
    assert (parts.end.max() == found.set_index("shot_id").end[parts.end.max().index]).all()


@pytest.mark.parametrize("count", [1, 24, 149, 150, 151, 301])
def test_every_frame_gets_its_answer(count):
    finder = CutFinder()
    frames = np.random.default_rng(1).integers(0, 256, (count, 27, 48, 3), np.uint8)
    for frame in frames:
        finder.push(frame)
    assert finder.finish().shape == (count, 2)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_known_cuts_are_found_to_the_frame(tmp_path, seed):
    lengths = np.random.default_rng(seed).integers(15, 50, 10)
    looks = range(100 * seed, 100 * seed + 10)
    cuts = numbered_film(tmp_path / "film.mp4", lengths, looks=looks, first=None)
    finder, times, light = CutFinder(), [], []
    for frame in Reader(tmp_path / "film.mp4", size=STRIP, pixels="rgb24"):
        strip = frame.picture.to_ndarray()
        finder.push(strip)
        times.append(float(frame.time))
        light.append((strip.mean(), strip.std()))
    found = find_shots("f", np.array(times), 99, finder.finish(), np.array(light))
    assert found.start_frame.tolist() == [0, *cuts]
    assert set(found.transition_in) == {"cut"}


@pytest.mark.parametrize(("kind", "length"), [("dissolve", 14), ("fade", 12)])
def test_gradual_transitions_are_told_from_cuts(tmp_path, kind, length):
    cuts = numbered_film(
        tmp_path / "film.mp4", [60, 60, 60], looks=(3, 12, 21), first=None, **{kind: length}
    )
    finder, light = CutFinder(), []
    for frame in Reader(tmp_path / "film.mp4", size=STRIP, pixels="rgb24"):
        strip = frame.picture.to_ndarray()
        finder.push(strip)
        light.append((strip.mean(), strip.std()))
    times = np.arange(180) / 24
    found = find_shots("f", times, 7.5, finder.finish(), np.array(light))
    assert found.transition_in.tolist()[1:] == [kind, kind]
    middle = length // 2 if kind == "dissolve" else 0
    assert np.abs(found.start_frame.to_numpy()[1:] - (np.array(cuts) + middle)).max() <= 3


def test_the_network_leaves_random_generators_alone():
    shots._network.cache_clear()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    shots._network()
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected
    assert not torch.are_deterministic_algorithms_enabled()


def barred(top=0, left=0, size=(180, 320), logo=False, light=150):
    rng, finder = np.random.default_rng(2), BarFinder()
    for _ in range(5):
        luma = np.full(size, 16, np.uint8)
        inside = luma[top : size[0] - top, left : size[1] - left]
        inside[:] = rng.integers(light // 2, light, inside.shape)
        if logo:
            luma[4:12, 290:310] = 200
        finder.push(luma)
    finder.push(np.full(size, 16, np.uint8))  # a black frame says nothing
    return finder.finish()


def test_bars_are_found():
    assert barred() == WHOLE
    assert barred(top=24) == pytest.approx((0, 24 / 180, 1, 156 / 180))
    assert barred(left=40) == pytest.approx((40 / 320, 0, 280 / 320, 1))
    assert barred(top=24, logo=True) == pytest.approx((0, 24 / 180, 1, 156 / 180))
    assert barred(top=2) == WHOLE  # a line of dirt at the edge
    assert barred(light=34) == WHOLE  # a dark film
    assert BarFinder().finish() == WHOLE
