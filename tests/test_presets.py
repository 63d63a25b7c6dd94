"""Every layout shows the right frame in every panel; sound is right to the sample."""

import json
import signal
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from pydantic import ValidationError
from test_render import edit_of

from lab.canvas import planes
from lab.cli import main
from lab.credits import cited, seen_by
from lab.edit import EditError
from lab.films import fingerprint
from lab.presets import PRESETS, RenderSettings, laid_out, misfits
from lab.render import as_shown, misfit, render
from lab.sample import numbered_film, read_number
from lab.soundtrack import closed
from lab.store import Workspace
from lab.video import (
    FilmError,
    Reader,
    WriteError,
    Writer,
    encoded,
    join,
    loudness,
    probe,
    samples,
)
from lab.video.joining import Piece

QUICK = {"speed": "ultrafast", "crf": 23}
# Where panels stand when a trailer is 320 x 192: worked out by hand.
TRAILER, ANSWER, SECOND = range(3)
PLACES = {
    "side-by-side": ((1920, 1080), {TRAILER: (0, 252, 960, 576), ANSWER: (960, 252, 960, 576)}),
    "stacked": ((1080, 1920), {TRAILER: (0, 312, 1080, 648), ANSWER: (0, 960, 1080, 648)}),
    "square": ((1080, 1080), {TRAILER: (90, 0, 900, 540), ANSWER: (90, 540, 900, 540)}),
    "alone": ((320, 192), {ANSWER: (0, 0, 320, 192)}),
    "wipe": ((1920, 1080), {}),
    "picture-in-picture": (
        (1920, 1080),
        {ANSWER: (60, 0, 1800, 1080), TRAILER: (1302, 724, 504, 302)},
    ),
    "triptych": (
        (1920, 1080),
        {TRAILER: (0, 348, 640, 384), ANSWER: (640, 348, 640, 384), SECOND: (1280, 348, 640, 384)},
    ),
    "strip": ((640, 192), {TRAILER: (0, 0, 320, 192), ANSWER: (320, 0, 320, 192)}),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A trailer of three shots, an archive of two films; 12 frames a second."""
    folder = tmp_path_factory.mktemp("films")
    trailer, one, two = (folder / name for name in ("trailer.mp4", "one.mp4", "two.mkv"))
    numbered_film(trailer, (10, 10, 10), rate=Fraction(12), sound="aac")
    numbered_film(one, (24, 24), first=500, looks=(7, 8), rate=Fraction(12), sound="aac")
    numbered_film(two, (24, 24), first=800, looks=(5, 6), size=(240, 192), rate=Fraction(12))
    return folder, trailer, one, two


def made(films, **more):
    folder, trailer, one, two = films
    cut = 10 / 12
    shots = [
        (0, cut, "one.mp4", 1.0, {"alternatives": ["two.mkv-2000-4000"]}),
        (cut, 2 * cut, "two.mkv", 0.5, {"mirror": True}),
        (2 * cut, 3 * cut, "one.mp4", 2.5, {"alternatives": ["one.mp4-0-2000"]}),
    ]
    return edit_of(folder, trailer, shots, [trailer, one, two], **more)


def numbers(path, place):
    x, y, width, height = place
    found = []
    for frame in Reader(path, pixels="rgb24"):
        found.append(read_number(frame.picture.to_ndarray()[y : y + height, x : x + width]))
    return found


def test_every_layout_is_tried():
    assert set(PLACES) == set(PRESETS)


@pytest.mark.parametrize("preset", PLACES)
def test_every_panel_shows_the_right_frame(preset, films, tmp_path):
    size, places = PLACES[preset]
    done = render(made(films), tmp_path / "out.mp4", preset, RenderSettings(**QUICK))
    info = probe(done.path)
    assert (info.width, info.height) == size and done.frames == 30
    times = [frame.time for frame in Reader(done.path)]
    assert times == [Fraction(k, 12) for k in range(30)]
    if TRAILER in places:
        assert numbers(done.path, places[TRAILER]) == list(range(30))
    if ANSWER in places:
        found = numbers(done.path, places[ANSWER])
        assert found[:10] == list(range(512, 522)) and found[20:] == list(range(530, 540))
        assert found[10:20] == [None] * 10  # mirrored: see below
    if SECOND in places:
        found = numbers(done.path, places[SECOND])
        # The middle of a shot of 24 frames that is to last 10; none where there is no other.
        assert found[:10] == list(range(831, 841)) and found[20:] == list(range(507, 517))
        assert found[10:20] == [None] * 10


@pytest.fixture(scope="module")
def seen(films):
    """A film of the trailer's times, as `lab see run` would make it, and what is told of it."""
    path = films[0] / "sea.mp4"
    numbered_film(path, (30,), first=2000, looks=(11,), rate=Fraction(12), size=(160, 96))
    source = {"path": "coast", "title": "Coast", "year": "1931", "source": "", "licence": "CC0"}
    card = {"name": "the sea", "model": {"sources": [source]}}
    path.with_suffix(".json").write_text(json.dumps(card))
    return path


@pytest.mark.parametrize("preset", PLACES)
def test_a_seen_film_stands_where_the_last_answer_would(preset, seen, films, tmp_path):
    size, places = PLACES[preset]
    settings = RenderSettings(seen=str(seen), **QUICK)
    done = render(made(films), tmp_path / "out.mp4", preset, settings)
    info = probe(done.path)
    assert (info.width, info.height) == size and done.frames == 30
    assert [frame.time for frame in Reader(done.path)] == [Fraction(k, 12) for k in range(30)]
    if TRAILER in places:
        assert numbers(done.path, places[TRAILER]) == list(range(30))
    if preset != "wipe":
        last = places[SECOND if SECOND in places else ANSWER]
        assert numbers(done.path, last) == list(range(2000, 2030))
    if SECOND in places:
        assert numbers(done.path, places[ANSWER])[:10] == list(range(512, 522))


def test_a_range_of_a_seen_film_is_that_of_the_trailer(seen, films, tmp_path):
    settings = RenderSettings(seen=str(seen), labels=True, **QUICK)
    for name, part in (("only.mp4", {"only": (2, 3)}), ("span.mp4", {"span": (10 / 12, 9.0)})):
        done = render(made(films), tmp_path / name, "strip", settings, max_mb=0.3, **part)
        assert numbers(done.path, (0, 0, 320, 192)) == list(range(10, 30))
        assert numbers(done.path, (320, 0, 320, 192)) == list(range(2010, 2030))
        assert done.path.stat().st_size <= 300_000


@pytest.mark.parametrize("fit", [pytest.param("crop", marks=pytest.mark.long), "blur"])
def test_a_seen_film_fills_its_panel_as_the_trailer_does(fit, seen, films, tmp_path):
    settings = RenderSettings(seen=str(films[1]), fit=fit, **QUICK)
    done = render(made(films), tmp_path / "out.mp4", "side-by-side", settings)
    for frame in Reader(done.path, pixels="rgb24"):
        left, right = np.split(frame.picture.to_ndarray().astype(int), 2, axis=1)
        assert np.abs(left - right).mean() < 4 and right[:20].mean() > 12


def test_a_trailer_of_any_clock_has_its_seen_film_beside_it(seen, tmp_path):
    """One that begins late, at a rate that varies; what was seen of it begins at zero."""
    times = [Fraction(k, 12) + Fraction(k % 3, 90) for k in range(30)]
    trailer, twin = tmp_path / "trailer.mp4", tmp_path / "twin.mp4"
    numbered_film(trailer, (10, 20), times=[time + 3 for time in times], rate=Fraction(12))
    numbered_film(twin, (30,), first=2000, times=times, rate=Fraction(12))
    edit = edit_of(tmp_path, trailer, [(3, 4, "", None, {"kind": "black"})], [trailer])
    done = render(edit, tmp_path / "out.mp4", "strip", RenderSettings(seen=str(twin), **QUICK))
    assert [frame.time for frame in Reader(done.path)] == times
    assert numbers(done.path, (0, 0, 320, 192)) == list(range(30))
    assert numbers(done.path, (320, 0, 320, 192)) == list(range(2000, 2030))


def test_the_command_takes_a_seen_film(seen, films, tmp_path, capsys):
    edit, out = made(films).moved(tmp_path / "e.yaml"), tmp_path / "out.mp4"
    edit.save(tmp_path / "e.yaml")
    asked = ["--seen", str(seen), "--preset", "strip", "--out", str(out), "--speed", "ultrafast"]
    asked += ["--work", str(tmp_path / "data")]
    assert main(["render", str(tmp_path / "e.yaml"), *asked]) == 0
    assert "30 frames" in capsys.readouterr().out
    assert numbers(out, (320, 0, 320, 192)) == list(range(2000, 2030))
    assert main(["render", str(tmp_path / "e.yaml"), *asked[2:], "--seen", str(films[2])]) == 1
    assert "lab: " in capsys.readouterr().err.splitlines()[-1]


def test_answers_that_are_not_shown_are_not_needed_and_not_named(seen, films, tmp_path):
    edit = made(films)
    edit.films["one.mp4"].path = edit.films["two.mkv"].path = "gone.mp4"
    settings = RenderSettings(seen=str(seen), credits=True, archive_sound=0.5, **QUICK)
    done = render(edit, tmp_path / "out.mp4", "alone", settings)
    assert done.frames == 30 + 60
    with pytest.raises(EditError, match="is not there any more"):
        render(edit, tmp_path / "out.mp4", "triptych", settings)
    alone = as_shown(edit, laid_out("alone", str(seen)))
    lines = [one.line for one in cited(alone, seen=str(seen))]
    assert lines == ["Coast (1931), CC0", "trailer"]
    assert [one.line for one in cited(made(films), seen=str(seen))][2] == "Coast (1931), CC0"


def test_what_was_seen_through_is_told_or_else_the_films_name(seen, films, tmp_path):
    assert seen_by(seen).name == "the sea"
    assert seen_by(films[1]) == ("trailer", [])
    (tmp_path / "other.json").write_text('{"name": 3, "model": []}')
    assert seen_by(tmp_path / "other.mp4") == ("other", [])


def test_another_seen_film_is_shown_at_once(seen, films, tmp_path):
    workspace, place = Workspace(tmp_path / "data"), tmp_path / "seen.mp4"
    settings = RenderSettings(seen=str(place), **QUICK)
    for first in (2000, 3000):
        numbered_film(place, (30,), first=first, rate=Fraction(12))
        done = render(made(films), tmp_path / "out.mp4", "alone", settings, workspace=workspace)
        assert done.made == 30
        assert numbers(done.path, (0, 0, 320, 192)) == list(range(first, first + 30))
    assert render(made(films), done.path, "alone", settings, workspace=workspace).made == 0


def test_what_is_no_seen_film_of_the_trailer_is_one_sentence(films, tmp_path):
    out, longer = (
        tmp_path / "out.mp4",
        films[2],
    )  # four seconds, where the trailer has two and a half
    for path, error, why in (
        (longer, EditError, r"lasts 4\.0 s, and the trailer 2\.5 s; make it of the trailer"),
        (tmp_path / "gone.mp4", FilmError, "does not exist"),
        (out, EditError, "is one of the films"),
    ):
        with pytest.raises(error, match=why):
            render(made(films), out, "strip", RenderSettings(seen=str(path), **QUICK))
    assert list(tmp_path.iterdir()) == []


def test_what_is_mirrored_stays_in_its_place(films, tmp_path):
    done = render(made(films), tmp_path / "out.mp4", "strip", RenderSettings(**QUICK))
    pictures = [frame.picture.to_ndarray() for frame in Reader(done.path, pixels="rgb24")]
    assert [read_number(p[:, 320:][:, ::-1]) for p in pictures[10:20]] == list(range(806, 816))


def test_a_wipe_swings_from_one_to_the_other(tmp_path):
    trailer, archive = tmp_path / "trailer.mp4", tmp_path / "archive.mp4"
    numbered_film(trailer, (36,), rate=Fraction(4), first=0)
    numbered_film(archive, (40,), rate=Fraction(4), first=100, looks=(9,))
    edit = edit_of(tmp_path, trailer, [(0, 9, "archive.mp4", 0.0, {})], [trailer, archive])
    done = render(edit, tmp_path / "out.mp4", "wipe", RenderSettings(**QUICK))
    found = numbers(done.path, (60, 0, 1800, 1080))
    assert found[9] == 9 and found[27] == 127  # a quarter and three quarters of its swing
    middle = next(iter(Reader(done.path, pixels="rgb24"))).picture.to_ndarray()
    assert middle[:, 959:961].min() > 200  # the bar begins in the middle


@pytest.mark.parametrize("fit", [pytest.param("crop", marks=pytest.mark.long), "blur"])
def test_filled_panels_have_no_bars(fit, films, tmp_path):
    settings = RenderSettings(fit=fit, **QUICK)
    done = render(made(films), tmp_path / "out.mp4", "side-by-side", settings)
    frames = [frame.picture.to_ndarray() for frame in Reader(done.path, pixels="rgb24")]
    for index in (0, 15, 29):
        for left in (0, 960):
            panel = frames[index][:, left : left + 960]
            assert panel[:20].mean() > 12 and panel[-20:].mean() > 12
            assert panel[:, :20].mean() > 12 and panel[:, -20:].mean() > 12
    if fit == "blur":  # the picture itself is where it is with bars
        assert numbers(done.path, (0, 252, 960, 576)) == list(range(30))
    else:  # a window of the picture made 1080 high, somewhere in its 1800 pixels of width
        wide = np.zeros((1080, 1800, 3), np.uint8)
        for index in (0, 12, 29):
            seen = set()
            for left in range(0, 841, 12):
                wide[:, left : left + 960] = frames[index][:, :960]
                seen.add(read_number(wide))
            assert index in seen


def test_a_part_of_an_answer_fills_its_panel(films, tmp_path):
    edit = made(films)
    edit.shots[0] = edit.shots[0].model_copy(update={"reframe": (0.25, 0.25, 0.75, 0.75)})
    done = render(edit, tmp_path / "out.mp4", "alone", RenderSettings(**QUICK))
    source = list(Reader(films[2], pixels="rgb24"))
    shown = next(iter(Reader(done.path, pixels="rgb24"))).picture.to_ndarray().astype(int)
    part = source[12].picture.to_ndarray()[48:144, 80:240]
    large = np.repeat(np.repeat(part, 2, axis=0), 2, axis=1).astype(int)
    assert np.abs(shown - large).mean() < 8
    for wrong in ((0.5, 0, 0.5, 1), (0, 0, 1.2, 1), (0.6, 0, 0.4, 1)):
        with pytest.raises(ValidationError):
            type(edit.shots[0])(position=1, in_query=0, out_query=1, reframe=wrong)


def test_black_and_white_stays_neutral(films, tmp_path):
    folder = films[0]
    grey = tmp_path / "grey.mp4"
    with Writer(grey, (320, 192), 12) as out:
        for k in range(30):
            packed = np.full((288, 320), 128, np.uint8)
            planes(packed)[0][:] = np.linspace(16, 235, 320, dtype=np.uint8)
            out.write(packed, Fraction(k, 12))
    edit = edit_of(folder, films[1], [(0, 2.5, "grey.mp4", 0.0, {})], [films[1], grey])
    edit.films["grey.mp4"].path = str(grey)
    for fit in ("letterbox", "blur", "crop"):
        settings = RenderSettings(fit=fit, labels=True, **QUICK)
        done = render(edit, tmp_path / "out.mp4", "side-by-side", settings)
        for frame in Reader(done.path):
            _, u, v = planes(frame.picture.to_ndarray())
            assert np.abs(u[:, 480:].astype(int) - 128).max() <= 2
            assert np.abs(v[:, 480:].astype(int) - 128).max() <= 2


PATCHES = np.array([[200, 40, 40], [40, 180, 60], [50, 60, 200], [220, 210, 60], [128] * 3])


@pytest.mark.parametrize(
    ("space", "code", "full"),
    [("ITU709", 1, False), ("ITU601", 6, False), ("ITU709", 1, True), ("ITU601", 5, True)],
)
def test_colours_are_those_of_the_film(space, code, full, films, tmp_path):
    """Whatever matrix and range an answer comes in, patches of known colour stay what they are."""
    patches, source = np.repeat(PATCHES[:, None], 64, axis=1).reshape(1, 320, 3), tmp_path / "c.mp4"
    rgb = np.repeat(patches, 192, axis=0).astype(np.uint8)
    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace=space,
        dst_color_range="JPEG" if full else "MPEG",
    )
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=12, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range = code, 2 if full else 1
        context.color_primaries = context.color_trc = code
        for k in range(30):
            picture.pts, picture.time_base = k, Fraction(1, 12)
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    edit = edit_of(films[0], films[1], [(0, 2.5, "c.mp4", 0.0, {})], [films[1], source])
    edit.films["c.mp4"].path = str(source)
    done = render(edit, tmp_path / "out.mp4", "side-by-side", RenderSettings(**QUICK))
    shown = next(iter(Reader(done.path, pixels="rgb24"))).picture.to_ndarray()
    middles = shown[540, 960 + 96 : 1920 : 192].astype(int)
    assert np.abs(middles - PATCHES).max() <= 6


@pytest.mark.parametrize("blend", [False, True])
def test_slowed_frames_are_the_nearest_or_blended(blend, films, tmp_path):
    """Frames that grow lighter by ten, at half their speed: between two lies their middle."""
    source = tmp_path / "steps.mp4"
    with Writer(source, (320, 192), 12, options={"crf": "4"}) as out:
        for k in range(16):
            packed = np.full((288, 320), 128, np.uint8)
            planes(packed)[0][:] = 40 + 10 * k
            out.write(packed, Fraction(k, 12))
    shots = [(0, 2.5, "steps.mp4", 0.0, {"speed": 0.5})]
    edit = edit_of(films[0], films[1], shots, [films[1], source])
    edit.films["steps.mp4"].path = str(source)
    settings = RenderSettings(blend=blend, **QUICK)
    done = render(edit, tmp_path / "out.mp4", "alone", settings)
    light = [int(planes(f.picture.to_ndarray())[0][96, 160]) for f in Reader(done.path)]
    expected = [40 + 10 * (k / 2 if blend else k // 2) for k in range(30)]
    assert np.abs(np.array(light) - expected).max() <= 2


def test_labels_stand_outside_where_there_is_room(films, tmp_path):
    plain, labelled = tmp_path / "plain.mp4", tmp_path / "labelled.mp4"
    edit = made(films, title="A film", year="1927")
    render(edit, plain, "side-by-side", RenderSettings(**QUICK))
    render(edit, labelled, "side-by-side", RenderSettings(labels=True, **QUICK))
    one, other = (next(iter(Reader(p, pixels="rgb24"))).picture.to_ndarray().astype(int)
                  for p in (plain, labelled))  # fmt: skip
    changed = np.argwhere(np.abs(one - other).max(axis=2) > 90)
    rows, columns = changed[:, 0], changed[:, 1]
    assert rows.min() >= 828 and rows.max() < 828 + 50
    assert (columns < 960).any() and (columns >= 960).any()
    assert numbers(labelled, (960, 252, 960, 576))[:3] == [512, 513, 514]


def test_cards_come_before_and_after_and_shift_the_sound(films, tmp_path):
    settings = RenderSettings(title="A reinterpretation", credits=True, **QUICK)
    done = render(made(films), tmp_path / "out.mp4", "alone", settings)
    assert done.frames == 36 + 30 + 60 and done.sound_copied is False
    found = numbers(done.path, (0, 0, 320, 192))
    assert found[36:46] == list(range(512, 522)) and found[:36] == [None] * 36
    times = [frame.time for frame in Reader(done.path)]
    assert times == [Fraction(k, 12) for k in range(126)]
    sound = np.concatenate([*samples(done.path, Fraction(0), Fraction(5))], axis=1)
    assert np.abs(sound[:, : 3 * 48000 - 2048]).max() < 0.01
    assert np.abs(sound[:, 3 * 48000 + 2048 : 5 * 48000]).max() > 0.1
    whole = np.concatenate([*samples(done.path, Fraction(0))], axis=1)
    assert abs(whole.shape[1] / 48000 - 10.5) < 0.05  # as long as the picture
    # Two shots of it: under their credits the trailer's third is heard, and fades.
    done = render(made(films), tmp_path / "part.mp4", "alone", settings, only=(1, 2))
    sound = np.concatenate([*samples(done.path, Fraction(0))], axis=1)
    closes = 3 + 20 / 12
    tail = [np.abs(sound[:, round((closes + at) * 48000) :][:, :4800]).max() for at in (0.1, 0.6)]
    assert tail[0] > 1.15 * tail[1] > 0.05


def test_only_what_changed_is_made_again_and_is_the_same_as_from_nothing(films, tmp_path):
    workspace, settings = Workspace(tmp_path / "data"), RenderSettings(**QUICK)
    edit, kept, fresh = made(films), tmp_path / "kept.mp4", tmp_path / "fresh.mp4"
    assert render(edit, kept, "strip", settings, workspace=workspace).made == 30
    assert render(edit, kept, "strip", settings, workspace=workspace).made == 0
    edit.shots[1] = edit.shots[1].model_copy(update={"in_match": 1.0})
    assert render(edit, kept, "strip", settings, workspace=workspace).made == 10
    render(edit, fresh, "strip", settings)
    one, other = ([(f.time, f.picture.to_ndarray()) for f in Reader(p)] for p in (kept, fresh))
    assert [time for time, _ in one] == [time for time, _ in other]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one, other, strict=True))
    for changed in ({"labels": True}, {"crf": 30}, {"blend": True}, {"fit": "crop"}):
        other = settings.model_copy(update=changed)
        assert render(edit, kept, "strip", other, workspace=workspace).made == 30


@pytest.mark.parametrize(
    "rate",
    [
        Fraction(24000, 1001),
        pytest.param(Fraction(30000, 1001), marks=pytest.mark.long),
        pytest.param(Fraction(25), marks=pytest.mark.long),
    ],
)
def test_decoding_times_run_on_and_nothing_drifts(rate, tmp_path):
    """Forty shots of very different lengths, one of a single frame: times are the trailer's."""
    lengths = [1, 2, 3, 5, 8, 13, 4, 4] * 5
    trailer, archive = tmp_path / "trailer.mp4", tmp_path / "archive.mp4"
    numbered_film(trailer, lengths, rate=rate, size=(160, 96))
    numbered_film(archive, (200,), first=1000, rate=Fraction(24), size=(160, 96))
    ticks, at, shots = [frame.time for frame in Reader(trailer)], 0, []
    for length in lengths:
        end = ticks[at + length] if at + length < len(ticks) else ticks[-1] + 1
        shots.append((float(ticks[at]), float(end), "archive.mp4", at % 50 / 24, {}))
        at += length
    edit = edit_of(tmp_path, trailer, shots, [trailer, archive])
    done = render(edit, tmp_path / "out.mp4", "strip", RenderSettings(**QUICK))
    assert [frame.time for frame in Reader(done.path)] == ticks
    with av.open(str(done.path)) as film:
        packets = [p for p in film.demux(video=0) if p.size]
    decoded = [packet.dts for packet in packets]
    assert all(a < b for a, b in pairwise(decoded))
    assert all(packet.dts <= packet.pts for packet in packets)


@pytest.mark.parametrize("preset", ["side-by-side", "stacked"])
def test_files_are_what_players_want(preset, films, tmp_path):
    done = render(made(films), tmp_path / "out.mp4", preset, RenderSettings(**QUICK))
    with av.open(str(done.path)) as film:
        video, sound = film.streams.video[0].codec_context, film.streams.audio[0].codec_context
        assert (video.name, video.pix_fmt, sound.name) == ("h264", "yuv420p", "aac")
        assert (video.colorspace, video.color_range) == (1, 1)
        assert (video.color_primaries, video.color_trc) == (1, 1)
        assert video.width % 2 == video.height % 2 == 0
    data = done.path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("megabytes", [0.3, 0.6])
def test_a_size_limit_is_kept_and_used(megabytes, films, tmp_path):
    done = render(made(films), tmp_path / "out.mp4", max_mb=megabytes,
                  settings=RenderSettings(**QUICK))  # fmt: skip
    assert 0.9 * megabytes <= done.path.stat().st_size / 1e6 <= megabytes
    assert numbers(done.path, (0, 252, 960, 576)) == list(range(30))
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_limit_that_leaves_no_room_is_told(films, tmp_path):
    with pytest.raises(WriteError, match=r"do not go into 0\.00 MB; allow 0\.\d+ MB at least"):
        render(made(films), tmp_path / "out.mp4", max_mb=0.004, settings=RenderSettings(**QUICK))
    assert not list(tmp_path.iterdir())


KILLED = """
import os, sys
from lab.edit import load_edit
from lab.presets import RenderSettings
from lab.render import render
from lab.store import Workspace
from lab.video import joining

def dies(frames, **_):  # in the midst of the second pass, without a word
    for index, frame in enumerate(frames):
        if len(passes) == 2 and index == 20:
            os.kill(os.getpid(), 9)
        yield frame

passes, share = [], joining._two
joining._two = lambda *args: passes.append(args) or share(*args)
joining.tqdm = dies
edit, out, *work = sys.argv[1:]
settings = RenderSettings(speed="ultrafast", crf=23)
kept = Workspace(*work) if work else None
render(load_edit(edit), out, settings=settings, max_mb=0.3, workspace=kept)
"""


@pytest.mark.parametrize("kept", [True, False])
def test_what_a_killed_fit_to_size_left_goes_with_the_next(kept, films, tmp_path):
    folder, work = tmp_path / "videos", Workspace(tmp_path / "data")
    edit, out = films[0] / "killed.yaml", folder / "[a] film.mp4"
    made(films).save(edit)
    words = [KILLED, str(edit), str(out), *([str(work.root)] if kept else [])]
    assert subprocess.run([sys.executable, "-c", *words]).returncode == -signal.SIGKILL
    left = list(folder.iterdir())
    assert left and all(path.name.startswith(f".{out.name}.") for path in left)
    assert not kept or any(work.half_done())
    again = RenderSettings(**QUICK)
    render(made(films), out, settings=again, workspace=work if kept else None)
    assert list(folder.iterdir()) == [out] and not any(work.half_done())


def bursts(times, length, rate=48000):
    """A film's sound: silence, and at each of the times the same noise. Its shape, and itself."""
    noise = np.random.default_rng(3).normal(size=505).astype(np.float32)
    noise = np.convolve(noise, np.full(8, 0.1, np.float32))  # AAC leaves the highest tones away
    sound = np.zeros((2, round(length * rate)), np.float32)
    for time in times:
        at = round(time * rate)
        sound[:, at : at + 512] += noise[: max(0, sound.shape[1] - at)]
    return noise, sound


def heard_at(sound, noise, near):
    """The sample at which the noise is heard, looked for around one."""
    part = sound[0, max(0, near - 3000) : near + 3000]
    return max(0, near - 3000) + int(np.correlate(part, noise, "valid").argmax())


def with_sound(picture, sound, path):
    """A film's picture with other sound, uncompressed: a trailer for which nothing is lost."""
    with av.open(str(picture)) as film, av.open(str(path), "w", format="mov") as out:
        video = out.add_stream_from_template(film.streams.video[0])
        track = out.add_stream("pcm_s16le", rate=48000)
        track.codec_context.layout = "stereo"
        for packet in film.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
        for at in range(0, sound.shape[1], 4800):
            block = np.round(sound[:, at : at + 4800].T * 32767).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, at, Fraction(1, 48000)
            out.mux(track.encode(frame))
        out.mux(track.encode(None))


@pytest.fixture(scope="module")
def clicking(tmp_path_factory, films):
    """The trailer with noise at known samples, and what the noise is."""
    path = tmp_path_factory.mktemp("sound") / "clicking.mov"
    noise, sound = bursts([0.25, 1.0, 1.75, 2.25], 2.5)
    with_sound(films[1], sound, path)
    return path, noise


@pytest.mark.parametrize("preset", ["strip", "side-by-side"])
def test_sound_lies_on_the_sample(preset, clicking, films, tmp_path):
    path, noise = clicking
    edit = made(films)
    edit.films["trailer.mp4"].path = str(path)
    settings = RenderSettings(**QUICK)
    render(edit, tmp_path / "whole.mp4", preset, settings)
    render(edit, tmp_path / "part.mp4", preset, settings, span=(0.9, 2.4))
    whole, part = (
        np.concatenate([*samples(tmp_path / name, Fraction(0))], axis=1)
        for name in ("whole.mp4", "part.mp4")
    )
    for time in (0.25, 1.0, 1.75, 2.25):
        assert heard_at(whole, noise, round(time * 48000)) == round(time * 48000)
    first = next(frame.time for frame in Reader(path) if frame.time >= 0.9)
    assert numbers(tmp_path / "part.mp4", PLACES[preset][1][TRAILER])[0] == 11
    for time in (1.0, 1.75, 2.25):
        at = round((Fraction(time) - first) * 48000)
        assert heard_at(part, noise, at) == at


def test_the_archives_sound_lies_under_its_picture(clicking, films, tmp_path):
    """The trailer is silent; an answer's noise is heard when its frame is seen."""
    path, noise = clicking
    edit = made(films)
    edit.films["one.mp4"].path, edit.films["trailer.mp4"].path = str(path), str(films[3])
    edit.shots[0] = edit.shots[0].model_copy(update={"in_match": 0.75, "out_match": 1.5})
    settings = RenderSettings(archive_sound=0.5, **QUICK)
    done = render(edit, tmp_path / "out.mp4", "strip", settings, only=(1, 1))
    sound = np.concatenate([*samples(done.path, Fraction(0))], axis=1)
    assert heard_at(sound, noise, 12000) == 12000  # 1.0 s of it, which begins at 0.75 s
    part = sound[0, 12000 : 12000 + len(noise)]
    assert 0.45 < part @ noise / (noise @ noise) < 0.55


def test_a_fade_is_even_to_the_ear_and_ends_in_silence():
    blocks = [np.ones((2, 24000), np.float32)] * 3
    sound = np.concatenate([*closed(iter(blocks), Fraction(1, 2), Fraction(5, 2))], axis=1)
    assert sound.shape == (2, 120000) and (sound[:, :24000] == 1).all()
    assert abs(sound[0, 72000 - 1] - 0.5**2) < 1e-3 and (sound[:, 72000:] == 0).all()
    cut = np.concatenate([*closed(iter(blocks), Fraction(1, 2), Fraction(1))], axis=1)
    assert cut.shape == (2, 48000) and cut[0, -1] < 1e-6


def test_less_than_was_asked_for_is_told(films, tmp_path):
    settings = RenderSettings(**QUICK)
    done = render(made(films), tmp_path / "out.mp4", "strip", settings, span=(1.0, 60))
    assert "the trailer ends at 2.5 s: 1.5 s are shown." in done.notes


def test_loudness_is_brought_to_what_is_asked(clicking, films, tmp_path):
    done = render(made(films), tmp_path / "as.mp4", "strip", RenderSettings(**QUICK))
    before = loudness(samples(films[1], Fraction(0))).integrated
    assert done.notes == (f"its sound has {before:.1f} LUFS.",) and before > -30
    settings = RenderSettings(loudness=-23, **QUICK)
    done = render(made(films), tmp_path / "out.mp4", "strip", settings)
    measured = loudness(samples(done.path, Fraction(0)))
    assert abs(measured.integrated + 23) < 0.5
    assert "to -23.0 LUFS" in done.notes[0]
    edit = made(films)  # short bursts: high peaks, and softer as a whole
    edit.films["trailer.mp4"].path = str(clicking[0])
    done = render(edit, tmp_path / "loud.mp4", "strip", RenderSettings(loudness=-5, **QUICK))
    assert "its peaks would clip" in done.notes[0]
    assert loudness(samples(done.path, Fraction(0))).peak < 1.1  # what AAC adds to the ceiling


def test_a_sine_is_as_loud_as_the_standard_says():
    """EBU Tech 3341, case 1: 1 kHz at -23 dBFS in both channels is -23 LUFS."""
    wave = 10 ** (-23 / 20) * np.sin(2 * np.pi * 1000 * np.arange(48000 * 20) / 48000)
    blocks = np.split(np.stack([wave, wave]).astype(np.float32), 20, axis=1)
    measured = loudness(blocks)
    assert abs(measured.integrated + 23) <= 0.1
    assert abs(20 * np.log10(measured.peak) + 23) <= 0.3


def test_joined_pieces_play_as_one(films, tmp_path):
    piece, noise = tmp_path / "piece.mp4", np.zeros((2, 48000), np.float32)
    with Writer(piece, (64, 64), 8) as out:
        for k in range(8):
            out.write(np.full((96, 64), 20 + 20 * k, np.uint8), Fraction(k, 8))
    pieces = [Piece(piece, Fraction(0)), Piece(piece, Fraction(1))]
    kept = join(pieces, tmp_path / "two.mp4", Fraction(2), lambda o: encoded([noise, noise], o))
    assert kept is False
    shown = [
        (frame.time, frame.picture.to_ndarray()[0, 0]) for frame in Reader(tmp_path / "two.mp4")
    ]
    assert [time for time, _ in shown] == [Fraction(k, 8) for k in range(16)]
    assert np.abs(np.diff([int(v) for _, v in shown]) - ([20] * 7 + [-140] + [20] * 7)).max() <= 3


def test_pieces_of_different_kinds_are_not_joined(films, tmp_path):
    for name, options in (("one.mp4", {}), ("two.mp4", {"x264-params": "bframes=0"})):
        with Writer(tmp_path / name, (64, 64), 8, options=options) as out:
            for k in range(8):
                out.write(np.full((96, 64), 20 + 20 * k, np.uint8), Fraction(k, 8))
    pieces = [Piece(tmp_path / "one.mp4", Fraction(0)), Piece(tmp_path / "two.mp4", Fraction(1))]
    with pytest.raises(WriteError, match=r"two\.mp4: was encoded otherwise"):
        join(pieces, tmp_path / "out.mp4", Fraction(2))
    assert {path.name for path in tmp_path.iterdir()} == {"one.mp4", "two.mp4"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("x", (1920, 1080), 139, None), []),
        (("x", (1920, 1080), 150, None), ["x takes 140 s"]),
        (("instagram-reel", (1920, 1080), 20, 5), ["take stacked"]),
        (("mastodon", (1080, 1080), 20, 120), ["mastodon takes 99 MB"]),
        (("youtube-short", (1080, 1920), 20, 5), []),
    ],
)
def test_what_a_place_does_not_take_is_told(asked, said):
    told = misfits(*asked)
    assert len(told) == len(said) and all(a in b for a, b in zip(said, told, strict=True))


def test_what_does_not_fit_is_told_before_the_work(films):
    told = misfit(made(films), "side-by-side", RenderSettings(), "tiktok", max_mb=600)
    assert told == ["tiktok takes 500 MB; allow no more than that."]
    assert misfit(made(films), "stacked", RenderSettings(title="x"), "tiktok") == []


def test_a_film_that_changed_since_is_told(films, tmp_path):
    """Films that are known by their content are looked at again."""
    folder, trailer, one, _ = films
    names = {path.name: fingerprint(path) for path in (trailer, one)}
    edit = made(films)
    text = json.dumps(edit.model_dump(mode="json"))
    for name, film_id in names.items():
        text = text.replace(f'"{name}": {{', f'"{film_id}": {{')
        text = text.replace(f'"trailer": "{name}"', f'"trailer": "{film_id}"')
        text = text.replace(f'"match_film": "{name}"', f'"match_film": "{film_id}"')
    known = type(edit).model_validate_json(text)
    known._folder = folder
    assert render(known, tmp_path / "out.mp4", "strip", RenderSettings(**QUICK)).frames == 30
    other = tmp_path / "other.mp4"
    other.write_bytes(one.read_bytes()[:-1])
    known.films[names["one.mp4"]].path = str(other)
    with pytest.raises(EditError, match=r"other\.mp4: is not the film that was matched"):
        render(known, tmp_path / "no.mp4", "strip")
    known.films[names["one.mp4"]].path = str(tmp_path / "out.mp4")
    with pytest.raises(EditError, match="is one of the films"):
        render(known, tmp_path / "out.mp4", "strip")


@pytest.mark.parametrize("span", [(9.0, 12.0), (2.45, 2.47)])
def test_a_range_without_a_frame_is_told(span, films, tmp_path):
    with pytest.raises(EditError, match=r"nothing is from|has no frame from"):
        render(made(films), tmp_path / "out.mp4", "strip", span=span)
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_five_minutes_and_three_hundred_cuts_stay_on_the_sample(tmp_path):
    """Noise at the start, in the middle and at the end of a long edit is where it was."""
    rate, silent, trailer = Fraction(24000, 1001), tmp_path / "silent.mp4", tmp_path / "trailer.mov"
    archive = tmp_path / "archive.mp4"
    numbered_film(silent, [24] * 300, rate=rate, size=(96, 64), first=None)
    numbered_film(archive, (400,), first=1000, rate=Fraction(25), size=(96, 64))
    times = [Fraction(k * 1001, 1000) for k in (0, 1, 150, 298, 299)]
    noise, sound = bursts(times, Fraction(300 * 1001, 1000))
    with_sound(silent, sound, trailer)
    ticks = [frame.time for frame in Reader(trailer)]
    shots = [
        (float(ticks[24 * k]), float(ticks[24 * k + 24]) if k < 299 else 400.0, "archive.mp4",
         (k % 300) / 25, {})
        for k in range(300)
    ]  # fmt: skip
    edit = edit_of(tmp_path, trailer, shots, [trailer, archive])
    workspace, settings = Workspace(tmp_path / "data"), RenderSettings(**QUICK)
    done = render(edit, tmp_path / "out.mp4", "alone", settings, workspace=workspace)
    assert done.frames == 7200
    frames = list(Reader(done.path, pixels="rgb24"))
    assert [frame.time for frame in frames] == ticks
    for k in range(300):
        moment = (k % 300) / 25 + float(ticks[24 * k + 23] - ticks[24 * k])
        expected = 1000 + int(moment * 25 + 0.015)
        assert read_number(frames[24 * k + 23].picture.to_ndarray()) == expected
        assert read_number(frames[24 * k].picture.to_ndarray()) == 1000 + k
    mixed = settings.model_copy(update={"archive_sound": 0.1})
    render(edit, tmp_path / "mixed.mp4", "alone", mixed, workspace=workspace)
    for name in ("out.mp4", "mixed.mp4"):
        sound = np.concatenate([*samples(tmp_path / name, Fraction(0))], axis=1)
        for time in times:
            at = round(time * 48000)
            assert heard_at(sound, noise, at) == at
