"""Cuts, dissolves, fades, black and bars, on numbers with known answers."""

import numpy as np
import pytest

from lab import shots
from lab.shots import BarFinder, find_moments, find_shots
from lab.video import WHOLE


def table(count, here=(), slow=(), black=(), flat=(), times=None, corrected=None):
    """A shots table from what cut detection and the light would say."""
    cuts, light = np.zeros((count, 2), np.float32), np.tile([120.0, 50.0], (count, 1))
    for at, value in here:
        cuts[at, 0] = value
    for first, last in slow:
        cuts[first : last + 1, 1] = 0.9
    for first, last in black:
        light[first : last + 1] = 0.5, 0.2
    for first, last in flat:
        light[first : last + 1] = 130, 1
    times = np.arange(count) / 25 if times is None else times
    return find_shots("f", times, times[-1] + 0.04, cuts, light, corrected)


def told(found):
    return [(row.start_frame, row.transition_in, row.flags) for row in found.itertuples()]


def clean(found):
    """First and last clean frames, at 25 frames a second."""
    spans = found[["clean_start", "clean_end"]].to_numpy() * 25
    return [(round(a), round(b) - 1) for a, b in spans]


def test_a_shot_begins_at_a_cut():
    found = table(100, here=[(40, 0.9)])
    assert told(found) == [(0, "cut", ""), (40, "cut", "")]
    assert clean(found) == [(0, 39), (40, 99)]


def test_weak_peaks_are_no_cuts():
    assert len(table(100, here=[(40, 0.25)])) == 1


def test_a_blend_of_two_shots_at_a_cut_is_not_clean():
    found = table(100, here=[(40, 0.9)], slow=[(38, 40)])
    assert told(found)[1] == (40, "cut", "")
    assert clean(found) == [(0, 37), (41, 99)]


def test_of_a_shot_that_is_nearly_all_fade_the_lighter_half_counts():
    # black, a fade-in of 80 frames, five frames of light, a cut
    found = table(200, here=[(105, 0.9)], slow=[(20, 99)], black=[(0, 19)])
    assert told(found) == [(0, "fade", "black"), (20, "fade", ""), (105, "cut", "")]
    assert clean(found)[1] == (60, 104)
    # with enough left, none of it
    found = table(200, here=[(150, 0.9)], slow=[(20, 99)], black=[(0, 19)])
    assert clean(found)[1] == (100, 149)


def test_a_dissolve_is_cut_in_its_middle_and_not_clean():
    found = table(200, slow=[(80, 119)])
    assert told(found) == [(0, "cut", ""), (100, "dissolve", "")]
    assert clean(found) == [(0, 79), (120, 199)]
    assert found.key.tolist() == [40 / 25, 160 / 25]
    # a peak inside it is the same transition
    assert told(table(200, here=[(95, 0.8)], slow=[(80, 119)])) == told(found)


def test_both_halves_of_a_fade_meet_in_the_black():
    found = table(100, slow=[(40, 48), (52, 60)], black=[(49, 51)])
    assert told(found) == [(0, "cut", ""), (51, "fade", "")]
    assert clean(found) == [(0, 39), (61, 99)]
    held = table(100, slow=[(39, 46), (55, 62)], black=[(47, 54)])
    assert told(held) == [(0, "cut", ""), (51, "fade", "")]
    assert clean(held) == [(0, 38), (63, 99)]
    white = table(100, slow=[(40, 60)], flat=[(49, 51)])
    assert told(white) == [(0, "cut", ""), (51, "fade", "")]


def test_long_black_stands_alone():
    found = table(100, slow=[(22, 36), (62, 76)], black=[(30, 69)])
    assert told(found) == [(0, "cut", ""), (30, "fade", "black"), (70, "fade", "")]
    assert clean(found) == [(0, 21), (30, 69), (77, 99)]
    found = table(100, here=[(30, 0.9), (70, 0.9)], black=[(30, 69)])
    assert told(found) == [(0, "cut", ""), (30, "cut", "black"), (70, "cut", "")]


def test_dirt_on_black_does_not_end_it():
    cuts, light = np.zeros((100, 2), np.float32), np.tile([120.0, 50.0], (100, 1))
    cuts[[30, 60], 0] = 0.9
    light[30:60] = 0.5, 0.2
    light[40:44] = 1.2, 11.0  # a blot or two
    found = find_shots("f", np.arange(100) / 25, 4.0, cuts, light)
    assert told(found) == [(0, "cut", ""), (30, "cut", "black"), (60, "cut", "")]


def test_a_film_that_fades_in_and_out_is_one_shot():
    found = table(100, slow=[(0, 20), (80, 99)], black=[(0, 2), (97, 99)])
    assert told(found) == [(0, "fade", "")]
    assert clean(found) == [(21, 79)]


def test_a_shot_that_is_all_transition_keeps_one_clean_frame():
    found = table(100, slow=[(20, 49), (51, 79)], here=[(50, 0.0)])
    assert told(found)[1:] == [(35, "dissolve", ""), (65, "dissolve", "")]
    assert clean(found)[1] == (50, 50)


def test_a_person_may_say_where_shots_begin():
    found = table(200, here=[(30, 0.9), (60, 0.9)], slow=[(100, 119)], corrected=[30, 112, 150])
    assert told(found) == [(0, "cut", ""), (30, "cut", ""), (112, "dissolve", ""), (150, "cut", "")]
    assert clean(found) == [(0, 29), (30, 99), (120, 149), (150, 199)]
    assert told(table(200, here=[(30, 0.9)], corrected=[])) == [(0, "cut", "")]


def test_one_colour_is_flagged():
    assert told(table(80, here=[(40, 0.9)], flat=[(40, 79)]))[1] == (40, "cut", "flat")


def test_shots_cover_a_film_of_variable_rate_without_a_gap():
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.1, 300)) + 5
    found = table(300, here=[(i, 0.9) for i in (11, 16, 100, 251)], times=times)
    assert found.start.tolist() == [times[i] for i in (0, 11, 16, 100, 251)]
    assert found.start.tolist()[1:] == found.end.tolist()[:-1]
    assert found.end.iloc[-1] == times[-1] + 0.04
    assert found.end_frame.tolist() == [11, 16, 100, 251, 300]
    assert found.shot_id[1] == f"f-{round(times[11] * 1000)}-{round(times[16] * 1000)}"


def test_moments_are_equal_short_and_cover_their_shot():
    found = table(1000, here=[(10, 0.9), (85, 0.9), (161, 0.9)])
    moments = find_moments(found)
    parts = moments.groupby("shot_id", sort=False)
    assert parts.size().tolist() == [1, 1, 2, 12]
    lengths = moments.end - moments.start
    assert lengths.max() <= shots.MOMENT + 1e-6
    assert (parts.start.min() == found.set_index("shot_id").start[parts.start.min().index]).all()
    assert (parts.end.max() == found.set_index("shot_id").end[parts.end.max().index]).all()


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
