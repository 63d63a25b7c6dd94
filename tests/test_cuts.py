"""Cuts, dissolves, fades, flashes, on films of which every transition is known."""

import random
from itertools import pairwise

import av
import numpy as np
import pytest
import torch

from lab import cuts
from lab.change import settled
from lab.cuts import STRIP, CutFinder, mark
from lab.sample import numbered_film
from lab.shots import find_shots
from lab.video import Reader, Writer


def scene(seed, count, speed=0.4, grain=1.5):
    """Strip frames of a random picture before which something moves, float (count, 27, 48, 3)."""
    rng = np.random.default_rng(seed)
    picture = np.kron(rng.uniform(20, 235, (9, 16, 3)), np.ones((3, 3, 1)))
    frames = picture + rng.normal(0, grain, (count, 27, 48, 3))
    colour, top = rng.uniform(0, 255, 3), rng.integers(2, 15)
    for number, frame in enumerate(frames):
        left = int(abs((speed * number + 5 * seed) % 72 - 36))
        frame[top : top + 10, left : left + 12] = colour
    return frames


def dissolve(one, other, count):
    share = ((np.arange(count) + 1) / (count + 1))[:, None, None, None]
    return one[:count] * (1 - share) + other[:count] * share


def strip(*parts):
    return np.clip(np.concatenate(parts), 0, 255).astype(np.uint8)


def starts(film):
    marks = mark(film)
    light = np.stack([film.mean((1, 2, 3)), film.std((1, 2, 3))], axis=1)
    both = np.stack([marks.cut, marks.gradual], axis=1)
    found = find_shots("f", np.arange(len(film)) / 25, len(film) / 25, both, light)
    return found, marks


def test_cuts_need_no_network():
    film = strip(*(scene(seed, 60) for seed in range(6)))
    found, marks = starts(film)
    assert found.start_frame.tolist() == [0, 60, 120, 180, 240, 300]
    assert marks.seen == 0


@pytest.mark.parametrize("length", [12, 25, 50, 75, 100])
def test_dissolves_are_found_as_spans(length):
    one, other = scene(1, 200), scene(2, 200)
    film = strip(one[:90], dissolve(one[90:], other, length), other[length:][:90])
    found, _ = starts(film)
    assert found.transition_in.tolist() == ["cut", "dissolve"]
    # No key frame shows both shots, and what is called clean hardly does.
    known, keys = set(range(90, 90 + length)), (found.key * 25).round().astype(int)
    assert not known & set(keys)
    assert found.start_frame[1] in known
    mixed = set(range(round(found.clean_end[0] * 25), round(found.clean_start[1] * 25)))
    assert len(known - mixed) <= 0.3 * length and len(mixed) < 2.5 * length


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("seed", [40, 50])
def test_frames_that_mix_both_shots_at_a_cut_are_in_neither(seed, count):
    one, other = scene(seed, 60), scene(seed + 1, 60)
    found, _ = starts(strip(one[:50], dissolve(one[50:], other, count), other[count:]))
    assert found.transition_in.tolist() == ["cut", "cut"]
    clean = (found[["clean_end", "clean_start"]] * 25).round().astype(int)
    assert clean.clean_end[0] == 50 and clean.clean_start[1] == 50 + count


def test_without_mixed_frames_a_cut_leaves_both_shots_whole():
    found, _ = starts(strip(*(scene(seed, 50) for seed in range(60, 66))))
    assert found.clean_start.tolist() == found.start.tolist()
    assert found.clean_end.tolist() == found.end.tolist()


def test_a_sure_cut_is_one_frame_wide():
    film = strip(*(scene(seed, 40) for seed in range(70, 76)))
    film[100:103] = np.clip(film[100:103].astype(int) + 60, 0, 255)  # a flash, to be asked about
    assert np.flatnonzero(mark(film).cut > cuts.PEAK).tolist() == [40, 80, 120, 160, 200]


def test_what_one_witness_leaves_open_the_other_decides():
    open_, likely = np.full(3, cuts.PRIOR), np.array([0.1, 0.5, 0.9])
    assert cuts._together(open_, likely) == pytest.approx(likely, abs=1e-3)
    assert (cuts._together(likely, likely)[1:] > likely[1:]).all()
    assert cuts._together(np.array([0.001]), np.array([0.3]))[0] < 0.01


@pytest.mark.parametrize("opening", range(4, 24, 4))
def test_a_film_may_open_and_close_inside_a_dissolve(opening):
    one, other = scene(1, 60), scene(2, 160)
    mixed = dissolve(one, other, 40)
    film = strip(mixed[-opening:], other[40:], mixed[:opening])
    found, _ = starts(film)
    assert found.start_frame[0] == 0 and found.end_frame.iloc[-1] == len(film)


def test_stretches_of_slow_change_are_joined_across_small_gaps():
    none, cut = np.zeros(100), np.zeros(100)
    cut[7] = 1
    assert cuts._joined([], none) == []
    assert cuts._joined([(0, 5)], none) == [(0, 5)]
    assert cuts._joined([(0, 5), (9, 13), (40, 45)], none) == [(0, 13), (40, 45)]
    assert cuts._joined([(0, 5), (9, 13)], cut) == [(0, 5), (9, 13)]
    # beside a long stretch it may be another transition
    assert cuts._joined([(0, 39), (43, 46)], none) == [(0, 39), (43, 46)]


@pytest.mark.parametrize("colour", [0, 255])
def test_fades_are_found(colour):
    plain = np.full((20, 27, 48, 3), float(colour))
    one, other = scene(3, 110), scene(4, 110)
    film = strip(one[:90], dissolve(one[90:], plain, 20), dissolve(plain, other, 20), other[20:])
    found, _ = starts(film)
    assert found.transition_in.tolist() == ["cut", "fade"]
    assert abs(found.start_frame[1] - 110) <= 2


def test_fades_out_of_black_and_into_it_need_no_network():
    black = np.zeros((30, 27, 48, 3))
    one = scene(3, 160)
    film = strip(
        black, dissolve(black, one, 30), one[30:130], dissolve(one[130:], black, 30), black
    )
    found, marks = starts(film)
    assert found["flags"].tolist() == ["black", "", "black"] and marks.seen == 0
    assert found.transition_in.tolist()[1:] == ["fade", "fade"]


def test_what_is_there_for_one_frame_alone_is_gone_when_settled():
    rng = np.random.default_rng(0)
    ramp = np.arange(30, dtype=np.float32)[:, None, None] * np.ones((30, 3, 8), np.float32)
    dirty = ramp.copy()
    dirty[np.arange(3, 27, 4), :, rng.integers(0, 8, 6)] = 250
    assert np.array_equal(settled(ramp), ramp)
    assert np.abs(settled(dirty) - ramp).max() <= 1
    assert settled(ramp[:2]).shape == (2, 3, 8)


def test_flashes_are_no_cuts():
    film = scene(5, 120)
    for at, count in ((30, 1), (60, 2), (90, 3)):
        film[at : at + count] = 250
    assert len(starts(strip(film))[0]) == 1


@pytest.mark.parametrize("fading", [2, 5, 8])
def test_a_flash_that_dies_away_is_no_cut(fading):
    film = scene(5, 120)
    for place, share in enumerate([1, *np.linspace(1, 0, fading + 2)[1:-1]]):
        film[60 + place] = film[60 + place] * (1 - share) + 250 * share
    assert len(starts(strip(film))[0]) == 1


def test_bars_do_not_hide_a_cut():
    film = strip(scene(7, 50), scene(8, 50))
    film[:, :6] = film[:, -6:] = 0
    assert starts(film)[0].start_frame.tolist() == [0, 50]


def test_a_still_film_is_never_shown_to_the_network():
    found, marks = starts(strip(scene(9, 1).repeat(500, 0)))
    assert len(found) == 1 and marks.seen == 0


@pytest.mark.parametrize("count", [0, 1, 24, 319, 320, 321])
def test_every_frame_gets_its_answer(count, monkeypatch):
    monkeypatch.setattr(cuts, "CHUNK", 100)
    monkeypatch.setattr(cuts, "OVERLAP", 60)
    finder = CutFinder()
    for frame in np.zeros((count, 27, 48, 3), np.uint8):
        finder.push(frame)
    assert finder.finish().shape == (count, 2)


def test_chunks_change_nothing(monkeypatch):
    film = strip(*(scene(seed, 70) for seed in range(12)))
    one, other = scene(20, 200), scene(21, 200)
    film = np.concatenate([film, strip(one, dissolve(one, other, 50), other[50:])])
    expected = CutFinder()
    for frame in film:
        expected.push(frame)
    monkeypatch.setattr(cuts, "CHUNK", 260)
    finder = CutFinder()
    for frame in film:
        finder.push(frame)
    assert len(finder.held) <= 260 + 2 * cuts.OVERLAP
    whole, parts = expected.finish(), finder.finish()
    assert ((whole > 0.5) == (parts > 0.5)).mean() > 0.999


def test_at_fifty_frames_a_second_a_dissolve_is_as_long_in_seconds():
    one, other = scene(1, 400), scene(2, 400)
    film = strip(one[:180], dissolve(one[180:], other, 150), other[150:][:180])
    finder = CutFinder(fps=50)
    for frame in film:
        finder.push(frame)
    light = np.stack([film.mean((1, 2, 3)), film.std((1, 2, 3))], axis=1)
    times = np.arange(len(film)) / 50
    found = find_shots("f", times, times[-1] + 0.02, finder.finish(), light)
    assert found.transition_in.tolist() == ["cut", "dissolve"]
    assert abs(found.start[1] - 5.1) < 0.3


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_known_cuts_of_a_film_are_found_to_the_frame(tmp_path, seed):
    lengths = np.random.default_rng(seed).integers(15, 50, 10)
    looks = range(100 * seed, 100 * seed + 10)
    known = numbered_film(tmp_path / "film.mp4", lengths, looks=looks, first=None)
    found = starts(read(tmp_path / "film.mp4"))[0]
    assert found.start_frame.tolist() == [0, *known]
    assert set(found.transition_in) == {"cut"}


@pytest.mark.parametrize(("kind", "length"), [("dissolve", 14), ("fade", 24)])
def test_gradual_transitions_of_a_film_are_told_from_cuts(tmp_path, kind, length):
    shots = [scene(seed, 60 + 2 * length, speed=0.3) for seed in (31, 32, 33)]
    black = np.zeros((length // 2, 27, 48, 3))
    film = [shots[0][:60]]
    for one, other in pairwise(shots):
        if kind == "dissolve":
            film.append(dissolve(one[60 + length :], other, length))
        else:
            half = length // 2
            film += [dissolve(one[60 + length :], black, half), dissolve(black, other, half)]
        film.append(other[length : length + 60])
    frames = np.kron(strip(*film), np.ones((1, 8, 8, 1), np.uint8))
    with Writer(tmp_path / "film.mp4", (384, 216), 25) as out:
        for number, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            out.write(picture.reformat(format="yuv420p", dst_colorspace="ITU709"), number / 25)
    found = starts(read(tmp_path / "film.mp4"))[0]
    assert found.transition_in.tolist()[1:] == [kind, kind]
    middles = np.array([60 + length / 2, 120 + length * 3 / 2])
    assert np.abs(found.start_frame.to_numpy()[1:] - middles).max() <= 4


def read(path):
    return np.stack([f.picture.to_ndarray() for f in Reader(path, size=STRIP, pixels="rgb24")])


def test_the_network_leaves_random_generators_alone():
    cuts._network.cache_clear()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    cuts._network()
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected
    assert not torch.are_deterministic_algorithms_enabled()
