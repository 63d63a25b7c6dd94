"""The finished video shows, at every index, exactly the frames that the edit names."""

from fractions import Fraction

import av
import numpy as np
import pytest
from conftest import KINDS
from PIL import Image

from lab.canvas import fit
from lab.edit import Edit, EditError, FilmEntry, Row
from lab.render import render
from lab.sample import numbered_film, read_number
from lab.sheets import contact_sheet
from lab.video import Reader, Writer


def edit_of(folder, trailer, shots, films, **entries):
    """An edit over films in one folder, its rows given as (in, out, film, in_match, more)."""
    names = {path.name: FilmEntry(path=path.name, **entries) for path in films}
    rows = [
        Row(position=i + 1, in_query=a, out_query=b, match_film=film, in_match=c, **more)
        for i, (a, b, film, c, more) in enumerate(shots)
    ]
    edit = Edit(trailer=trailer.name, encoder="-", calibration="-", films=names, shots=rows)
    edit._folder = folder
    return edit


def panels(path):
    """Numbers in the left and the right half of every frame, and their times."""
    left, right, times = [], [], []
    for frame in Reader(path, pixels="rgb24"):
        picture = frame.picture.to_ndarray()
        middle = picture.shape[1] // 2
        left.append(read_number(picture[:, :middle]))
        right.append(read_number(picture[:, middle:]))
        times.append(frame.time)
    return left, right, times


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_trailer_and_archive_is_frame_exact(film, kind, tmp_path):
    """A film answers another of its kind: shots in reverse order, in-points inside them."""
    trailer, times = film(kind), [frame.time for frame in Reader(film(kind))]
    archive = trailer.with_name(f"archive-{kind}")
    if not archive.exists():
        numbered_film(archive, (24, 24, 24, 24), first=1000, **KINDS[kind])
    theirs = [frame.time for frame in Reader(archive)]
    starts, stops = times[::24], [*times[24::24], times[-1] + 1]
    offsets = [70, 48, 20, 1]
    shots = [
        (float(a), float(b), archive.name, float(theirs[offset]), {})
        for a, b, offset in zip(starts, stops, offsets, strict=True)
    ]
    edit = edit_of(trailer.parent, trailer, shots, [trailer, archive])
    done = render(edit, tmp_path / "out.mp4", "strip")

    left, right, shown = panels(tmp_path / "out.mp4")
    assert done.frames == 96 and left == list(range(96))
    expected = []
    for index, time in enumerate(times):
        shot = index // 24
        moment = theirs[offsets[shot]] + time - starts[shot]
        expected.append(1000 + sum(t <= moment + Fraction(6, 10000) for t in theirs) - 1)
    assert right == expected
    drift = [abs(a - (b - times[0])) for a, b in zip(shown, times, strict=True)]
    assert max(drift) <= Fraction(1, 90000)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A trailer of three shots and an archive of two, in one folder."""
    folder = tmp_path_factory.mktemp("pair")
    trailer, archive = folder / "trailer.mp4", folder / "archive.mp4"
    numbered_film(trailer, (12, 12, 12), sound="aac")
    numbered_film(archive, (48, 48), first=500, looks=(7, 8), size=(240, 192))
    return folder, trailer, archive


def test_speed_mirror_keep_and_black(pair, tmp_path):
    folder, trailer, archive = pair
    shots = [
        (0, 0.5, archive.name, 1.0, {"speed": 0.5}),
        (0.5, 1.0, "", None, {"kind": "keep"}),
        (1.0, 1.5, "", None, {"kind": "black"}),
    ]
    render(edit_of(folder, trailer, shots, [trailer, archive]), tmp_path / "out.mp4", "strip")
    left, right, _ = panels(tmp_path / "out.mp4")
    assert left == list(range(36))
    assert right[:12] == [524 + index // 2 for index in range(12)]
    assert right[12:24] == left[12:24]
    last = list(Reader(tmp_path / "out.mp4", pixels="rgb24"))[30].picture.to_ndarray()
    assert last[:, last.shape[1] // 2 :].max() < 12

    shots = [(0, 1.5, archive.name, 0.5, {"mirror": True})]
    render(edit_of(folder, trailer, shots, [trailer, archive]), tmp_path / "out.mp4", "alone")
    for index, frame in enumerate(Reader(tmp_path / "out.mp4", pixels="rgb24")):
        assert read_number(frame.picture.to_ndarray()[:, ::-1]) == 512 + index


def test_one_pair_alone_is_a_clip_with_its_own_sound(pair, tmp_path):
    folder, trailer, archive = pair
    times = [frame.time for frame in Reader(trailer)]
    shots = [
        (float(times[k]), float(times[k + 12] if k < 24 else times[-1] + 1), archive.name, 0.5, {})
        for k in (0, 12, 24)
    ]
    edit = edit_of(folder, trailer, shots, [trailer, archive])
    done = render(edit, tmp_path / "one.mp4", "strip", only=(2, 2))
    left, _, shown = panels(done.path)
    assert left == list(range(12, 24)) and shown[0] == 0
    with av.open(str(done.path)) as film:
        sound = [frame for frame in film.decode(audio=0)]
        lasts = sum(frame.samples for frame in sound) / sound[0].sample_rate
    assert abs(lasts - float(times[24] - times[12])) < 0.08  # a frame of AAC is 0.02 s
    with pytest.raises(EditError, match="shots 1 to 3, none of 7 to 9"):
        render(edit, tmp_path / "none.mp4", only=(7, 9))


def test_panels_are_equal_and_answers_keep_their_shape(pair, tmp_path):
    folder, trailer, archive = pair
    shots = [(0, 1.5, archive.name, 0.0, {})]
    render(edit_of(folder, trailer, shots, [trailer, archive]), tmp_path / "out.mp4", "strip")
    picture = next(iter(Reader(tmp_path / "out.mp4", pixels="rgb24"))).picture.to_ndarray()
    assert picture.shape == (192, 640, 3)
    lit = np.flatnonzero(picture[:, 320:].max(axis=(0, 2)) > 40)
    assert abs(lit[0] - 40) <= 2 and abs(lit[-1] - 279) <= 2  # 240 of 320, in the middle


def test_the_file_plays_everywhere(pair, tmp_path):
    folder, trailer, archive = pair
    edit = edit_of(folder, trailer, [(0, 1.5, archive.name, 0.0, {})], [trailer, archive])
    assert render(edit, tmp_path / "out.mp4", "strip").sound_copied
    with av.open(str(tmp_path / "out.mp4")) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        ours = [bytes(packet) for packet in container.demux(sound) if packet.size]
    with av.open(str(trailer)) as container:
        assert ours == [bytes(p) for p in container.demux(audio=0) if p.size]
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # starts before it is all there


def test_bars_are_cut_away_on_both_sides(tmp_path):
    trailer, archive = tmp_path / "trailer.mp4", tmp_path / "archive.mp4"
    numbered_film(trailer, (4,), size=(320, 240), bars=(30, 0))
    numbered_film(archive, (4,), size=(320, 240), bars=(30, 0), first=100, looks=(5,))
    shots = [(0, 1, archive.name, 0.0, {})]
    edit = edit_of(tmp_path, trailer, shots, [trailer, archive], crop=(0, 0.125, 1, 0.875))
    render(edit, tmp_path / "out.mp4", "strip")
    frame = next(iter(Reader(tmp_path / "out.mp4", pixels="rgb24"))).picture.to_ndarray()
    assert frame.shape == (180, 640, 3)
    assert frame[:3].mean() > 30 and frame[-3:].mean() > 30


def test_a_missing_film_is_told_before_the_work(pair, tmp_path):
    folder, trailer, archive = pair
    edit = edit_of(folder, trailer, [(0, 1.5, "gone.mp4", 0.0, {})], [trailer, archive])
    with pytest.raises(EditError, match=r"gone\.mp4"):
        render(edit, tmp_path / "out.mp4", "strip")
    assert not list(tmp_path.iterdir())


def test_the_same_edit_gives_the_same_frames(pair, tmp_path):
    folder, trailer, archive = pair
    edit = edit_of(folder, trailer, [(0, 1.5, archive.name, 0.25, {})], [trailer, archive])
    for name in ("one.mp4", "two.mp4"):
        render(edit, tmp_path / name, "strip")
    pictures = [
        [frame.picture.to_ndarray() for frame in Reader(tmp_path / name)]
        for name in ("one.mp4", "two.mp4")
    ]
    assert np.array_equal(*pictures)


def test_the_contact_sheet_shows_every_pair(pair, tmp_path):
    folder, trailer, archive = pair
    shots = [
        (0, 0.5, archive.name, 1.0, {"score": 0.5}),
        (0.5, 1.0, archive.name, 3.0, {"mirror": True}),
        (1.0, 1.5, "", None, {"kind": "black"}),
    ]
    edit = edit_of(folder, trailer, shots, [trailer, archive])
    assert contact_sheet(edit, tmp_path / "sheet.png", columns=1, thumb=(320, 192)) == 3
    assert contact_sheet(edit, tmp_path / "two.png", only=(2, 3)) == 2
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    found = []
    for row in range(3):
        top = 14 + row * (192 + 40 + 14)
        pictures = [sheet[top : top + 192, x : x + 320] for x in (14, 14 + 324)]
        right = pictures[1][:, ::-1] if row == 1 else pictures[1]
        found.append((read_number(pictures[0]), read_number(right)))
    assert found[0] == (6, 530) and found[1] == (18, 578) and found[2][0] == 30


@pytest.mark.parametrize("shape", [(1920, 1080), (640, 480), (361, 203), (100, 900)])
def test_fitted_pictures_are_even_and_inside(shape):
    width, height = fit(*shape, (960, 540))
    assert width % 2 == height % 2 == 0 and width <= 960 and height <= 540
    assert width == 960 or height == 540


def test_a_sheet_of_several_edits_says_which_is_which(pair, tmp_path, monkeypatch):
    folder, trailer, archive = pair
    films, turned = [trailer, archive], {"mirror": True, "pinned": True}
    faint = [(0, 1.5, archive.name, 1.0, {"score": -0.001})]
    one = edit_of(folder, trailer, faint, films)
    other = edit_of(folder, trailer, [(0, 1.5, archive.name, 2.0, turned)], films)
    drawn = []
    monkeypatch.setattr("lab.sheets.draw_sheet", lambda cells, *_: drawn.extend(cells) or b"")
    contact_sheet(one, tmp_path / "both.png", others={"second": other}, name="first")
    (cell,) = drawn
    assert len(cell.pictures) == 3
    assert cell.caption.startswith("first: ") and cell.caption.endswith("score 0.00")
    assert cell.note.startswith("second: ") and cell.note.endswith("mirrored  pinned")


def test_a_still_is_taken_where_both_sides_show_something(tmp_path):
    """An answer that is white in its middle is shown by another of its frames."""
    trailer, archive = tmp_path / "trailer.mp4", tmp_path / "archive.mp4"
    numbered_film(trailer, (24,), first=0)
    with Writer(archive, (320, 192), 24) as out:
        for index, frame in enumerate(Reader(trailer, size=(320, 192))):
            packed = frame.picture.to_ndarray()
            if 9 <= index <= 15:
                packed[:192] = 250
            out.write(packed, Fraction(index, 24))
    edit = edit_of(tmp_path, trailer, [(0, 1, "archive.mp4", 0.0, {})], [trailer, archive])
    contact_sheet(edit, tmp_path / "sheet.png", columns=1, thumb=(320, 192))
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    pictures = [sheet[14 : 14 + 192, x : x + 320] for x in (14, 14 + 324)]
    assert [read_number(picture) for picture in pictures] == [7, 7]
