"""Films seen through a network keep their frames, times and sound, in one picture or two."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image
from test_presets import bursts, heard_at
from test_see import Glass, stills, through_glass
from test_video import audio_packets

from lab.cli import main
from lab.ingest import ingest
from lab.presets import RenderSettings
from lab.sample import numbered_film, read_number
from lab.see import (
    Looking,
    SeeError,
    State,
    Training,
    see_beside,
    see_film,
    see_pictures,
    see_shot,
    step,
)
from lab.see.checkpoints import VERSION, write_model
from lab.see.degrade import grey
from lab.see.films import survey
from lab.see.networks import Generator
from lab.store import Workspace
from lab.tables import load_archive
from lab.video import FilmError, Reader, Writer, probe, samples

BARE = Looking(size=96, before=0, after=0)
QUICK = RenderSettings(speed="ultrafast", crf=23)


class Negative(Glass):
    """A network that sees light as dark."""

    def forward(self, given):
        return 1 - super().forward(given)


class Failing(Glass):
    """A network that is stopped after some frames."""

    def __init__(self, error):
        super().__init__()
        self.error, self.left = error, 5

    def forward(self, given):
        self.left -= 1
        if not self.left:
            raise self.error
        return super().forward(given)


def of(network, **more):
    return replace(through_glass(), network=network, **more)


def seen_in(path):
    """Every frame's time and picture."""
    return [(frame.time, frame.picture.to_ndarray()) for frame in Reader(path, pixels="rgb24")]


def heard(path, begin):
    return np.concatenate([*samples(path, Fraction(begin).limit_denominator(90000))], axis=1)


# Films.


@pytest.mark.parametrize("kind", ["h264-closed.mp4", "variable.mp4", "late.mp4", "mpeg2.mpg"])
def test_a_film_seen_keeps_its_frames_times_and_sound(film, kind, tmp_path):
    out = tmp_path / "seen.mp4"
    bare = Looking(size=192, before=0, after=0)
    before, after = [*Reader(film(kind))], see_film(through_glass(), film(kind), out, bare)
    seen = seen_in(out)
    assert after == len(seen) == len(before) == 96
    assert [read_number(picture) for _, picture in seen] == [*range(96)]
    assert [frame.time - before[0].time for frame in before] == [time for time, _ in seen]
    assert probe(out).has_audio and probe(out).width == 320
    sound = [heard(film(kind), probe(film(kind)).t0), heard(out, 0)]
    length = min(one.shape[1] for one in sound)
    assert abs(sound[0].shape[1] - sound[1].shape[1]) < 4096
    assert np.corrcoef(sound[0][0, :length], sound[1][0, :length])[0, 1] > 0.95
    told = json.loads((tmp_path / "seen.json").read_text())
    assert told["settings"]["size"] == 192 and told["film"] == str(film(kind))


@pytest.mark.parametrize(("span", "first", "last"), [((1, 2.5), 24, 60), ((3.2, 9), 76, 96)])
def test_a_part_of_a_film_is_seen_with_its_own_sound(film, span, first, last, tmp_path):
    clip, out = film("h264-closed.mp4"), tmp_path / "seen.mp4"
    assert see_film(through_glass(), clip, out, BARE, span=span) == last - first
    seen = seen_in(out)
    assert [read_number(picture) for _, picture in seen] == [*range(first, last)]
    assert [time for time, _ in seen] == [Fraction(k, 24) for k in range(last - first)]
    sound, whole = heard(out, 0), heard(clip, first / 24)
    length = round((last - first) / 24 * 48000) - 2000
    assert abs(sound.shape[1] - length) < 5000
    assert np.corrcoef(sound[0, :length], whole[0, :length])[0, 1] > 0.95
    told = json.loads((tmp_path / "seen.json").read_text())["seconds"]
    assert told == pytest.approx([first / 24, last / 24], abs=1e-3)


def test_a_part_of_which_there_is_nothing_is_told(film, tmp_path):
    with pytest.raises(SeeError, match=r"is over at 4\.00 s; begin before"):
        see_film(through_glass(), film("h264-closed.mp4"), tmp_path / "y.mp4", BARE, span=(7, 9))
    assert not [*tmp_path.iterdir()]


MINUTE = {
    "23.976": [Fraction(k * 1001, 24000) for k in range(1439)],
    "variable": [Fraction(3750 * k + 1000 * (k % 3), 90000) for k in range(1439)],
}


@pytest.mark.long
@pytest.mark.parametrize("rate", MINUTE)
def test_a_minute_keeps_every_frame_its_time_and_every_packet_of_sound(rate, tmp_path):
    times, clicks = MINUTE[rate], [Fraction(k) for k in (0, 1, 20, 41, 59)]
    silent, clip, out = (tmp_path / name for name in ("silent.mp4", "clip.mp4", "seen.mp4"))
    steady = {"rate": Fraction(24000, 1001)} if rate == "23.976" else {"times": times}
    numbered_film(silent, [131] * 10 + [129], size=(160, 96), **steady)
    noise, sound = bursts(clicks, 60)
    info = probe(silent)
    with Writer(
        clip, (160, 96), info.fps, soundtrack=iter([sound]), time_base=info.time_base
    ) as film:
        for frame in Reader(silent):
            film.write(frame.picture, frame.time)
    assert see_film(through_glass(), clip, out, BARE) == 1439
    seen = seen_in(out)
    assert [time for time, _ in seen] == [frame.time for frame in Reader(clip)] == times
    assert [read_number(picture) for _, picture in seen] == [*range(1439)]
    assert audio_packets(out) == audio_packets(clip)
    sound = heard(out, 0)
    for click in clicks:
        assert heard_at(sound, noise, round(click * 48000)) == round(click * 48000)


def test_nothing_is_blended_over_a_cut(tmp_path):
    clip, out = tmp_path / "clip.mp4", tmp_path / "seen.mp4"
    numbered_film(clip, (20, 20, 20), first=None, size=(160, 96))
    assert survey(clip).shots.start_frame.tolist() == [0, 20, 40]
    see_film(through_glass(), clip, out, Looking(size=96, before=0.9, after=0.8))
    shown, seen = ([grey(one) * 255 for _, one in seen_in(path)] for path in (clip, out))
    off = [np.abs(a - b).mean() for a, b in zip(shown, seen, strict=True)]
    assert all(off[k] < 2 for k in (0, 20, 40))
    assert all(off[k] > 8 for k in (19, 39, 59))  # what went before stays, as far as the shot goes
    assert np.abs(seen[20] - seen[19]).mean() > 10


def test_bars_are_not_looked_at(tmp_path):
    clip, out = tmp_path / "barred.mp4", tmp_path / "seen.mp4"
    numbered_film(clip, (24,), bars=(30, 0), first=None)
    see_film(through_glass(), clip, out, Looking(size=132))
    info = probe(out)
    assert info.height == 132 and abs(info.width / info.height - 320 / 132) < 0.03
    assert min(picture[0].mean() for _, picture in seen_in(out)) > 20


def test_a_film_is_not_overwritten_and_nothing_half_is_left(film, tmp_path):
    source = film("h264-closed.mp4")
    with pytest.raises(SeeError, match="is the film itself"):
        see_film(through_glass(), source, source)
    with pytest.raises(SeeError, match="is the film itself"):
        see_beside(through_glass(), source, source)
    for error in (RuntimeError, KeyboardInterrupt):
        for see in (see_film, see_beside):
            with pytest.raises(error):
                see(of(Failing(error)), source, tmp_path / "seen.mp4")
            assert list(tmp_path.iterdir()) == []


def test_what_holds_no_picture_is_one_sentence(tmp_path):
    sound = tmp_path / "sound.mp4"
    with pytest.raises(FilmError, match="does not exist"):
        see_film(through_glass(), tmp_path / "nowhere.mp4", tmp_path / "seen.mp4")
    only_sound(sound)
    with pytest.raises(FilmError, match="holds no video"):
        see_film(through_glass(), sound, tmp_path / "seen.mp4")


def only_sound(path):
    import av

    with av.open(str(path), "w") as out:
        track = out.add_stream("aac", rate=48000)
        track.codec_context.layout = "stereo"
        block = np.zeros((2, 4800), np.float32)
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 48000, 0
        out.mux(track.encode(frame))
        out.mux(track.encode(None))


# Shots.


@pytest.mark.long
def test_a_shot_is_seen_from_its_film_with_its_own_sound(tmp_path):
    workspace, out = Workspace(tmp_path / "data"), tmp_path / "seen.mp4"
    workspace.archive.mkdir(parents=True)
    clip = workspace.archive / "one.mp4"
    numbered_film(clip, (24, 24, 24), rate=Fraction(24), sound="aac")
    ingest([clip], workspace)
    shot = load_archive(workspace).shots.iloc[1]
    assert see_shot(through_glass(), workspace, shot.shot_id, out, BARE) == 24
    seen = seen_in(out)
    assert [read_number(picture) for _, picture in seen] == [*range(24, 48)]
    assert [time for time, _ in seen] == [Fraction(k, 24) for k in range(24)]
    sound, whole = heard(out, 0), heard(clip, 1)
    assert abs(sound.shape[1] - 48000) < 2048
    assert np.corrcoef(sound[0, :46000], whole[0, :46000])[0, 1] > 0.99
    assert json.loads((tmp_path / "seen.json").read_text())["seconds"] == [1, 2]
    with pytest.raises(SeeError, match="is neither a file nor a shot"):
        see_shot(through_glass(), workspace, f"{shot.film_id}-5-9", out)
    with pytest.raises(SeeError, match="is the film itself"):
        see_shot(through_glass(), workspace, shot.shot_id, clip)


# Pictures.


def test_pictures_become_pictures_of_the_same_names(tmp_path):
    folder, out = stills(tmp_path / "sea", 3), tmp_path / "out"
    stills(folder / "more", 1)
    assert see_pictures(of(Negative()), folder, out, Looking(size=64)) == 4
    names = ["0.png", "1.png", "2.png", "more/0.png"]
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == names
    for name in names:
        picture = np.array(Image.open(folder / name))
        alone, _ = step(picture, State(of(Negative()), Looking(size=64)))
        assert np.array_equal(np.array(Image.open(out / name)), alone)
    assert json.loads((tmp_path / "out.json").read_text())["folder"] == str(folder)


def test_pictures_become_a_film_each_for_so_long(tmp_path):
    folder, out = tmp_path / "numbers", tmp_path / "film.mp4"
    numbered_film(tmp_path / "some.mp4", (3,), first=70, size=(160, 96))
    folder.mkdir()
    for number, (_, picture) in enumerate(seen_in(tmp_path / "some.mp4")):
        # The second stands upright: it lies in the middle of the others' shape.
        Image.fromarray(picture[:, 40:120] if number == 1 else picture).save(
            folder / f"{number}.jpg"
        )
    assert see_pictures(through_glass(), folder, out, BARE, stays=0.4) == 3
    seen = seen_in(out)
    assert [time for time, _ in seen] == [Fraction(k, 25) for k in range(30)]
    numbers = [read_number(picture) for _, picture in seen]
    assert numbers[:10] == [70] * 10 and numbers[20:] == [72] * 10
    assert all(picture[:, :10].max() < 10 < picture[:, 50:110].mean() for _, picture in seen[10:20])


def test_what_cannot_be_done_with_pictures_is_one_sentence(tmp_path):
    folder, empty, model = stills(tmp_path / "sea", 2), tmp_path / "empty", through_glass()
    empty.mkdir()
    with pytest.raises(SeeError, match="holds no pictures"):
        see_pictures(model, empty, tmp_path / "out")
    for out in (folder, folder / "seen"):
        with pytest.raises(SeeError, match="lies in the folder that is looked at"):
            see_pictures(model, folder, out)
    (folder / "0.jpg").write_bytes((folder / "0.png").read_bytes())
    with pytest.raises(SeeError, match=r"2 pictures of it would be .*0\.png"):
        see_pictures(model, folder, tmp_path / "out")
    (folder / "0.jpg").rename(folder / "9.jpg").write_bytes(b"no picture")
    with pytest.raises(SeeError, match=r"9\.jpg: is not a picture"):
        see_pictures(model, folder, tmp_path / "film.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {"sea", "empty"}


# Side by side.


@pytest.mark.parametrize("kind", ["23976.mp4", "variable.mp4", "late.mp4"])
def test_a_film_stands_beside_what_is_seen_of_it(film, kind, tmp_path):
    out = tmp_path / "both.mp4"
    done = see_beside(of(Negative(), name="night"), film(kind), out, BARE, "strip", QUICK)
    times = [frame.time for frame in Reader(film(kind))]
    seen = seen_in(out)
    assert done.frames == len(seen) == 96 and done.sound_copied
    assert [time for time, _ in seen] == [time - times[0] for time in times]
    assert audio_packets(out) == audio_packets(film(kind))
    middle = probe(out).width // 2
    for number, (_, picture) in enumerate(seen):
        assert read_number(picture[:, :middle]) == number
        assert read_number(255 - picture[:, middle:]) == number
    assert {path.name for path in tmp_path.iterdir()} == {"both.mp4", "both.json"}
    assert json.loads((tmp_path / "both.json").read_text())["name"] == "night"


def test_bars_are_gone_on_both_sides(tmp_path):
    clip, out = tmp_path / "barred.mp4", tmp_path / "both.mp4"
    numbered_film(clip, (24,), bars=(30, 0), first=None)
    see_beside(through_glass(), clip, out, Looking(size=132), "strip", QUICK)
    picture = seen_in(out)[12][1]
    left, right = np.split(picture, 2, axis=1)
    assert 128 <= picture.shape[0] <= 134 and left[:4].mean() > 20 < right[:4].mean()
    assert np.abs(left.mean(axis=2) - right.mean(axis=2)).mean() < 12  # one part, at one scale


# The command.


@pytest.fixture
def model(tmp_path):
    """The folder of a network that was never trained."""
    torch.manual_seed(0)
    card = {"version": VERSION, "settings": Training().model_dump(), "sources": []}
    write_model(tmp_path / "the sea", Generator().state_dict(), card)
    return str(tmp_path / "the sea")


def test_the_command_looks_at_what_it_is_given(tmp_path, film, model, capsys):
    source, looks = str(film("h264-closed.mp4")), ["--model", model, "--size", "64"]
    both, pictures = tmp_path / "both.mp4", tmp_path / "pictures"
    assert main(["see", "run", source, *looks, "--out", str(both), "--beside", "strip"]) == 0
    assert "96 frames seen by the sea" in capsys.readouterr().out
    assert (probe(both).width, probe(both).height) == (640, 192)
    folder = str(stills(tmp_path / "stills", 2))
    assert main(["see", "run", folder, *looks, "--out", str(pictures)]) == 0
    assert "2 pictures" in capsys.readouterr().out and len([*pictures.iterdir()]) == 2
    out = str(tmp_path / "part.mp4")
    assert main(["see", "run", source, *looks, "--out", out, "--range", "1:2"]) == 0
    assert "24 frames" in capsys.readouterr().out and len(seen_in(out)) == 24
    out = str(tmp_path / "film.mp4")
    assert main(["see", "run", folder, *looks, "--out", out, "--interval", "0.2"]) == 0
    assert len(seen_in(out)) == 10


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["CLIP", "--out", "y.avi"], "end the name in .mp4"),
        (["CLIP", "--out", "y"], "end the name in .mp4"),
        (["STILLS", "--out", "y.png"], "or name a folder, without an ending"),
        (["STILLS", "--out", "y.mp4", "--beside"], "--beside is for films"),
        (["0123456789ab-0-1000", "--out", "y.mp4", "--beside"], "--beside is for films"),
        (["0123456789ab-0-1000", "--out", "y.mp4"], "is neither a file nor a shot of data"),
        (["CLIP", "--out", "y.mp4", "--beside", "strip", "--range", "1:2"], "--range is of a film"),
        (["STILLS", "--out", "y.mp4", "--range", "1:2"], "--range is of a film"),
        (["CLIP", "--out", "y.mp4", "--archive-sound", "1"], None),
        (["CLIP", "--out", "y.mp4", "--labels"], "--labels is of a film and what is seen of it"),
        (["CLIP", "--out", "CLIP"], "is the film itself"),
        (["nowhere.mp4", "--out", "y.mp4"], "does not exist"),
        (["CLIP", "--out", "y.mp4", "--model", "STILLS"], "there is no model.safetensors in it"),
    ],
)
def test_what_the_command_cannot_do_is_one_sentence(
    asked, told, film, model, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    known = {"CLIP": str(film("h264-closed.mp4")), "STILLS": str(stills(tmp_path / "sea", 2))}
    asked = ["see", "run", "--model", model, *(known.get(word, word) for word in asked)]
    if told is None:
        with pytest.raises(SystemExit):
            main(asked)
        return
    assert main(asked) == 1
    line = capsys.readouterr().err.strip().splitlines()
    assert told in line[-1] and line[-1].startswith("lab: ") and len(line) == 1
    assert not (tmp_path / "y.mp4").exists()
