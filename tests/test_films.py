"""Films are known by content; the rest is read from their names and credits."""

import hashlib
import os

import pytest

from lab import films
from lab.films import Credit, Register, credit_of, find_films, fingerprint, read_film
from lab.store import Workspace
from lab.video import FilmError

ODD_NAMES = [
    "with  two spaces.mp4",
    "émoji 🎬🎞.mp4",
    'quote\'s "double" `back`.mp4',
    "-dash $HOME;rm.mp4",
    "line\nbreak.mp4",
    "日本語.mp4",
    "percent%20&#.mp4",
]


def put(path, content=b"film"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_fingerprint_is_blake2_of_the_whole_content(tmp_path):
    content = os.urandom(3_000_001)  # more than any buffer
    path = put(tmp_path / "film.mp4", content)
    assert fingerprint(path) == hashlib.blake2b(content, digest_size=6).hexdigest()
    # The last byte counts as well.
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert fingerprint(path) != hashlib.blake2b(content, digest_size=6).hexdigest()


def test_a_fingerprint_tells_how_much_it_read(tmp_path, monkeypatch):
    monkeypatch.setattr(films, "READ", 1000)
    content, told = os.urandom(2500), []
    (tmp_path / "film").write_bytes(content)
    whole = hashlib.blake2b(content, digest_size=6).hexdigest()
    assert fingerprint(tmp_path / "film", told.append) == whole
    assert told == [1000, 2000, 2500]
    told.clear()
    assert read_film(tmp_path / "film", told.append)[:2] == (whole, 2500)
    assert told == [0.4, 0.8, 1.0]


def test_a_rename_or_move_changes_nothing(tmp_path):
    register = Register(Workspace(tmp_path / "data"))
    path = put(tmp_path / "film.mp4")
    film_id = register.identify(path)
    for name in ("renamed.mkv", "moved/far/film.mp4", *ODD_NAMES):
        after = tmp_path / name
        after.parent.mkdir(parents=True, exist_ok=True)
        path = path.rename(after)
        assert (
            register.identify(path)
            == film_id
            == hashlib.blake2b(b"film", digest_size=6).hexdigest()
        )


def test_content_is_read_once_and_again_after_a_change(tmp_path, monkeypatch):
    reads = []
    real = films.fingerprint
    monkeypatch.setattr(films, "fingerprint", lambda path, tell: reads.append(path) or real(path))
    workspace, path = Workspace(tmp_path / "data"), put(tmp_path / "film.mp4", b"one")
    register = Register(workspace)
    first = register.identify(path)
    assert register.identify(path) == first
    monkeypatch.chdir(tmp_path)
    assert register.identify("film.mp4") == first  # the same file by another name
    register.save()
    assert Register(workspace).identify(path) == first  # remembered on disk
    assert len(reads) == 1

    stat = path.stat()
    path.write_bytes(b"two")  # as long as before
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000))
    second = Register(workspace).identify(path)
    assert second == hashlib.blake2b(b"two", digest_size=6).hexdigest() != first
    path.write_bytes(b"longer")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the old time: its length tells
    assert (
        Register(workspace).identify(path) == hashlib.blake2b(b"longer", digest_size=6).hexdigest()
    )
    assert len(reads) == 3


def test_a_damaged_register_is_begun_anew(tmp_path):
    workspace = Workspace(tmp_path)
    register = Register(workspace)
    register.add("abc", tmp_path / "film.mp4", "archive")
    register.save()
    assert Register(workspace).films["abc"]["role"] == "archive"
    register.file.write_text(register.file.read_text()[:-9])
    assert Register(workspace).films == {} == Register(workspace).seen


def test_a_film_of_the_archive_stays_there_when_it_is_a_trailer_too(tmp_path):
    register = Register(Workspace(tmp_path))
    for role, expected in (("trailer", "trailer"), ("archive", "archive"), ("trailer", "archive")):
        register.add("abc", tmp_path / "film.mp4", role)
        assert register.films["abc"]["role"] == expected


def test_what_two_learn_at_once_is_kept_of_both(tmp_path):
    workspace = Workspace(tmp_path / "data")
    one, two = Register(workspace), Register(workspace)
    both = put(tmp_path / "both.mp4", b"both")
    for name, register, role in (("one", one, "archive"), ("two", two, "trailer")):
        path = put(tmp_path / f"{name}.mp4", name.encode())
        register.add(name, path, role)
        register.add(register.identify(both), both, role)
        register.identify(path)
    one.save()
    two.save()
    known = Register(workspace)
    roles = {film_id: known.films[film_id]["role"] for film_id in known.films}
    assert roles == {"one": "archive", fingerprint(both): "archive", "two": "trailer"}
    assert len(known.seen) == 3
    assert (two.films, two.seen) == (known.films, known.seen)
    one.save()  # nothing new: what the other added stays
    assert Register(workspace).films == known.films == one.films


def test_folders_are_searched_to_their_depth(tmp_path):
    wanted = [
        put(tmp_path / name)
        for name in ("a.mp4", "b.MKV", "deep/er/c.mpg", "deep/d.webm", *ODD_NAMES)
    ]
    for name in (".hidden.mp4", ".trash/e.mp4", "deep/.x/f.mp4", "._a.mp4"):
        put(tmp_path / name)
    for name in ("notes.txt", "credits.csv", "poster.jpg", "mp4", "song.mp3"):
        put(tmp_path / name)
    put(tmp_path / "film in a folder.mp4" / "notes.txt")
    wanted.append(put(tmp_path / "of its name.mp4" / "of its name.mp4"))
    # what looks like a film and is none is taken too, so that somebody tells
    (tmp_path / "loop.mkv").symlink_to("loop.mkv")
    (tmp_path / "dangling.mov").symlink_to("nowhere")
    (tmp_path / "self").symlink_to(tmp_path)
    wanted += [tmp_path / name for name in ("film in a folder.mp4", "loop.mkv", "dangling.mov")]
    assert find_films([tmp_path]) == sorted(wanted)


def test_a_folder_inside_a_hidden_one_can_be_named(tmp_path):
    film = put(tmp_path / ".cache" / "films" / "a.mp4")
    assert find_films([film.parent]) == [film]


def test_files_are_taken_as_they_are_named(tmp_path):
    named = [put(tmp_path / name) for name in ("film.dat", ".hidden.mp4", "no_suffix")]
    assert find_films(map(str, named)) == named


def test_each_film_comes_once(tmp_path):
    film, other = put(tmp_path / "a.mp4"), put(tmp_path / "sub" / "b.mp4")
    (tmp_path / "link.mp4").symlink_to(film)
    again = tmp_path / "sub" / ".." / "a.mp4"
    assert find_films([film, film, again, tmp_path, tmp_path / "sub"]) == [film, other]


@pytest.mark.parametrize("name", ["missing.mp4", "missing folder", *ODD_NAMES])
def test_a_missing_path_is_named(tmp_path, name):
    with pytest.raises(FilmError, match="does not exist") as raised:
        find_films([put(tmp_path / "there.mp4"), tmp_path / name])
    assert raised.value.path == str(tmp_path / name)
    assert str(raised.value).startswith(str(tmp_path / name))


def test_a_folder_without_films_is_named(tmp_path):
    empty = tmp_path / "emp ty"
    put(empty / ".hidden.mp4")
    put(empty / "notes.txt")
    with pytest.raises(FilmError, match="holds no films") as raised:
        find_films([empty])
    assert raised.value.path == str(empty)


def test_a_film_that_went_away_is_named(tmp_path):
    gone = tmp_path / "gone.mp4"
    for ask in (fingerprint, Register(Workspace(tmp_path)).identify):
        with pytest.raises(FilmError, match="cannot be read") as raised:
            ask(gone)
        assert str(gone) in str(raised.value)


def test_a_link_to_a_name_that_is_no_text_is_told_as_that(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    with open(raw, "wb") as file:
        file.write(b"film")
    os.symlink(raw, tmp_path / "link.mp4")
    with pytest.raises(FilmError, match=r"caf\\xe9.mp4: has a name that is no UTF-8"):
        Register(Workspace(tmp_path)).identify(tmp_path / "link.mp4")


def test_a_file_that_is_just_begun_can_be_read(tmp_path, monkeypatch):
    """Empty when it is looked at, and no more when it is read."""
    path, told = put(tmp_path / "film.mp4", b""), []
    real = films.fingerprint
    monkeypatch.setattr(films, "fingerprint", lambda path, tell: (put(path), real(path, tell))[1])
    read = read_film(path, told.append)
    assert read[:2] == (hashlib.blake2b(b"film", digest_size=6).hexdigest(), 0) and told == [1.0]
    register = Register(Workspace(tmp_path))
    register.learn(path, read)
    assert register.known(path) is None  # it is another by now


@pytest.mark.parametrize(
    ("name", "title", "year"),
    [
        ("Nosferatu (1922).mp4", "Nosferatu", "1922"),
        ("Metropolis_1927.mkv", "Metropolis", "1927"),
        ("The_General - 1926.avi", "The General", "1926"),
        ("2001 A Space Odyssey (1968).mov", "2001 A Space Odyssey", "1968"),
        ("Blade Runner 2049 (2017).mp4", "Blade Runner 2049", "2017"),
        ("1984.mp4", "1984", "1984"),
        ("La sortie (1895) restored.ogv", "La sortie restored", "1895"),
        ("reel 12345.mp4", "reel 12345", ""),
        ("home movie.mp4", "home movie", ""),
        ("émoji 🎬 (1960).mp4", "émoji 🎬", "1960"),
    ],
)
def test_title_and_year_from_the_name(tmp_path, name, title, year):
    credit = credit_of(put(tmp_path / name))
    assert " ".join(credit.title.split()) == title
    assert (credit.year, credit.source, credit.licence) == (year, "", "")


def test_credits_beside_the_film_go_before_its_name(tmp_path):
    film = put(tmp_path / "a, b (1999).mp4")
    text = (
        "file,title,year,source,licence\n"
        '"other.mp4",Other,1900,,\n'
        '"a, b (1999).mp4","Faust: ""Eine"" Sage",1926,https://example.org/faust,CC0\n'
    )
    expected = Credit('Faust: "Eine" Sage', "1926", "https://example.org/faust", "CC0")
    # Spreadsheets put a byte order mark before UTF-8.
    for encoding in ("utf-8", "utf-8-sig"):
        (tmp_path / "credits.csv").write_text(text, encoding=encoding)
        assert credit_of(film) == expected
        assert credit_of(put(tmp_path / "other.mp4")) == Credit("Other", "1900", "", "")
    assert credit_of(tmp_path / "unlisted (1931).mp4") == Credit("unlisted", "1931")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"no,such\n1,2\n", b'file\n"open'])
def test_damaged_credits_leave_the_name_to_speak(tmp_path, content):
    (tmp_path / "credits.csv").write_bytes(content)
    assert credit_of(put(tmp_path / "Faust (1926).mp4")) == Credit("Faust", "1926")


def test_moved_and_renamed_films_are_found_again_by_content(tmp_path, monkeypatch):
    register = Register(Workspace(tmp_path / "data"))
    old, new = tmp_path / "old", tmp_path / "new"
    for name, role in (("a.mp4", "archive"), ("b.mp4", "trailer"), ("c.mp4", "archive")):
        path = put(old / name, name.encode() * 5)
        register.add(register.identify(path), path, role)
    a, b, c = register.films
    assert register.missing() == [] and register.relink(old) == {}

    put(new / "deep" / "renamed, without a suffix", b"a.mp4" * 5)
    put(new / "other of the same size.mp4", b"x.mp4" * 5)
    put(new / "larger.mp4", b"b.mp4" * 500)
    for name in ("a.mp4", "b.mp4"):
        (old / name).unlink()
    put(old / "b.mp4", b"another film in its place")
    assert register.missing() == [a, b]
    reads = []
    real = films.fingerprint
    monkeypatch.setattr(films, "fingerprint", lambda path, tell: reads.append(path) or real(path))
    assert register.relink(new) == {a: new / "deep" / "renamed, without a suffix"}
    assert {path.name for path in reads} == {
        "renamed, without a suffix",
        "other of the same size.mp4",
    }
    assert register.missing() == [b]
    assert register.where(a) == new / "deep" / "renamed, without a suffix"
    assert register.where(c) == old / "c.mp4" and register.where(b) is None
    assert [film["role"] for film in register.films.values()] == ["archive", "trailer", "archive"]
    register.save()
    assert Register(Workspace(tmp_path / "data")).films == register.films
    with pytest.raises(FilmError, match="is no folder"):
        register.relink(tmp_path / "nowhere")
