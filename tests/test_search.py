"""Search by words, pictures and shots, on films whose shots are known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import CLOSED
from PIL import Image

from lab import cli, search
from lab.channels import CHANNELS, Calibration
from lab.encoders import PACKAGED, Features, load_encoder
from lab.films import Register
from lab.ingest import ingest
from lab.likeness import Weights
from lab.sample import numbered_film
from lab.stages import IngestSettings
from lab.store import Workspace
from lab.tables import load_archive, thumbnail_path
from lab.video import Reader


@pytest.fixture(scope="module")
def house(tmp_path_factory, clip):
    """A workspace with two films of three shots, and a trailer with looks of theirs.

    The archive is seen by the packaged encoder and by a small CLIP, the trailer by the first.
    """
    root = tmp_path_factory.mktemp("search")
    wanted = {"options": CLOSED, "first": None}
    (root / "archive").mkdir()
    numbered_film(root / "archive" / "one.mp4", [30] * 3, looks=(1, 2, 3), **wanted)
    numbered_film(root / "archive" / "two.mp4", [30] * 3, looks=(4, 5, 6), **wanted)
    numbered_film(root / "trailer.mp4", [30] * 2, looks=(5, 1), **wanted)
    workspace = Workspace(root)
    films = sorted((root / "archive").glob("*.mp4"))
    ingest(films, workspace)
    ingest(films, workspace, IngestSettings(encoder=clip))
    ingest([root / "trailer.mp4"], workspace, role="trailer")
    return root


@pytest.fixture
def archive(house):
    return load_archive(Workspace(house))


def lab(*words):
    return cli.main([str(word) for word in words])


def find(house, *words):
    """The hits of `lab search`, as its CSV holds them."""
    out = house / "hits.csv"
    assert lab("search", *words, "--out", out, "--work", house) == 0
    hits = pd.read_csv(out)
    assert hits.columns.tolist() == search.HITS
    assert hits["rank"].tolist() == list(range(1, len(hits) + 1))
    assert hits.score.dropna().is_monotonic_decreasing
    return hits


def places(hits):
    """Film and number of the shot, for every hit."""
    return [(Path(hit.path).stem, round(hit.start / 1.25)) for hit in hits.itertuples()]


def test_a_picture_finds_the_shot_it_was_taken_from(house):
    frames = list(Reader(house / "archive" / "two.mp4", pixels="rgb24"))
    still = frames[75].picture.to_image()
    still.resize((1280, 768)).save(house / "still.png")  # stills come in any size
    still.convert("RGBA").rotate(90, expand=True).save(house / "turned.webp", exif=_turned())
    for name in ("still.png", "turned.webp"):
        hits = find(house, "--image", house / name)
        assert places(hits)[0] == ("two", 2) and len(hits) == 6
        assert hits.score[0] > 0.8 > 0.5 > hits.score[1]
    weighted = find(house, "--image", house / "still.png", "--weights", "colour=1", "-k", 2)
    assert places(weighted)[0] == ("two", 2) and len(weighted) == 2
    assert weighted.score[0] != hits.score[0]


def _turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    return exif.tobytes()


def test_a_shot_finds_its_double_and_not_itself(house, archive):
    films = set(Register(Workspace(house)).films) - set(archive.films.film_id)
    trailer = load_archive(Workspace(house), films=films)
    first = find(house, "--shot", trailer.shots.shot_id[0])
    assert places(first)[0] == ("two", 1) and first.score[0] > 0.8 and len(first) == 6
    second = find(house, "--shot", trailer.shots.shot_id[1], "--weights", "subject=1")
    assert places(second)[0] == ("one", 0)
    own = find(house, "--shot", first.shot_id[0])
    assert first.shot_id[0] not in set(own.shot_id) and len(own) == 5


def test_scores_are_those_of_matching(archive):
    ready = Calibration.fit(archive.vectors).apply(archive.vectors)
    weights = Weights(subject=1, composition=0.5, colour=0.25)
    hits = search.by_shot(archive, archive.shots.shot_id[3], weights=weights)
    for hit in hits.itertuples():
        at = archive.shots.shot_id.tolist().index(hit.shot_id)
        expected = sum(
            share * (ready[name][3] @ ready[name][at]) for name, share in weights.shares().items()
        )
        assert hit.score == pytest.approx(expected, abs=1e-5)


def test_words_find_what_lies_nearest_to_them(house, clip):
    hits = find(house, "--text", "a red house", "--encoder", clip)
    archive = load_archive(Workspace(house), IngestSettings(encoder=clip))
    scores = archive.vectors["subject"] @ load_encoder(clip).encode_text(["a red house"])[0]
    order = np.argsort(-scores)  # every shot has one moment
    assert hits.shot_id.tolist() == archive.shots.shot_id[order].tolist()
    np.testing.assert_allclose(hits.score, scores[order], atol=1e-4)


def test_a_shot_is_as_near_as_its_nearest_moment(house, archive):
    class Reads:
        name, frames = "reads", 1

        def encode_text(self, texts):
            return np.eye(3, dtype=np.float32)[[2]]

    vectors = {"subject": np.eye(3, dtype=np.float32)[[0, 0, 2]]}
    moments = pd.DataFrame({"shot_id": archive.shots.shot_id[[0, 1, 1]]})
    some = replace(archive, shots=archive.shots[:2], moments=moments, vectors=vectors)
    hits = search.by_text(some, "three", Reads())
    assert hits.shot_id.tolist() == archive.shots.shot_id[[1, 0]].tolist()
    assert hits.score.tolist() == [1, 0]


def test_a_channel_that_a_picture_has_not_is_not_asked(house, archive):
    class Blind:
        """Sees everything alike everywhere: there is no composition in what it sees."""

        name, frames = "blind", 2

        def encode(self, pictures):
            grid = np.ones((len(pictures) // 2, 1280, 7, 7), np.float32)
            return Features(grid.mean(axis=(2, 3)), grid)

    blank = house / "blank.png"
    Image.new("RGB", (64, 64), (90, 90, 90)).save(blank)

    def scores(**weights):
        weights = Weights(**dict.fromkeys(CHANNELS, 0) | weights)
        return search.by_image(archive, blank, Blind(), weights=weights).score.tolist()

    assert scores(colour=0.5, composition=1) == scores(colour=1)
    with pytest.raises(search.SearchError, match="only speaks of colour, framing, subject; give"):
        scores(composition=1)


def test_conditions_must_all_hold(house, archive, capsys):
    shot = archive.shots.shot_id[0]
    hits = find(house, "--shot", shot, "--where", "index=1")
    assert sorted(places(hits)) == [("one", 1), ("two", 1)]
    film = archive.shots.film_id[0]
    hits = find(house, "--shot", shot, "--where", "index=1", "--where", f"film_id={film}")
    assert places(hits) == [("one", 1)]
    assert len(find(house, "--shot", shot, "--where", "index=1", "--where", "index=2")) == 0
    framed = archive.shots.framing == archive.shots.framing[0]
    hits = find(house, "--shot", shot, "--where", f"framing={archive.shots.framing[0]}")
    assert set(hits.shot_id) == set(archive.shots.shot_id[framed]) - {shot}
    assert lab("search", "--shot", shot, "--where", "mood=sad", "--work", house) == 1
    said = capsys.readouterr().err
    assert "mood=sad: write COLUMN=VALUE" in said and "transition_in" in said
    assert lab("search", "--shot", shot, "--where", "framing=huge", "--work", house) == 1
    assert f"framing is {', '.join(sorted(set(archive.shots.framing)))}" in capsys.readouterr().err
    assert lab("search", "--shot", shot, "--where", "index", "--work", house) == 1
    none = ("--where", "index=9", "--out", house / "no.png")
    assert lab("search", "--shot", shot, *none, "--work", house) == 1
    assert "no hits to draw" in capsys.readouterr().err


def test_hits_are_printed_and_drawn(house, archive, capsys):
    shot = archive.shots.shot_id[4]
    assert lab("search", "--shot", shot, "-k", 3, "--work", house) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == [*search.HITS, "words"]
    assert len(lines) == 5 and lines[-1] == "3 shots"
    sheet = house / "hits.png"
    assert lab("search", "--shot", shot, "-k", 3, "--out", sheet, "--work", house) == 0
    drawn = np.asarray(Image.open(sheet)).astype(int)
    hits = search.by_shot(archive, shot, count=3).merge(archive.shots[["shot_id", "index"]])
    for number, hit in enumerate(hits.itertuples()):
        picture = np.asarray(Image.open(thumbnail_path(Workspace(house), hit.film_id, hit.index)))
        height, width, _ = picture.shape
        left = 14 + (width + 14) * (number + 1)  # the first place is the query's
        assert np.array_equal(drawn[14 : 14 + height, left : left + width], picture)


def test_without_a_query_the_shots_that_meet_conditions_are_listed(house, archive, capsys):
    hits = find(house)
    assert hits.shot_id.tolist() == archive.shots.shot_id.tolist()  # film by film, in order
    assert hits.score.isna().all()
    word = archive.shots.light[0]
    hits = find(house, "--where", f"light={word}")
    assert hits.shot_id.tolist() == archive.shots.shot_id[archive.shots.light == word].tolist()
    assert len(find(house, "-k", 2)) == 2
    assert lab("search", "--out", house / "all.png", "--work", house) == 0
    assert lab("search", "--weights", "colour=1", "--work", house) == 1
    assert "leave --weights away" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--text", "sea"], f"{PACKAGED}: reads no words; take a vision-text model, such as"),
        (["--text", "sea", "--weights", "colour=1"], "leave --weights away"),
        (["--image", "{}/none.jpg"], "none.jpg: does not exist"),
        (["--image", "{}/text.jpg"], "text.jpg: is not a picture"),
        (["--image", "{}/half.png"], "half.png: is not a picture"),
        (["--image", "{}"], "is not a picture"),
        (["--shot", "abc-0-100"], "abc-0-100: there is no such shot"),
        (["--shot", ""], "there is no such shot"),
        (["--shot", "x", "--encoder", "other"], "not ingested with other; run `lab ingest --enc"),
        (["--shot", "x", "--out", "{}/hits.txt"], "hits.txt: end the name in .csv or .png"),
    ],
)
def test_what_cannot_be_searched_is_one_line(words, said, house, tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("no picture")
    Image.effect_noise((90, 90), 50).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    assert lab("search", *[word.format(tmp_path) for word in words], "--work", house) == 1
    err = capsys.readouterr().err.strip()
    assert said in err and err.startswith("lab: ") and len(err.splitlines()) == 1


def test_an_empty_archive_is_told(tmp_path, capsys):
    assert lab("search", "--shot", "x", "--work", tmp_path) == 1
    assert "the archive is empty; put films into" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--text", "a", "--shot", "b"], ["--shot", "b", "-k", "0"]])
def test_one_thing_is_searched_by_at_a_time(words, capsys):
    with pytest.raises(SystemExit):
        lab("search", *words)
