"""The studio's state: what is decided holds, what follows is written, everything can be undone."""

import shutil

import numpy as np
import pytest
from test_widgets import lab, run_all  # noqa: F401 (fixtures)

from lab.candidates import gather
from lab.edit import EditError, compare, load_edit
from lab.ingest import ingest
from lab.likeness import Weights, only
from lab.rules import MatchError
from lab.sample import numbered_film
from lab.solve import NEVER
from lab.store import Workspace
from lab.studio import Studio
from lab.widgets import MatchStudio


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A workspace of four films of four shots, and a trailer of five."""
    root = tmp_path_factory.mktemp("studio")
    workspace = Workspace(root / "data")
    workspace.archive.mkdir(parents=True)
    for number in range(4):
        place = workspace.archive / f"film {number}.mp4"
        numbered_film(place, [40] * 4, looks=range(4 * number, 4 * number + 4), first=None)
    trailer = root / "trailer.mp4"
    numbered_film(trailer, [30] * 5, looks=range(20, 25), first=None, sound="aac")
    ingest(sorted(workspace.archive.iterdir()), workspace)
    return workspace, trailer


@pytest.fixture
def studio(house, tmp_path):
    return Studio(*house, tmp_path / "edit.yaml")


def answers(studio):
    return [row.match_id for row in studio.edit.shots]


def written(studio):
    """The answers as they stand in the file."""
    return [row.match_id for row in load_edit(studio.path).shots]


def test_every_change_is_written_and_pins_hold(studio):
    first = answers(studio)
    assert written(studio) == first and len(set(first)) == 5
    studio.pin(2)
    studio.set(weights=only(colour=1))
    assert answers(studio)[1] == first[1] and studio.row(2).pinned
    assert answers(studio) != first and written(studio) == answers(studio)
    studio.unpin(2)
    assert not studio.row(2).pinned


def test_what_is_rejected_never_appears(studio):
    pair, shot, film = (answers(studio)[k] for k in (0, 1, 2))
    studio.reject(1)
    assert answers(studio)[0] != pair
    studio.reject(2, "shot")
    assert shot not in answers(studio)
    gone = studio.row(3).match_film
    studio.reject(3, "film")
    assert gone not in {row.match_film for row in studio.edit.shots}
    studio.set(weights=Weights(subject=0, motion=1))
    assert gone not in {row.match_film for row in studio.edit.shots}
    assert answers(studio)[0] != pair and film


def test_other_answers_are_chosen_nudged_turned_and_bent(studio):
    rival = studio.rivals(4)[0]
    studio.choose(4, rival)
    assert answers(studio)[3] == rival and studio.row(4).pinned
    assert rival not in np.delete(answers(studio), 3)
    begin = studio.row(4).in_match
    studio.nudge(4, 2)
    assert studio.row(4).in_match == pytest.approx(begin + 2 / 24, abs=1e-3)
    studio.change(4, mirror=True, speed=0.5)
    assert studio.row(4).mirror and studio.row(4).speed == 0.5
    studio.change(4, kind="keep")
    assert studio.row(4).kind == "keep" and load_edit(studio.path).shots[3].kind == "keep"
    with pytest.raises(MatchError, match="no shot"):
        studio.nudge(4, 1)


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ((2, 0.5, 0.5), (0.25, 0.25, 0.75, 0.75)),
        ((2, 0.9, 0.1), (0.5, 0, 1, 0.5)),
        ((4, 0.3, 0.5), (0.175, 0.375, 0.425, 0.625)),
        ((1, 0.2, 0.2), None),
    ],
)
def test_a_part_of_an_answer_is_shown(asked, part, studio):
    studio.reframe(2, *asked)
    assert load_edit(studio.path).shots[1].reframe == part and studio.row(2).pinned
    studio.set(weights=only(colour=1))
    assert studio.row(2).reframe == part
    studio.choose(2, studio.rivals(2)[0])
    assert studio.row(2).reframe is None  # it was of another picture
    with pytest.raises(MatchError, match=r"zoom is 1 or more, not 0\.5"):
        studio.reframe(2, 0.5)


def test_runners_up_are_the_best_of_several_films(studio):
    told = studio.rivals(1)
    assert len(set(told)) == 6 and answers(studio)[0] not in told
    assert len({shot.split("-")[0] for shot in told[:4]}) == 4  # there are four films
    score = studio.desk.score[0]
    firsts = [score[studio._column(shot)] for shot in told[:4]]
    assert firsts == sorted(firsts, reverse=True)


def test_all_can_be_undone_and_done_again(studio):
    seen = [answers(studio)]
    studio.reject(1)
    seen.append(answers(studio))
    studio.set(weights=only(composition=1))
    seen.append(answers(studio))
    studio.undo()
    assert answers(studio) == seen[1] == written(studio)
    studio.undo()
    assert answers(studio) == seen[0] and studio.state.settings.weights == Weights()
    studio.undo()  # nothing is left to take back
    studio.redo()
    studio.redo()
    assert answers(studio) == seen[2]
    studio.undo()
    studio.pin(1)
    assert not studio.undone  # a new way was taken


def test_an_edit_that_is_opened_again_is_as_it_was(house, studio):
    studio.pin(1)
    studio.reject(3)
    studio.choose(5, studio.rivals(5)[1])
    studio.set(variety=0.5, weights=Weights(colour=0.9))
    again = Studio(*house, studio.path)
    assert answers(again) == answers(studio)
    assert [row.pinned for row in again.edit.shots] == [row.pinned for row in studio.edit.shots]
    assert again.state.settings == studio.state.settings and again.state.rejected


def test_what_others_write_meanwhile_is_not_lost(house, studio):
    other = Studio(*house, studio.path)
    other.set(variety=0.5, cards="keep")
    other.pin(2)
    studio.pin(4)
    kept = load_edit(studio.path)
    assert kept.settings.variety == 0.5 and kept.settings.cards == "keep"
    assert [row.pinned for row in kept.shots] == [False, True, False, True, False]
    studio.undo()
    assert [row.pinned for row in studio.edit.shots] == [False, True, False, False, False]
    studio.path.unlink()
    studio.pin(1)  # one that was deleted is written anew
    assert load_edit(studio.path).shots[0].pinned


def test_answers_at_once_are_those_that_are_kept(studio):
    studio.set(timing=0.0)  # which is laid side by side when a slider rests
    for weights in (only(colour=1), only(framing=1, subject=0.4), Weights()):
        at_once = studio.weigh(weights)
        studio.set(weights=weights)
        score = studio.desk.score
        values = [score[k, studio._column(shot)] for k, shot in enumerate(at_once)]
        kept = [score[k, studio._column(shot)] for k, shot in enumerate(answers(studio))]
        # What a shot loses for being like everything is worked out in full only when it is kept.
        assert sum(values) == pytest.approx(sum(kept), abs=0.1)
    studio.set(distinct=0.0)
    assert studio.weigh(only(colour=1)) == (studio.set(weights=only(colour=1)), answers(studio))[1]


def test_the_pool_holds_what_the_whole_archive_would_answer(studio):
    rng, pool = np.random.default_rng(5), studio.get_ready()
    assert pool.recall >= 0.99
    for _ in range(20):
        weights = Weights(**dict(zip(Weights.model_fields, rng.random(5).tolist(), strict=True)))
        full, turned = studio.desk.likeness.shots(weights)
        some, sides = pool.shots(weights)
        rows = np.arange(len(some))[:, None]
        np.testing.assert_allclose(
            np.where(pool.known, some, 0),
            np.where(pool.known, full[rows, pool.columns], 0),
            atol=1e-5,
        )
        assert (sides == turned[rows, pool.columns]).all()
        assert (pool.columns[rows[:, 0], np.where(pool.known, some, NEVER).argmax(axis=1)]
                == full.argmax(axis=1)).all()  # fmt: skip


def test_the_pool_keeps_up_with_rejections_and_mirrors(studio):
    studio.get_ready()
    for film in sorted({row.match_film for row in studio.edit.shots})[:3]:
        at = next(row.position for row in studio.edit.shots if row.match_film == film)
        studio.reject(at, "film")
    here = set(answers(studio))
    assert len({shot.split("-")[0] for shot in here}) == 1
    at_once = studio.weigh(only(colour=1))  # one film is left, and answers
    assert {shot.split("-")[0] for shot in at_once} == {here.pop().split("-")[0]}
    studio.set(mirror=True)
    assert len(studio.get_ready().scores) == 2


def test_a_pool_knows_mirrored_sides(house, tmp_path):
    studio = Studio(*house, tmp_path / "mirror.yaml")
    studio.set(mirror=True)
    likeness = studio.desk.likeness
    pool = gather(likeness, lambda _: np.zeros((5, 16), np.float32), quiet=True)
    some, sides = pool.shots(only(composition=1))
    full, turned = likeness.shots(only(composition=1))
    rows = np.arange(len(some))[:, None]
    np.testing.assert_allclose(some[pool.known], full[rows, pool.columns][pool.known], atol=1e-5)
    assert (sides == turned[rows, pool.columns])[pool.known].all() and turned.any()


def test_judgements_move_the_weights_towards_what_pairs_are_alike_in(studio):
    before, row, spread = Weights(), studio.row(1), studio.desk.likeness.spread
    stands = {name: score / spread[name] for name, score in row.scores.items()}
    most, least = max(stands, key=stands.get), min(stands, key=stands.get)
    liked = studio.judge(1, liked=True)
    assert liked[most] >= 0 >= liked[least] and any(liked.values())
    assert max(abs(by) for by in liked.values()) < 0.5  # one judgement moves little
    assert studio.state.settings.weights != before
    studio.undo()
    assert studio.state.settings.weights == before and not studio.state.judged
    disliked = studio.judge(1, liked=False)
    assert disliked[most] <= 0 <= disliked[least]
    studio.judge(1, liked=True)  # both at once say nothing
    values = np.array(list(studio.state.settings.weights.model_dump().values()))
    np.testing.assert_allclose(values, list(before.model_dump().values()), atol=0.1)
    studio.set(weights=only(colour=1))
    assert not studio.state.judged  # by hand: judgements begin anew


def test_weights_are_kept_by_name(studio):
    studio.set(weights=only(motion=0.5))
    studio.save_preset("mine")
    assert studio.presets()["mine"] == only(motion=0.5)
    with pytest.raises(MatchError, match="another name"):
        studio.save_preset("same light")
    table = studio.under(["same light", "mine"])
    assert table.shape == (5, 2) and table.iloc[0, 0].startswith("film ")


def test_two_edits_are_compared(house, studio, tmp_path):
    other = Studio(*house, tmp_path / "other.yaml")
    other.nudge(5, 1)  # which pins it
    other.choose(2, other.rivals(2)[0])
    other.change(3, kind="black")
    table = compare(studio.edit, other.edit)
    assert len(table) == 5 and not table.same[1] and not table.same[2] and table.other[2] == "black"
    assert table.same[4] and table.apart[4] == pytest.approx(1 / 24, abs=1e-3)
    with pytest.raises(EditError, match="different trailers"):
        compare(studio.edit, studio.edit.model_copy(update={"trailer": "x"}))


def test_weak_answers_and_what_is_lacking_are_told(studio):
    studio._usuals[studio.state.settings.weights] = 2.0  # no score is so high
    assert studio.weak() == [1, 2, 3, 4, 5]
    assert all("wanted" in line for line in studio.lacks())
    studio._usuals[studio.state.settings.weights] = -2.0
    assert studio.weak() == [] and studio.lacks() == []


def test_a_film_that_is_gone_is_told_and_not_fatal(house, tmp_path):
    workspace = Workspace(tmp_path / "data")
    shutil.copytree(house[0].root, workspace.root)
    studio = Studio(workspace, house[1], tmp_path / "edit.yaml")
    studio.pin(1)
    gone = studio.row(1).match_film
    text = (tmp_path / "edit.yaml").read_text()
    (tmp_path / "edit.yaml").write_text(text.replace(gone, "f" * 12))
    again = Studio(workspace, house[1], tmp_path / "edit.yaml")
    assert "does not hold any more" in again.notes[0] and len(set(answers(again))) == 5


def test_wrong_requests_are_a_sentence(house, studio, tmp_path):
    with pytest.raises(MatchError, match="shots 1 to 5, no 9"):
        studio.pin(9)
    with pytest.raises(MatchError, match="no shot of the archive"):
        studio.choose(1, "nothing-1-2")
    numbered_film(tmp_path / "other.mp4", [30] * 2, looks=(40, 41), first=None)
    with pytest.raises(EditError, match="another trailer"):
        Studio(house[0], tmp_path / "other.mp4", studio.path)


def test_the_widget_does_what_the_browser_asks_for(house, tmp_path):
    board = MatchStudio(*house, tmp_path / "edit.yaml")
    assert len(board.rows) == 5 and len(board.wave) > 100 and board.films[0]["proxy"] == ""
    names = {field["name"] for field in board.fields}
    assert names >= {"subject", "variety", "uses", "echo", "chronology", "length", "mirror"}
    first = board.rows[1]["answer"]["shot"]
    board.act({"do": "reject", "position": 2, "what": "pair"})
    assert board.rows[1]["answer"]["shot"] != first and board.can["undo"]
    board.act({"do": "undo"})
    assert board.rows[1]["answer"]["shot"] == first and board.can["redo"]
    sent = []
    board.send = sent.append
    board.act({"do": "weigh", "weights": only(colour=1).model_dump(), "number": 7})
    assert sent[0]["number"] == 7 and len(sent[0]["answers"]) == 5
    board.act({"do": "set", "name": "variety", "value": 7})
    assert "less than or equal to 1" in board.said and board.settings["variety"] == 0
    board.act({"do": "post", "position": 3, "preset": "stacked"})
    assert (tmp_path / "edit-3-stacked.mp4").stat().st_size > 5000
    board.act({"do": "__init__"})
    assert len(board.rows) == 5


SHOWN = "() => [...document.querySelectorAll('.studio .shot')].map((one) => "
SHOWN += "one.querySelector('.answer img')?.dataset.shot ?? '')"


@pytest.mark.long
def test_the_studio_in_a_browser(lab, page, tmp_path):  # noqa: F811
    said = []
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    open_studio(page, lab)
    edit = tmp_path / "data" / "demo" / "out" / "studio.yaml"

    # Every control has a name that a screen reader can say.
    nameless = page.evaluate(NAMELESS)
    assert nameless == []

    # A slider moved by keys changes answers at once; a pinned one stays.
    first = page.evaluate(SHOWN)
    at = next(k for k, shot in enumerate(first) if shot)
    page.focus(".studio input[data-name=subject]")
    page.keyboard.press("Home")
    page.focus(".studio input[data-name=colour]")
    page.keyboard.press("End")
    changed(page, first)
    settled(page)
    here = page.evaluate(SHOWN)[at]
    press(page, at + 1, "Pin")
    waits_for_edit(page, edit, lambda shots: shots[at]["pinned"])
    page.focus(".studio input[data-name=framing]")
    page.keyboard.press("End")
    settled(page)
    assert page.evaluate(SHOWN)[at] == here
    slider = ".studio input[data-name=motion]"
    page.click(slider)
    before = page.input_value(slider)
    page.keyboard.press("ArrowRight")  # moves the slider, not JupyterLab
    assert float(page.input_value(slider)) == pytest.approx(float(before) + 0.05)
    settled(page)

    # Rejected is gone; undone is back.
    other = next(k for k, shot in enumerate(first) if shot and k != at)
    before = page.evaluate(SHOWN)
    press(page, other + 1, "Reject")
    changed(page, before)
    assert page.evaluate(SHOWN)[other] != before[other]
    after = page.evaluate(SHOWN)
    page.click(".studio button:text('Undo')")
    changed(page, after)
    assert page.evaluate(SHOWN)[other] == before[other]

    # The preview seeks and plays, with sound.
    page.evaluate(COUNT)
    page.click(f".studio .shot[data-position='{other + 1}'] .answer")
    page.wait_for_function("() => window.seeks >= 1", timeout=20_000)
    page.wait_for_function("() => window.heard > 1", timeout=20_000)

    # Keys: the arrows go from shot to shot, P pins.
    page.focus(f".studio .shot[data-position='{at + 1}']")
    page.keyboard.press("p")
    waits_for_edit(page, edit, lambda shots: not shots[at]["pinned"])
    page.keyboard.press("p")
    waits_for_edit(page, edit, lambda shots: shots[at]["pinned"])
    kept = page.evaluate(SHOWN)

    # The page and the kernel anew: all is back.
    page.on("dialog", lambda dialog: dialog.accept())
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    page.evaluate(f"() => {kernel}.restart()")
    page.wait_for_timeout(1000)
    page.goto("about:blank")
    open_studio(page, lab)
    assert page.evaluate(SHOWN) == kept
    assert page.query_selector(f".studio .shot[data-position='{at + 1}'] .badges").inner_text()
    # An answer is shown larger: at once in the preview, and in the edit.
    press(page, other + 1, "Pin")
    waits_for_edit(page, edit, lambda shots: shots[other]["pinned"])
    page.focus(".studio .detail input[title=zoom]")
    page.keyboard.press("PageUp")
    shown = page.evaluate("() => document.querySelectorAll('.studio video')[1].style.transform")
    assert "scale(1)" not in shown
    waits_for_edit(page, edit, lambda shots: shots[other]["reframe"])
    assert said == []


NAMELESS = """() => {
  const every = document.querySelectorAll('.studio :is(button, input, select, video)');
  const named = (one) => one.getAttribute('aria-label') || one.textContent.trim() || one.title;
  return [...every].filter((one) => !named(one)).map((one) => one.outerHTML.slice(0, 80));
}"""
COUNT = """() => {
  window.seeks = window.heard = 0;
  for (const one of document.querySelectorAll('.studio .screens video'))
    one.addEventListener('seeked', () => window.seeks++);
  document.querySelector('.studio audio').addEventListener('timeupdate', () => window.heard++);
}"""


def open_studio(page, address):
    run_all(page, address, "03_match_trailer.ipynb")
    page.wait_for_selector(".studio[data-ready='true']", timeout=240_000)
    page.wait_for_selector("video[controls][src*='studio.mp4']", timeout=240_000, state="attached")
    page.evaluate("() => document.querySelector('.studio').scrollIntoView()")


def press(page, position, label):
    page.click(f".studio .shot[data-position='{position}'] button:text('{label}')")


def changed(page, before):
    differ = f"(before) => JSON.stringify(({SHOWN})()) !== JSON.stringify(before)"
    page.wait_for_function(differ, arg=before)


def settled(page):
    """Wait until a slider's place is kept, and all is worked out."""
    page.wait_for_timeout(600)
    idle = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
    page.wait_for_function(idle, timeout=60_000)
    page.wait_for_timeout(300)


def waits_for_edit(page, path, holds):
    for _ in range(60):
        if holds(load_edit(path).model_dump()["shots"]):
            return
        page.wait_for_timeout(250)
    assert holds(load_edit(path).model_dump()["shots"])
