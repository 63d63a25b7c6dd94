"""Answering live: shots that are known, scores by hand, answers that stay, fade and play."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import CLOSED, VARIABLE

from lab import channels
from lab.canvas import even
from lab.encoders import packaged
from lab.ingest import ingest
from lab.motion import MotionFinder
from lab.sample import numbered_film, read_number
from lab.search import SearchError
from lab.see import Answering, AnswerState, Archive, answer, answering, captions, load_archive
from lab.see import archive as stock
from lab.see.answering import Cell
from lab.see.archive import LONGEST, Showing
from lab.see.playing import Loop, Projector, Take, filling
from lab.store import Workspace
from lab.tables import load_archive as load_ingested
from lab.video import WHOLE, Reader, proxy_size

FILMS = {  # four shots of a second each but the last, that all look different
    "One (1921).mp4": {"looks": (1, 2, 3, 4)},
    "two.mp4": {"looks": (5, 6, 7, 8)},
    "variable.mp4": {"looks": (11, 12, 13, 14), "times": VARIABLE},
    "late.mp4": {"looks": (61, 62, 63, 64), "times": [Fraction(i, 24) + 3 for i in range(96)]},
    "bars.mp4": {"looks": (45, 46, 47, 48), "bars": (24, 0), "first": None},
}
TICK = 1 / 15
# What one frame says by itself. How large people are is guessed from photographs; in patterns it is
# guessed one way in a frame and another in its shot, and otherwise again by another processor.
PLAIN = Answering(framing=0, motion=0)
# In soft patterns noise is the only texture: the encoder, which knows photographs, sees no other.
BROAD = Answering(subject=0, composition=0.4, colour=1, framing=0, motion=0)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A workspace with the films, ingested."""
    root = tmp_path_factory.mktemp("answering")
    (root / "archive").mkdir()
    for name, kind in FILMS.items():
        numbered_film(root / "archive" / name, [24] * 4, options=CLOSED, **kind)
    ingest(sorted((root / "archive").glob("*.mp4")), Workspace(root))
    return Workspace(root)


@pytest.fixture(scope="module")
def archive(house):
    return load_archive(house)


@pytest.fixture(scope="module")
def frames(house):
    """The films' frames, by name and number."""
    return {
        name: [one.picture.to_ndarray() for one in Reader(house.archive / name, pixels="rgb24")]
        for name in FILMS
    }


def noisy(frame, rng, strength=8.0):
    """A frame as a camera indoors gives it."""
    return (frame + rng.normal(0, strength, frame.shape)).clip(0, 255).astype(np.uint8)


def run(state, frames, start=0.0):
    """States after each of some frames, 15 a second."""
    states = []
    for number, frame in enumerate(frames):
        _, state = answer(frame, start + number * TICK, state)
        states.append(state)
    return states


def name_of(archive, shot_id):
    """Film and number of a shot."""
    shot = archive.shots.set_index("shot_id").loc[shot_id]
    return Path(archive.films.path[shot.film_id]).name, shot["index"]


# Who answers.


def test_a_frame_is_answered_by_the_shot_it_is_of(archive, frames):
    rng = np.random.default_rng(0)
    assert len(archive.shots) == 20
    for name in FILMS:
        for number in range(4):
            frame = frames[name][24 * number + 9]
            for seen, settings in ((frame, PLAIN), (noisy(frame, rng), BROAD)):
                _, state = answer(seen, 5.0, AnswerState(archive, settings))
                assert name_of(archive, state.shot_ids[0]) == (name, number)


def test_scores_are_those_of_matching(house, archive, frames):
    known, frame = load_ingested(house), frames["two.mp4"][60]
    _, state = answer(frame, 0.0, AnswerState(archive, PLAIN))
    encoder, query = packaged(), []
    small = np.stack([answering.cv2.resize(frame, proxy_size(320, 192), interpolation=3)])
    seen = channels.describe(small, channels.see(small, encoder))
    weights = {"subject": 1.0, "composition": 0.4, "colour": 0.2}
    for name, weight in weights.items():
        centre = known.vectors[name].astype(float).mean(axis=0)
        one, every = seen[name][0] - centre, known.vectors[name] - centre
        every /= np.linalg.norm(every, axis=1, keepdims=True)
        query.append(weight / 1.6 * every @ (one / np.linalg.norm(one)))
    moments, scores = archive.nearest(state.seen, state.shares)
    assert moments.tolist() == list(range(20))
    np.testing.assert_allclose(scores, sum(query), atol=1e-5)
    assert state.cells == (Cell(Showing(int(np.argmax(sum(query))), 0.0)),)
    assert max(sum(query)) > 0.8


def test_a_large_archive_is_looked_through_on_a_few_axes(house, archive, frames, monkeypatch):
    asked = (("two.mp4", 60), ("late.mp4", 3), ("bars.mp4", 90))
    states = [answer(frames[name][k], 0.0, AnswerState(archive))[1] for name, k in asked]
    every = [archive.nearest(state.seen, state.shares)[1] for state in states]
    monkeypatch.setattr(stock, "FINE", 6)
    large = load_archive(house)
    assert set(large.axes) == {"subject", "composition", "colour"} and not archive.axes
    for state, exact in zip(states, every, strict=True):
        moments, scores = large.nearest(state.seen, state.shares, also=[0, 1])
        assert {0, 1} < set(moments.tolist()) and 6 <= len(moments) <= 8
        assert moments[scores.argmax()] == exact.argmax()
        np.testing.assert_allclose(scores, exact[moments], atol=1e-5)


def test_a_shot_is_as_near_as_its_nearest_moment(archive):
    # Of three moments two are of one shot; what is seen is the last.
    vectors = {"colour": np.eye(3, dtype=np.float32)}
    few = replace(archive, shots=archive.shots[:2], owners=np.array([0, 1, 1]), vectors=vectors)
    moments, scores = few.nearest({"colour": np.float32([0, 0, 1])}, {"colour": 1.0})
    assert few.varied(moments[np.argsort(-scores, kind="stable")], 2) == [2, 0]


def test_nine_are_of_nine_films_where_there_are_so_many(archive):
    # Six shots: three of the first film, two of the second, one of the third.
    films = pd.DataFrame({"film_id": [*"aaabbc"]})
    few = replace(archive, shots=films, owners=np.arange(6))
    assert few.varied(np.arange(6), 1) == [0]
    assert few.varied(np.arange(6), 3) == [0, 3, 5]
    assert few.varied(np.arange(6), 4) == [0, 1, 3, 5]
    assert few.varied(np.arange(6)[::-1], 4) == [5, 4, 3, 2]
    assert few.varied(np.arange(6), 9) == [0, 1, 2, 3, 4, 5]


def test_what_is_useless_does_not_answer(house):
    known = load_ingested(house)
    shots = known.shots.copy()
    shots.loc[:2, "flags"] = ["title still", "duplicate-of:x", "black"]
    some = Archive.of(replace(known, shots=shots), house)
    assert some.shots.shot_id.tolist() == shots.shot_id[3:].tolist()
    assert some.owners.tolist() == list(range(17))
    np.testing.assert_array_equal(
        some.vectors["subject"], Archive.of(known, house).vectors["subject"][3:]
    )
    shots["flags"] = ["title"] * 19 + ["black"]
    assert len(Archive.of(replace(known, shots=shots), house).shots) == 19
    shots["flags"] = "black"
    assert len(Archive.of(replace(known, shots=shots), house).shots) == 20


def test_without_an_archive_there_is_a_sentence(tmp_path):
    with pytest.raises(SearchError, match="the archive is empty; put films into"):
        load_archive(Workspace(tmp_path))


# What is seen.


def test_what_is_seen_follows_the_camera_smoothly(archive, frames):
    first, second = (noisy(frames["two.mp4"][k], np.random.default_rng(k)) for k in (3, 5))
    alone = [answer(one, 0.0, AnswerState(archive, PLAIN))[1].seen for one in (first, second)]
    both = run(AnswerState(archive, PLAIN), [first, second])[1].seen
    stays = np.exp(-TICK / answering.SMOOTH)
    assert set(both) == {"subject", "composition", "colour"}
    for name, seen in both.items():
        mixed = stays * alone[0][name] + (1 - stays) * alone[1][name]
        np.testing.assert_allclose(seen, mixed, atol=1e-5)


def test_another_picture_altogether_is_seen_at_once(archive, frames):
    alone = answer(frames["late.mp4"][3], 0.0, AnswerState(archive, PLAIN))[1].seen
    both = run(AnswerState(archive, PLAIN), [frames["two.mp4"][3], frames["late.mp4"][3]])[1].seen
    for name, seen in both.items():
        np.testing.assert_allclose(seen, alone[name], atol=1e-5)


def test_movement_is_that_of_the_last_two_seconds(archive, frames):
    finder, states = MotionFinder(), run(AnswerState(archive), frames["two.mp4"][24:48] * 2)
    assert not states[1].seen["motion"].any() and "motion" not in _spoken(states[1])
    for number, frame in enumerate(frames["two.mp4"][24:48]):
        small = answering.cv2.resize(frame, proxy_size(320, 192), interpolation=3)
        finder.push(answering.cv2.cvtColor(small, answering.cv2.COLOR_RGB2GRAY), number * TICK)
    times, flow = finder.finish()
    found = states[23].flows
    assert [time for time, _ in found] == pytest.approx(times[:, 1].tolist())
    np.testing.assert_allclose(np.concatenate([one for _, one in found]), flow, atol=1e-3)
    assert "motion" in _spoken(states[23])
    assert states[-1].flows[0][0] > 47 * TICK - 2 - 1 / 12 - TICK


def _spoken(state):
    return {name for name, share in state.shares.items() if share}


# What stays, and for how long.


def test_a_noisy_picture_that_stands_still_keeps_its_answer(archive, frames):
    rng = np.random.default_rng(0)
    # Half of one shot and half of another: either could answer.
    half = frames["two.mp4"][3] / 2.0 + frames["late.mp4"][3] / 2.0
    for still in (frames["two.mp4"][3], half):
        states = run(AnswerState(archive), [noisy(still, rng, 12) for _ in range(30)])
        assert len({state.shot_ids[0] for state in states}) == 1


def test_a_new_picture_is_answered_once_the_old_answer_was_held(archive, frames):
    rng = np.random.default_rng(0)
    before, after = frames["One (1921).mp4"][9], frames["two.mp4"][57]
    settings = BROAD.model_copy(update={"hold": 1, "fade": 0.2})
    for change in (6, 32):  # before the answer was held, and after
        shown = [noisy(before if k < change else after, rng) for k in range(48)]
        states = run(AnswerState(archive, settings), shown)
        names = [name_of(archive, state.shot_ids[0]) for state in states]
        at = names.index(("two.mp4", 2))
        assert names == [("One (1921).mp4", 0)] * at + [("two.mp4", 2)] * (48 - at)
        assert max(change, 15) <= at <= max(change, 15) + 4


@pytest.fixture
def dream(archive, monkeypatch):
    """Sees what is between two shots of the archive instead of what a frame shows."""

    def see(frame, seconds, state):
        one, other = (archive.vectors["subject"][k] for k in (2, 9))
        share = np.float32(frame[0, 0, 0] / 100)
        seen = {"subject": share * other + (1 - share) * one}
        return replace(state, seconds=seconds, seen=seen)

    monkeypatch.setattr(answering, "_looked", see)
    return lambda percent: np.full((36, 64, 3), percent, np.uint8)


def test_another_takes_over_when_it_is_nearer_by_the_margin(archive, dream):
    between = float(archive.vectors["subject"][2] @ archive.vectors["subject"][9])
    settings = Answering(hold=0.5, fade=0, margin=0.1)
    states = run(AnswerState(archive, settings), [dream(k) for k in range(100)])
    answers = [state.cells[0].now.moment for state in states]
    # Scores are (1 - s) + s c and s + (1 - s) c: apart by (2 s - 1)(1 - c).
    takes = next(k for k in range(100) if (2 * k / 100 - 1) * (1 - between) > 0.1)
    assert 50 < takes < 65
    assert answers == [2] * takes + [9] * (100 - takes)
    early = run(AnswerState(archive, settings), [dream(0), *[dream(99)] * 20])
    assert [state.cells[0].now.moment for state in early] == [2] * 8 + [9] * 13


def test_one_answer_fades_into_the_next(archive, dream):
    settings, size = Answering(hold=0, fade=0.4, size=64), (114, 64)
    _, state = answer(dream(0), 0.0, AnswerState(archive, settings))
    images = {}
    for seconds in (0.5, 0.6, 0.8, 0.9, 1.0):
        images[seconds], state = answer(dream(100), seconds, state)
        old, new = (
            archive.picture(Showing(*one), seconds, size).astype(float)
            for one in ((2, 0.0), (9, 0.5))
        )
        share = min((seconds - 0.5) / 0.4, 1)
        assert np.abs(images[seconds] - ((1 - share) * old + share * new)).max() <= 0.51
    assert state.cells == (Cell(Showing(9, 0.5), Showing(2, 0.0)),)
    assert np.abs(images[0.5].astype(float) - images[1.0]).mean() > 10
    # No answer gives way before it is faded in.
    states = run(AnswerState(archive, settings), [dream(0), *[dream(100)] * 9])
    assert [state.cells[0].now.moment for state in states] == [2] * 6 + [9] * 4


# The grid.


def test_nine_are_shown_best_first_and_keep_their_places(archive, frames):
    settings = PLAIN.model_copy(update={"grid": True, "hold": 0, "fade": 0, "size": 256})
    still, other = frames["two.mp4"][3], frames["late.mp4"][27]
    states = run(AnswerState(archive, settings), [still] * 12)
    assert [sum(map(bool, state.shot_ids)) for state in states] == [*range(1, 10), 9, 9, 9]
    moments, scores = archive.nearest(states[-1].seen, states[-1].shares)
    expected = _nine(archive, moments, scores)
    assert [cell.now.moment for cell in states[-1].cells] == expected
    assert name_of(archive, states[-1].shot_ids[0]) == ("two.mp4", 0)
    films = [name_of(archive, shot_id)[0] for shot_id in states[-1].shot_ids]
    assert len(set(films)) == 5 and max(map(films.count, films)) == 2

    later = run(states[-1], [other] * 12, start=1.0)
    for before, after in zip([states[-1], *later], later, strict=False):
        changed = [k for k in range(9) if before.cells[k] != after.cells[k]]
        assert len(changed) <= 1
        wanted = _nine(archive, *archive.nearest(after.seen, after.shares), before, 0.05)
        assert all(before.cells[k].now.moment not in wanted for k in changed)
    assert {cell.now.moment for cell in later[-1].cells} == set(wanted)
    stayed = [k for k in range(9) if states[-1].cells[k] == later[-1].cells[k]]
    assert stayed and len(stayed) < 9


def _nine(archive, moments, scores, state=None, margin=0.0):
    """The nine nearest, two of a film at most, those that are shown favoured."""
    here = [cell.now.moment for cell in state.cells] if state else []
    scores = scores + margin * np.isin(moments, here)
    ranked = pd.DataFrame({"moment": moments, "film": archive.shots.film_id[moments]})
    ranked = ranked.iloc[np.argsort(-scores, kind="stable")]
    place = ranked.groupby("film").cumcount()
    chosen = [*ranked.moment[place == 0], *ranked.moment[place == 1]][:9]
    return [int(moment) for moment in ranked.moment if moment in chosen]


def test_every_cell_plays_in_its_place(archive, frames):
    settings = Answering(grid=True, size=256)
    state = run(AnswerState(archive, settings), [frames["two.mp4"][3]] * 9)[-1]
    image, state = answer(frames["two.mp4"][3], 0.7, state)
    assert image.shape == (256, even(256 * 320 / 192), 3)
    wide, high = (image.shape[1] - 4) // 3, (256 - 4) // 3
    for number, cell in enumerate(state.cells):
        top, left = number // 3 * (high + 2), number % 3 * (wide + 2)
        shown = image[top : top + high, left : left + wide]
        np.testing.assert_array_equal(shown, archive.picture(cell.now, 0.7, (wide, high)))
    assert not image[high : high + 2].any() and not image[:, wide : wide + 2].any()
    alone, state = answer(frames["two.mp4"][3], 0.8, replace(state, settings=Answering()))
    assert name_of(archive, state.shot_ids[0]) == ("two.mp4", 0) and len(state.cells) == 1
    np.testing.assert_array_equal(
        alone, archive.picture(state.cells[0].now, 0.8, alone.shape[1::-1])
    )


# What plays.


@pytest.mark.parametrize("name", ["two.mp4", "variable.mp4", "late.mp4"])
def test_a_shot_plays_over_and_over_at_its_own_speed(name, archive, frames):
    times = [float(time) for time in FILMS[name].get("times", [Fraction(k, 24) for k in range(96)])]
    state, shown = AnswerState(archive, BROAD), []
    for seconds in np.arange(0, 2.4, 0.04):
        image, state = answer(frames[name][30], 7 + seconds, state)
        shown.append(read_number(image))
    assert name_of(archive, state.shot_ids[0]) == (name, 1)
    shot = archive.shots[archive.shots.shot_id == state.shot_ids[0]].iloc[0]
    on_show = shot.clean_start + np.arange(0, 2.4, 0.04) % (shot.clean_end - shot.clean_start)
    assert shown == [max(k for k in range(96) if times[k] <= now + 1e-3) for now in on_show]
    # Between the cuts at 24 and 48; a frame beside a cut may be no clean one.
    assert min(shown) in (24, 25) and max(shown) in (46, 47)


def test_of_a_long_shot_what_is_about_the_moment_plays():
    shots = pd.DataFrame({"clean_start": [10.0] * 4, "clean_end": [40.0, 40.0, 40.0, 12.0]})
    moments = pd.DataFrame({"start": [10.0, 23.5, 37.0, 10.0], "end": [13.0, 26.5, 40.0, 12.0]})
    loops = stock._loops(shots, moments)
    assert loops.tolist() == [[10, 18], [21, 29], [32, 40], [10, 12]] and LONGEST == 8


def test_an_answer_fills_the_frame_inside_its_bars(archive, frames):
    for shape in ((360, 640), (640, 360), (480, 480)):
        camera = np.zeros((*shape, 3), np.uint8)
        camera[:] = answering.cv2.resize(frames["bars.mp4"][30][24:-24], shape[::-1])
        image, state = answer(camera, 0.0, AnswerState(archive, PLAIN))
        assert name_of(archive, state.shot_ids[0]) == ("bars.mp4", 1)
        assert min(image.shape[:2]) == 256
        edges = image[0], image[-1], image[:, 0], image[:, -1]
        assert min(edge.max(axis=-1).min() for edge in edges) > 25


def test_the_middle_is_cut_out_in_the_shape_of_the_panel():
    film = pd.Series({"width": 1280, "height": 720, "crop": [0, 0.125, 1, 0.875]})
    crop, size = filling(film, (90, 160))
    # Of the proxy's 352 rows, two beside each bar are left away; of 535.8 rows, 9 / 16 across.
    rim, across = 2 / 352, (0.75 - 4 / 352) * 720 * 9 / 16 / 1280
    expected = ((1 - across) / 2, 0.125 + rim, (1 + across) / 2, 0.875 - rim)
    assert np.allclose(crop, expected) and size == (90, 160)
    # Larger than the proxy's 260 rows inside the bars: read as it is there.
    assert filling(film, (1080, 1080))[1] == (260, 260)


def test_pictures_are_let_go_and_read_again_when_they_are_needed(house, archive):
    path = archive.proxies[archive.films.film_id.iloc[0]]
    loops = [Loop(path, k, k + 1.0, WHOLE, (80, 48)) for k in range(4)]
    projector = Projector(room=30 * 80 * 48 * 3)
    first = [projector.show(loop, 0.9, (80, 48)) for loop in loops]
    kept = [take.loop for take in projector.takes.values()]
    assert kept == loops[3:]  # 24 pictures of one are less than 30, of two more
    assert sum(take.bytes for take in projector.takes.values()) <= projector.room
    again = [projector.show(loop, 1.9, (160, 96)) for loop in loops]
    assert all(one.shape == (96, 160, 3) for one in again)
    assert [*map(read_number, first)] == [*map(read_number, again)]
    assert len({read_number(one) for one in first}) == 4
    given = projector.show(loops[3], 0.9, (80, 48))
    given[:] = 0  # what was given away is not what is kept
    np.testing.assert_array_equal(projector.show(loops[3], 0.9, (80, 48)), first[3])


def test_a_take_is_decoded_as_far_as_it_was_shown(archive):
    path = archive.proxies[archive.films.film_id.iloc[0]]
    take = Take(Loop(path, 1.0, 2.0, WHOLE, (80, 48)))
    assert take.bytes == 0
    take.at(0.25)
    assert len(take.pictures) == 8  # the seventh is on show; that it is, the eighth tells
    take.at(0.99)
    assert len(take.pictures) == 24 and take.frames is None


# The step.


def test_a_step_changes_nothing_but_what_it_gives_back(archive, frames):
    state = run(AnswerState(archive, Answering(grid=True)), frames["two.mp4"][:6])[-1]
    frame = frames["late.mp4"][9]
    copy, seen = frame.copy(), {name: one.copy() for name, one in state.seen.items()}
    (one, first), (other, second) = (answer(frame, 0.5, state) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert first.cells == second.cells and state.cells != first.cells
    np.testing.assert_array_equal(frame, copy)
    assert all(np.array_equal(state.seen[name], rows) for name, rows in seen.items())


def test_a_caption_names_the_film_and_its_second(archive, frames):
    _, state = answer(frames["One (1921).mp4"][30], 2.0, AnswerState(archive))
    _, state = answer(frames["One (1921).mp4"][30], 2.5, state)
    assert captions(state) == ["One (1921), 0:01.5"]  # from 1.04 to 1.96 it is clean
    _, state = answer(frames["One (1921).mp4"][30], 3.2, state)
    assert captions(state) == ["One (1921), 0:01.3"]
    grid = replace(state, settings=Answering(grid=True))
    _, grid = answer(frames["One (1921).mp4"][30], 3.2, grid)
    assert captions(grid)[0] == "One (1921), 0:01.3" and captions(grid)[2:] == [""] * 7


def test_with_all_weights_at_zero_channels_count_alike(archive, frames):
    nothing = Answering(subject=0, composition=0, colour=0, motion=0, framing=0)
    _, state = answer(frames["two.mp4"][30], 0.0, AnswerState(archive, nothing))
    assert name_of(archive, state.shot_ids[0]) == ("two.mp4", 1)
