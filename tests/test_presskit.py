"""What goes with a film: words that are right to the millisecond, pictures of the right frames."""

import csv
import html
import io
import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_render import edit_of

from lab.credits import Cited, doubts, licence_name, page_of, said_by
from lab.edit import Edit, EditError, FilmEntry, Row
from lab.posters import MARGIN, SEAM, poster, teaser
from lab.presskit import credits_file, post, subtitles
from lab.sample import numbered_film, read_number
from lab.sheets import contact_sheet
from lab.video import Reader, WriteError

# What a licence says; spellings of such, a line each.
SPELLINGS = {
    "reserved": """All rights reserved
        © 2010 X
        Copyright 2010 X
        (c) 1999 Y
        Standard YouTube License
        http://rightsstatements.org/vocab/InC/1.0/
        Tous droits réservés
        no copyright infringement intended
        Public domain; music all rights reserved""",
    "changes": """CC BY-ND 4.0
        cc-by-nd
        CC BY-NC-ND 3.0
        Attribution-NoDerivs 2.5
        http://creativecommons.org/licenses/by-nd/4.0/
        creativecommons.org/licenses/by-nc-nd/3.0
        Attribution-NoDerivatives 4.0 International
        Creative Commons BY-ND
        CC_BY_ND""",
    "money": """CC BY-NC 4.0
        cc-by-nc-sa
        Attribution-NonCommercial-ShareAlike 3.0
        https://creativecommons.org/licenses/by-nc/4.0/deed.de
        non-commercial use only
        http://rightsstatements.org/vocab/NoC-NC/1.0/
        Public domain / CC BY-NC""",
    "same": """CC BY-SA 3.0
        https://creativecommons.org/licenses/by-sa/4.0/
        Free Art License""",
    "named": """CC BY 4.0
        CC-BY
        © 2008 Blender Foundation, CC BY 3.0
        MIT package
        http://creativecommons.org/licenses/by/3.0/us/
        Attribution 4.0 International
        Creative Commons Attribution 3.0 Unported
        Pexels licence""",
    "free": """Public Domain
        PD
        CC0
        CC0 1.0 Universal
        Public Domain Mark 1.0
        http://creativecommons.org/publicdomain/zero/1.0/
        gemeinfrei
        US Government work
        http://creativecommons.org/publicdomain/mark/1.0/
        copyright expired
        http://creativecommons.org/licenses/publicdomain/
        No known copyright restrictions""",
    "missing": """unknown
        ?
        N/A""",
    "unknown": """ask the museum
        fair use
        not in the public domain
        http://rightsstatements.org/vocab/UND/1.0/
        BSD-3-Clause package, origin unstated""",
}


def film(licence, title="A", **more):
    return Cited(title, FilmEntry(path=f"{title}.mp4", title=title, licence=licence, **more), (1,))


@pytest.mark.parametrize(
    ("what", "licence"),
    [
        ("missing", ""),
        *((what, one.strip()) for what, some in SPELLINGS.items() for one in some.splitlines()),
    ],
)
def test_licences_are_known_however_they_are_spelt(what, licence):
    assert said_by(licence) == what
    told = doubts([film(licence)])
    assert len(told) == (what not in ("free", "named"))
    assert all(one.startswith("A: ") or " of A: " in one for one in told)


def test_addresses_of_licences_and_films_become_what_people_click_and_say():
    assert licence_name("see http://creativecommons.org/licenses/by-nc-sa/3.0/us/") == (
        "see CC BY-NC-SA 3.0"
    )
    item = "https://archive.org/details/Nosferatu_1922.b-w"
    for source in (
        "archive.org/details/Nosferatu_1922.b-w.",
        item + "?start=3",
        f"IA, {item}/x.mp4",
    ):
        assert page_of(source) == item
    assert page_of("Kivy, https://kivy.org/films, 2012") == "https://kivy.org/films"
    assert page_of("see archive.org, Prelinger") == ""
    duck = "https://archive.org/details/DuckandC1951"
    for source in ("archive.org/download/DuckandC1951/duck.mp4", "archive.org: DuckandC1951"):
        assert film("", source=source).source == duck
    assert (
        film("", source=f"Prelinger ({duck}?start=3), 1951").source == f"Prelinger ({duck}), 1951"
    )


def test_many_films_of_one_doubt_are_one_sentence():
    films = [film("", title) for title in "ABCDE"] + [film("CC BY-ND 4.0", "F", year="1922")]
    bare, changed = doubts(films)
    assert bare.startswith("no licence is known of 5 films (A; B; C; ...): find out")
    assert changed.startswith("F (1922): 'CC BY-ND 4.0' forbids to show it changed")
    assert doubts(films[:3])[0].startswith("no licence is known of A; B; C: find out")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A trailer from frame 0 on, archives from 500 and 1000 on, the last one late, and black."""
    folder = tmp_path_factory.mktemp("films")
    names = ["trailer.mp4", "one.mp4", "two.mp4", "black.mp4"]
    trailer, one, two, black = (folder / name for name in names)
    numbered_film(trailer, (24,) * 5)
    numbered_film(one, (60, 60), first=500, looks=(7, 8))
    times = [Fraction(k, 24) + 3 for k in range(96)]
    numbered_film(two, (48, 48), first=1000, looks=(9, 10), times=times)
    numbered_film(black, (48,), first=None, bars=(96, 0))
    return folder, [trailer, one, two, black]


def five_pairs(films, last="two.mp4"):
    folder, paths = films
    shots = [
        (0, 1, "one.mp4", 0.5, {"score": 0.9}),
        (1, 2, "one.mp4", 2.0, {"score": 0.4}),
        (2, 3, "one.mp4", 3.0, {"score": 0.8, "mirror": True}),
        (3, 4, last, 4.0 if last == "two.mp4" else 0.0, {"score": 0.99, "speed": 0.5}),
        (4, 5, "one.mp4", 1.0, {"score": 0.5}),
    ]
    return edit_of(folder, paths[0], shots, paths)


def panel(picture, left, top, size, mirrored=False):
    part = np.asarray(picture.convert("RGB"))[top : top + size[1], left : left + size[0]]
    return read_number(part[:, ::-1] if mirrored else part)


def test_the_poster_shows_the_strongest_pairs_of_many_films(films, tmp_path):
    edit = five_pairs(films)
    assert poster(edit, tmp_path / "poster.png", width=1000) == 4
    sheet = Image.open(tmp_path / "poster.png")
    assert sheet.size == (1000, 1500)
    margin = round(1000 * MARGIN)
    size = (1000 - 2 * margin - SEAM) // 2, round((1000 - 2 * margin - SEAM) / 2 * 192 / 320)
    places = [(margin, margin + row * (size[1] + 20)) for row in range(4)]
    left = [panel(sheet, *place, size) for place in places]
    right = [
        panel(sheet, x + size[0] + SEAM, y, size, mirrored=row == 1)
        for row, (x, y) in enumerate(places)
    ]
    assert left == [12, 60, 84, 108]  # the middles of shots 1, 3, 4 and 5, in this order
    assert right == [500 + 24, 500 + 72 + 12, 1000 + 24 + 6, 500 + 24 + 12]


def test_a_pair_that_shows_nothing_is_left_out_while_there_are_others(films, tmp_path):
    edit = five_pairs(films, last="black.mp4")
    poster(edit, tmp_path / "poster.png", width=600)
    size = 257, 154
    sheet = Image.open(tmp_path / "poster.png")
    shown = [panel(sheet, 42, 42 + row * (154 + 12), size) for row in range(4)]
    assert shown == [12, 36, 60, 108]
    edit.shots = edit.shots[2:]
    assert poster(edit, tmp_path / "poster.png", width=600) == 3


def pages_of(path):
    """Pictures and media boxes of a PDF's pages, as Pillow writes them."""
    data = path.read_bytes()
    assert data.startswith(b"%PDF") and data.rstrip().endswith(b"%%EOF")
    boxes = [
        tuple(float(side) for side in box.split())[2:]
        for box in re.findall(rb"/MediaBox \[([^\]]*)\]", data)
    ]
    found = re.findall(rb"stream\r?\n(\xff\xd8.*?)endstream", data, re.DOTALL)
    assert len(found) == len(boxes) == len(re.findall(rb"/Type /Page\b", data))
    return [Image.open(io.BytesIO(one)) for one in found], boxes


def test_a_poster_and_a_contact_sheet_to_print(films, tmp_path):
    edit = five_pairs(films)
    poster(edit, tmp_path / "poster.pdf", width=600)
    (picture,), (box,) = pages_of(tmp_path / "poster.pdf")
    assert picture.size == (600, 900)
    assert box == pytest.approx((500 / 25.4 * 72, 750 / 25.4 * 72), abs=1)

    assert contact_sheet(edit, tmp_path / "sheet.pdf", columns=1, thumb=(160, 96)) == 5
    pictures, boxes = pages_of(tmp_path / "sheet.pdf")
    assert boxes == [pytest.approx((297 / 25.4 * 72, 210 / 25.4 * 72), abs=1)] * len(boxes)
    # At twice the screen's scale: a gap of 28 pixels, words of 80 under 192 of a picture.
    numbers = [
        panel(page, 28, 28 + row * 300, (320, 192))
        for page in pictures
        for row in range((page.height - 28) // 300)
    ]
    assert numbers == [12, 36, 60, 84, 108]


@pytest.mark.parametrize("kind", ["webp", "gif"])
def test_the_teaser_shows_a_second_of_each_pair_again_and_again(films, tmp_path, kind):
    edit, out = five_pairs(films), tmp_path / f"teaser.{kind}"
    edit.shots[2].out_query = 2.4  # shorter than a second
    width, height = teaser(edit, out, pairs=2)
    moving = Image.open(out)
    assert (moving.size, moving.info["loop"]) == ((width, height), 0)
    moments = [3 + k * 0.08 for k in range(12)]
    expected = [(int(t * 24 + 0.01), 1024 + int((t - 3) * 12 + 0.01)) for t in moments]
    moments = [k * 0.08 for k in range(12)]
    first = [(int(t * 24 + 0.01), 512 + int(t * 24 + 0.01)) for t in moments]
    half, shown, lasts = (width - SEAM) // 2, [], 0
    for number in range(moving.n_frames):
        moving.seek(number)
        size = half, height
        shown.append(tuple(panel(moving, x, 0, size) for x in (0, width - half)))
        lasts += moving.info["duration"]
    assert shown == first + expected and lasts == 24 * 80


def test_a_teaser_keeps_to_its_limit_or_says_that_it_cannot(films, tmp_path):
    edit = five_pairs(films)
    full = teaser(edit, tmp_path / "full.gif", pairs=1)
    limit = (tmp_path / "full.gif").stat().st_size / 4
    less = teaser(edit, tmp_path / "less.gif", pairs=1, max_mb=limit / 1e6)
    assert (tmp_path / "less.gif").stat().st_size <= limit and less < full
    with pytest.raises(WriteError, match=r"does not go into 0\.001 MB; allow \d\.\d\d MB, or"):
        teaser(edit, tmp_path / "none.webp", pairs=1, max_mb=0.001)
    assert {path.name for path in tmp_path.iterdir()} == {"full.gif", "less.gif"}


def parsed(path):
    """Cues of an SRT or a VTT, strictly: (begin ms, end ms, lines)."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".vtt":
        head, text = text.split("\n\n", 1)
        assert head == "WEBVTT"
    mark, cues = "," if path.suffix == ".srt" else r"\.", []
    time = rf"(\d\d):([0-5]\d):([0-5]\d){mark}(\d\d\d)"
    assert text.endswith("\n") and not text.endswith("\n\n")
    for number, block in enumerate(text.rstrip("\n").split("\n\n"), 1):
        name, times, *lines = block.split("\n")
        assert name == str(number) and lines and all(lines) and "-->" not in "".join(lines)
        found = [int(part) for part in re.fullmatch(f"{time} --> {time}", times).groups()]
        begin, end = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (found[:4], found[4:]))
        if path.suffix == ".vtt":
            assert "<" not in block and not re.search(r"&(?!amp;|lt;|gt;)", block)
            lines = [html.unescape(line) for line in lines]
        cues.append((begin, end, lines))
    assert all(a[0] < a[1] <= b[0] for a, b in pairwise(cues))
    return cues


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    """A trailer of 23.976 frames a second that begins late, each of its shots answered."""
    folder = tmp_path_factory.mktemp("late")
    trailer, archive = folder / "trailer.mp4", folder / "archive.mp4"
    times = [Fraction(k * 1001, 24000) + 3 for k in range(72)]
    numbered_film(trailer, (24, 24, 24), times=times)
    numbered_film(archive, (96,), times=[Fraction(k, 24) + 2 for k in range(96)])
    cuts = [*[frame.time for frame in Reader(trailer)][::24], Fraction(3003, 1000) + 3]
    shots = [
        (float(a), float(b), archive.name, 2 + offset, more)
        for a, b, offset, more in zip(
            cuts, cuts[1:], (0.5, 1.0, 1.5), ({}, {}, {"speed": 0.5}), strict=False
        )
    ]
    edit = edit_of(folder, trailer, shots, [trailer, archive])
    edit.films[archive.name] = FilmEntry(
        path=archive.name,
        title="A --> B & <i>\n\nC",
        year="1922",
        source="archive.org/details/a-b",
    )
    return edit, cuts


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_stand_at_their_shots_to_the_millisecond(late, tmp_path, kind):
    (edit, cuts), out = late, tmp_path / f"all.{kind}"
    assert subtitles(edit, out, shift=3.003) == 3
    cues = parsed(out)
    ms = [round((cut - cuts[0] + Fraction(3003, 1000)) * 1000) for cut in cuts]
    assert [cue[:2] for cue in cues] == list(pairwise(ms))
    title = "A → B & <i> C" if kind == "srt" else "A --> B & <i> C"
    assert [cue[2][0] for cue in cues] == [
        f"{title} (1922), {second}" for second in ("0:00.5", "0:01.0", "0:01.5")
    ]
    assert {cue[2][1] for cue in cues} == {"https://archive.org/details/a-b"}


def test_subtitles_of_a_part_begin_with_its_first_frame(late, tmp_path):
    (edit, cuts), out = late, tmp_path / "part.srt"
    subtitles(edit, out, span=(0.51, 2.5))
    first = next(k for k in range(72) if Fraction(k * 1001, 24000) >= Fraction(51, 100))
    first = cuts[0] + Fraction(first * 1001, 24000)
    ms = [round((cut - first) * 1000) for cut in [*cuts[1:3], cuts[0] + Fraction(5, 2)]]
    cues = parsed(out)
    assert [cue[:2] for cue in cues] == list(zip([0, *ms], ms, strict=False))
    assert cues[0][2][0].endswith("(1922), 0:01.0")  # 0.5, and half a second in

    subtitles(edit, out, only=(3, 3))
    assert [cue[:2] for cue in parsed(out)] == [(0, 1001)]
    edit = edit.model_copy(update={"shots": [edit.shots[0], edit.shots[2]]})
    edit.shots[1].kind = "keep"
    assert subtitles(edit, out) == 1
    edit.shots[1].kind = "match"


def test_credits_name_every_film_with_page_licence_and_seconds(late, tmp_path):
    edit, _ = late
    edit.films["archive.mp4"].licence = "http://creativecommons.org/licenses/by/4.0/"
    for kind in ("txt", "md", "csv"):
        assert credits_file(edit, tmp_path / f"credits.{kind}") == 2
    with open(tmp_path / "credits.csv", encoding="utf-8", newline="") as file:
        film, trailer = csv.DictReader(file)
    assert film["page"] == "https://archive.org/details/a-b" and film["year"] == "1922"
    assert film["seen"] == "0.000-1.001 1.001-2.002 2.002-3.003" and trailer["seen"] == ""
    assert (film["role"], trailer["role"]) == ("archive", "trailer")
    plain = (tmp_path / "credits.txt").read_text(encoding="utf-8")
    marked = (tmp_path / "credits.md").read_text(encoding="utf-8")
    assert "Source: https://archive.org/details/a-b\n" in plain and "CC BY 4.0" in plain
    assert "Seen at 0:00.0-0:01.0, 0:01.0-0:02.0, 0:02.0-0:03.0" in plain
    assert "Licence: not known\n    The trailer that is answered" in plain
    assert "<https://archive.org/details/a-b>" in marked and "\\<i\\>" in marked


entries = st.builds(
    FilmEntry,
    path=st.just("film.mp4"),
    title=st.text(max_size=60),
    year=st.sampled_from(["", "1922"]),
    source=st.sampled_from(["", "Prelinger Archives", "archive.org/details/some-film"]),
    licence=st.sampled_from(["", "CC0", "CC BY 4.0", "All rights reserved"]),
)


@given(st.lists(entries, min_size=2, max_size=30), st.integers(80, 3000))
def test_posts_never_exceed_their_limit(some, most):
    films = {str(number): entry for number, entry in enumerate(some)}
    shots = [
        Row(position=int(name), in_query=0, out_query=1, match_film=name, in_match=0)
        for name in [*films][1:]
    ]
    edit = Edit(trailer="0", encoder="-", calibration="-", films=films, shots=shots)
    text = post(edit, most)
    assert 0 < len(text) <= most
    full = post(edit, 10**6)
    assert full.count("https://archive.org/details/some-film") == sum(
        "archive.org" in entry.source for entry in some
    )
    assert len(full) > most or text == full


def test_a_post_that_is_too_long_still_names_whom_it_must():
    licences = ["CC0"] * 6 + ["CC BY 4.0"] * 2
    films = {
        f"{number}": FilmEntry(
            path="-", title=f"Film {number}", source="archive.org/details/x", licence=licence
        )
        for number, licence in enumerate(["CC BY 3.0", *licences])
    }
    shots = [
        Row(position=int(name), in_query=0, out_query=1, match_film=name, in_match=0)
        for name in [*films][1:]
    ]
    edit = Edit(trailer="0", encoder="-", calibration="-", films=films, shots=shots)
    short = (
        "Film 0, reinterpreted: 8 shots answered from 8 films.\n\n"
        "Film 7, CC BY 4.0\nFilm 8, CC BY 4.0\nTrailer: Film 0, CC BY 3.0\n"
        "and 6 more films, see the credits"
    )
    assert post(edit, len(short)) == short
    assert "https" in post(edit) and "https" not in post(edit, 250)


def test_what_cannot_be_done_is_told_and_leaves_nothing(films, tmp_path):
    edit = five_pairs(films)
    for make, name in (
        *((make, "out.jpg") for make in (poster, teaser, subtitles, credits_file, contact_sheet)),
        (poster, "out"),
    ):
        with pytest.raises(WriteError, match=r"is to end in \.\w+ or \.\w+"):
            make(edit, tmp_path / name)
    with pytest.raises(EditError, match="79 characters are too few"):
        post(edit, 79)
    with pytest.raises(EditError, match=r"lasts 5\.0 s"):
        subtitles(edit, tmp_path / "out.srt", span=(9, 10))
    edit.films["one.mp4"].path = "gone.mp4"
    for make, name in ((poster, "out.png"), (teaser, "out.webp"), (subtitles, "out.vtt")):
        with pytest.raises(EditError, match=r"gone\.mp4: is not there"):
            make(edit, tmp_path / name)
    del edit.films["one.mp4"]
    for make in (post, lambda edit: credits_file(edit, tmp_path / "out.txt")):
        with pytest.raises(EditError, match="answers with film one"):
            make(edit)
    edit.shots = []
    for make in (post, lambda edit: poster(edit, tmp_path / "out.png")):
        with pytest.raises(EditError, match="answers no shot"):
            make(edit)
    assert not list(tmp_path.iterdir())
