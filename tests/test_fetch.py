"""Films from an archive on this machine that answers as archive.org does, on good days and bad."""

import errno
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pandas as pd
import pytest
from internetarchive import ArchiveSession, File, Item

from lab import cli, fetch
from lab.edit import load_edit
from lab.fetch import FetchError, Halted, best_file, fetch_films, find_items
from lab.films import Credit, credit_of, find_films
from lab.sample import numbered_film
from lab.store import Workspace
from lab.tables import load_films

PIECE = fetch.PIECE
FILM = bytes(range(256)) * 2000  # eight pieces, the last not whole


class Archive(ThreadingHTTPServer):
    """archive.org: items with their files, and for each path what goes wrong there next."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.items, self.bodies = {}, {}
        self.wrong, self.log = defaultdict(list), []
        self.stall = threading.Event()

    def add(self, identifier, bodies, files=None, **known):
        """An item with `bodies` by name; more of each file's metadata in `files`."""
        metadata = {"identifier": identifier, "mediatype": "movies", "title": identifier} | known
        listed = []
        for name, body in bodies.items():
            self.bodies[f"{identifier}/{name}"] = body
            sums = {kind: hashlib.new(kind, body).hexdigest() for kind in ("md5", "sha1")}
            more = (files or {}).get(name, {})
            listed.append({"name": name, "source": "original", "size": str(len(body))})
            listed[-1] |= sums | more
        listed.append({"name": f"{identifier}_meta.xml", "source": "metadata", "size": "9"})
        self.items[identifier] = {"metadata": metadata, "files": listed, "server": "ia800"}

    def asked(self, start):
        return [more for path, more in self.log if path.startswith(start)]

    def search(self, query):
        """What advancedsearch.php answers."""
        q, rows = query["q"][0], int(query["rows"][0])
        if "[" in q and "]" not in q:
            return {"error": "Unable to parse the query"}
        assert query["sort[0]"] == ["downloads desc"] and query["output"] == ["json"]
        wanted = re.search(r"collection:(\S+)", q)
        year = re.search(r"\(year:(\d+)\)", q)
        known = [item["metadata"] for item in self.items.values()]
        hits = [
            one
            for one in sorted(known, key=lambda one: -one.get("downloads", 0))
            if f"mediatype:{one['mediatype']}" in q
            and (not wanted or wanted[1] in one.get("collection", []))
            and (not year or year[1] == one.get("year"))
        ]
        docs = [{"identifier": one["identifier"]} for one in hits[:rows]]
        return {"response": {"numFound": len(hits), "start": 0, "docs": docs}}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        address = urlsplit(self.path)
        path, server = unquote(address.path), self.server
        server.log.append((path, self.headers.get("Range")))
        wrong = server.wrong[path].pop(0) if server.wrong[path] else None
        if isinstance(wrong, int):
            self.answer(wrong, b"<html>sorry</html>")
        elif isinstance(wrong, bytes):
            self.answer(200, wrong)
        elif path.startswith("/metadata/"):
            self.answer(200, json.dumps(server.items.get(path[10:], {})).encode())
        elif path == "/advancedsearch.php":
            self.answer(200, json.dumps(server.search(parse_qs(address.query))).encode())
        elif path.startswith("/download/"):  # a film lies on another machine
            self.answer(302, b"", Location=quote(f"/0/items/{path[10:]}"))
        elif path[9:] in server.bodies:
            self.film(server.bodies[path[9:]], *(wrong or ()))
        else:
            self.answer(404, b"")

    def film(self, body, what="", many=0):
        """A file, or from `Range` on; "cut" after some bytes, "stall" there, "whole" anyway."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        first = int(asked[1]) if asked and what != "whole" else 0
        if first >= len(body):
            return self.answer(416, b"")
        ranged = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"} if first else {}
        self.send_response(206 if first else 200)
        self.headed({"Content-Length": len(body) - first} | ranged)
        self.wfile.write(body[first:][: many or None])
        self.wfile.flush()
        if what == "stall":
            self.server.stall.wait(60)

    def answer(self, status, body, **headers):
        self.send_response(status)
        self.headed({"Content-Length": len(body)} | headers)
        self.wfile.write(body)

    def headed(self, headers):
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def archive(monkeypatch):
    """The archive; `lab` goes there, as do sessions, and nobody waits."""
    with Archive() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        monkeypatch.setattr(fetch, "ArchiveSession", there(server.server_port))
        monkeypatch.setattr(fetch, "PATIENCE", fetch.PATIENCE.new(backoff_factor=0))
        monkeypatch.setattr(fetch, "PAUSE", 0)
        monkeypatch.setenv("IA_CONFIG_FILE", os.devnull)
        yield server
        server.stall.set()
        server.shutdown()


def there(port):
    def make(**more):
        session = ArchiveSession({"general": {"secure": False}}, **more)
        session.host = f"127.0.0.1:{port}"
        return session

    return make


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "data")


def lab(*words):
    return cli.main([str(word) for word in words])


def only_problem(got):
    assert len(got.problems) == 1 and not got.made and not got.stood
    return got.problems.what[0]


def in_archive(workspace):
    """Names of what lies in the archive, hidden or not."""
    return sorted(path.name for path in workspace.archive.rglob("*") if path.is_file())


def listed(name, **more):
    """A file as an item's metadata lists it: all values are words."""
    return {"name": name, "size": "1000", "md5": "0" * 32} | {k: str(v) for k, v in more.items()}


def best(*files):
    item = Item(ArchiveSession(), "item", {"metadata": {"identifier": "item"}})
    found = best_file(File(item, file["name"], file) for file in files)
    return found.name if found else None


GB = 10**9
DERIVED = {"source": "derivative", "original": "film.mov"}
PRORES = listed("film.mov", width=1920, length=600, size=11 * GB)
TINY = listed("film_512kb.mp4", width=320, length="10:00", size=40e6 // 1, **DERIVED)
TINY["size"] = "40000000"
MIDDLE = listed("film.mp4", width=640, length=600.1, size=80_000_000, **DERIVED)
OGG = listed("film.ogv", width=640, length=600, size=60_000_000, **DERIVED)
DVD = listed("dvd.mpeg", width=720, length="0:10:00", size=450_000_000)
LARGER = listed("film_hd.mp4", width=1280, length=600, size=200_000_000, **DERIVED)
HEAVY = listed("heavy.mp4", width=1280, length=600, size=4 * GB)
TRAILER = listed("trailer.mp4", width=1280, length=90, size=20_000_000)
BROKEN = listed("film_edit.mp4", width=1280, length=500, size=70_000_000, **DERIVED)
OLD = listed("film_256kb.mp4", size=20_000_000, length=600, width=160, **DERIVED)
NO_SIZE = {"name": "film.avi", "md5": "0" * 32, "width": "640"}
NO_SUM = {"name": "film.avi", "size": "1000", "width": "640"}
LOCKED = listed("film.avi", width=640, private="true")
THUMBS = listed("film.gif", width=160)


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        ([PRORES, TINY, MIDDLE, OGG], "film.mp4"),  # neither huge nor tiny, and MP4
        ([PRORES, TINY, MIDDLE, LARGER], "film_hd.mp4"),  # of two moderate ones the wider
        ([HEAVY, MIDDLE], "film.mp4"),  # moderate in width alone is not enough
        ([TINY, OGG], "film.ogv"),
        ([TINY, DVD, OLD], "dvd.mpeg"),
        ([PRORES, TINY, OLD], "film_512kb.mp4"),
        ([PRORES, THUMBS], "film.mov"),  # what there is, if there is no other
        ([TRAILER, TINY, MIDDLE], "film.mp4"),  # the film, not what goes with it
        ([BROKEN, MIDDLE], "film.mp4"),  # a copy that broke off
        ([NO_SIZE, NO_SUM, LOCKED, THUMBS, TINY], "film_512kb.mp4"),
        ([NO_SIZE, NO_SUM, LOCKED, THUMBS], None),
        ([], None),
    ],
)
def test_the_file_of_moderate_size_is_taken(files, taken):
    assert best(*files) == best(*files[::-1]) == taken


def test_a_film_comes_whole_with_those_to_be_named(archive, workspace):
    archive.add(
        "DuckandC1951",
        {"duck.mpeg": b"large" * 9, "duck & cover.mp4": FILM},
        {
            "duck.mpeg": {"width": "720", "length": "540", "size": "45"},
            "duck & cover.mp4": {"width": "640", "length": "540", "original": "duck.mpeg"},
        },
        title="Duck and <i>Cover</i>",
        creator=["Archer Productions", "U.S. Civil Defense"],
        date="1951-01-01",
        publicdate="2002-07-16",
        licenseurl="http://creativecommons.org/licenses/publicdomain/",
    )
    got = fetch_films(workspace, ["DuckandC1951"])
    (film,) = got.made
    assert film == workspace.archive / "DuckandC1951" / "duck & cover.mp4"
    assert film.read_bytes() == FILM and not len(got.problems) and not got.notes
    assert credit_of(film) == Credit(
        title="Duck and Cover",
        year="1951",
        source="Archer Productions, U.S. Civil Defense, https://archive.org/details/DuckandC1951",
        licence="http://creativecommons.org/licenses/publicdomain/",
    )
    assert in_archive(workspace) == ["credits.csv", "duck & cover.mp4"]
    assert find_films([workspace.archive]) == [film]

    before = len(archive.asked("/download/"))
    got = fetch_films(workspace, ["https://archive.org/details/DuckandC1951?start=9"])
    assert got.stood == [film] and not got.made and not len(got.problems)
    assert len(archive.asked("/download/")) == before == 1  # not fetched again


def test_what_a_person_wrote_of_a_film_stays(archive, workspace):
    archive.add("one", {"one.mp4": FILM, "two.mp4": FILM[::-1]}, licenseurl="CC0")
    table = workspace.archive / "one" / "credits.csv"
    table.parent.mkdir(parents=True)
    table.write_text("file,licence,seen by\none.mp4,ask the author,me\n", encoding="utf-8-sig")
    fetch_films(workspace, ["one/one.mp4", "one/two.mp4"])
    assert credit_of(table.with_name("one.mp4")).licence == "ask the author"
    assert credit_of(table.with_name("two.mp4")).licence == "CC0"
    assert pd.read_csv(table)["seen by"].tolist()[0] == "me"
    table.write_bytes("file,title\none.mp4,Käse\n".encode("latin-1"))
    assert "save it as CSV, in UTF-8" in only_problem(fetch_films(workspace, ["one/two.mp4"]))
    assert "Käse" in table.read_text(encoding="latin-1")


def test_a_broken_off_film_is_gone_on_with_in_one_run(archive, workspace):
    archive.add("one", {"one.mp4": FILM})
    archive.wrong["/0/items/one/one.mp4"] = [("cut", 3 * PIECE), 503, ("cut", 2 * PIECE)]
    (film,) = fetch_films(workspace, ["one"]).made
    assert film.read_bytes() == FILM
    asked = archive.asked("/0/items/one/")
    assert asked == [f"bytes={n}-" for n in (0, 3 * PIECE, 3 * PIECE, 5 * PIECE)]


def test_one_that_keeps_breaking_off_is_told_and_gone_on_with_later(archive, workspace):
    archive.add("one", {"one.mp4": FILM})
    path = "/0/items/one/one.mp4"
    archive.wrong[path] = [("cut", 3 * PIECE)] + [("cut", -len(FILM))] * fetch.TRIES
    told = only_problem(fetch_films(workspace, ["one"]))
    assert f"breaks off after {3 * PIECE} of {len(FILM)} bytes" in told and "goes on" in told
    assert len(archive.asked(path)) == 1 + fetch.TRIES
    assert not find_films_or_none(workspace)  # nothing under a film's name
    archive.log.clear()
    (film,) = fetch_films(workspace, ["one"]).made
    assert film.read_bytes() == FILM and archive.asked(path) == [f"bytes={3 * PIECE}-"]
    assert in_archive(workspace) == ["credits.csv", "one.mp4"]


def find_films_or_none(workspace):
    return [name for name in in_archive(workspace) if not name.startswith(".")]


def test_a_server_that_knows_no_range_begins_anew(archive, workspace):
    archive.add("one", {"one.mp4": FILM})
    archive.wrong["/0/items/one/one.mp4"] = [("cut", 3 * PIECE), ("whole",)]
    (film,) = fetch_films(workspace, ["one"]).made
    assert film.read_bytes() == FILM


def test_what_is_not_as_it_should_be_gets_no_name(archive, workspace):
    archive.add("one", {"one.mp4": FILM})
    archive.bodies["one/one.mp4"] = FILM[::-1]
    assert "not what archive.org has (sha1 differs)" in only_problem(
        fetch_films(workspace, ["one"])
    )
    assert in_archive(workspace) == []
    for file in archive.items["one"]["files"]:
        file.pop("sha1", None)
    assert "(md5 differs)" in only_problem(fetch_films(workspace, ["one"]))
    archive.bodies["one/one.mp4"] = FILM
    assert fetch_films(workspace, ["one"]).made


def test_a_film_that_changed_meanwhile_is_not_glued_to_its_old_beginning(archive, workspace):
    archive.add("one", {"one.mp4": FILM})
    path = "/0/items/one/one.mp4"
    archive.wrong[path] = [("cut", 3 * PIECE), 404]
    assert "404" in only_problem(fetch_films(workspace, ["one"]))
    archive.add("one", {"one.mp4": FILM[::-1]})
    (film,) = fetch_films(workspace, ["one"]).made
    assert film.read_bytes() == FILM[::-1] and archive.asked(path)[-1] == "bytes=0-"
    archive.add("one", {"one.mp4": FILM[:-1]})
    assert "move it away" in only_problem(fetch_films(workspace, ["one"]))
    assert film.read_bytes() == FILM[::-1]


def test_each_bad_item_is_told_and_keeps_no_other_from_coming(archive, workspace):
    for name in ("gone", "locked", "odd", "dark", "empty", "maintained", "good", "wrong"):
        archive.add(name, {f"{name}.mp4": FILM})
    del archive.bodies["gone/gone.mp4"]
    archive.wrong["/0/items/locked/locked.mp4"] = [403]
    archive.wrong["/0/items/odd/odd.mp4"] = [418]
    archive.items["dark"]["is_dark"] = True
    archive.items["wrong"] = {"error": "Couldn't locate item 'wrong'"}
    archive.wrong["/metadata/maintained"] = [b"<html>We are back soon.</html>"]
    archive.add("empty", {"notes.txt": b"words", "thumbs.gif": b"GIF"})
    archive.add("several", {}, mediatype="collection")
    causes = {
        "never-was": "has no such item",
        "../etc/passwd": "is no item of archive.org",
        "gone": "no such file (404)",
        "locked": "not open to everyone (403)",
        "odd": "answered 418",
        "dark": "archive.org has withdrawn it",
        "wrong": "Couldn't locate item",
        "maintained": "makes no sense",
        "empty": "has no film that everyone may fetch",
        "good/other.mp4": "has no film 'other.mp4'",
        "several": "is a collection; say --collection several",
    }
    got = fetch_films(workspace, [*causes, "good"])
    told = dict(got.problems.itertuples(index=False, name=None))
    assert told.keys() == causes.keys()
    for asked, cause in causes.items():
        assert cause in told[asked] and told[asked].endswith(".") and "\n" not in told[asked]
    assert [path.name for path in got.made] == ["good.mp4"]
    assert find_films_or_none(workspace) == ["credits.csv", "good.mp4"]


def test_a_busy_archive_is_asked_again_and_then_told(archive, workspace):
    archive.add("one", {"one.mp4": FILM})
    archive.wrong["/metadata/one"] = [503, 429, 500]
    archive.wrong["/download/one/one.mp4"] = [502, 504]
    assert fetch_films(workspace, ["one"]).made

    archive.add("two", {"two.mp4": FILM})
    archive.log.clear()
    archive.wrong["/metadata/two"] = [503] * 99
    told = only_problem(fetch_films(workspace, ["two"]))
    assert "busy or out of order (503)" in told
    assert len(archive.asked("/metadata/two")) == 1 + fetch.PATIENCE.total


def test_without_a_network_nothing_is_tried_in_vain(archive, workspace, monkeypatch, capsys):
    with Archive() as closed:
        port = closed.server_port
    monkeypatch.setattr(fetch, "ArchiveSession", there(port))
    with pytest.raises(Halted, match=r"cannot be reached .*refused.*check the network"):
        fetch_films(workspace, ["one", "two"])
    with pytest.raises(Halted, match="cannot be reached"):
        find_items("prelinger")
    assert lab("fetch", "one", "--work", workspace.root) == 1
    told = capsys.readouterr().err.strip()
    assert told.startswith("lab: one: archive.org cannot be reached") and "\n" not in told


def test_a_full_disk_is_told_before_and_while(archive, workspace, monkeypatch):
    archive.add("one", {"one.mp4": FILM})
    usage = fetch.shutil.disk_usage(".")
    with monkeypatch.context() as little:
        little.setattr(fetch.shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(Halted, match=r"1 MB are missing of it.*make room"):
            fetch_films(workspace, ["one"])
    assert not archive.asked("/download/")

    writes = iter([None, OSError(errno.ENOSPC, "No space left on device")])

    class Full(io.FileIO):
        """A file on a disk with room for one piece."""

        def write(self, piece):
            if error := next(writes):
                raise error
            return super().write(piece)

    with monkeypatch.context() as full:
        full.setattr(fetch, "open", Full, raising=False)
        with pytest.raises(Halted, match=r"the disk is full; make room.*goes on"):
            fetch_films(workspace, ["one"])
    assert find_films_or_none(workspace) == []
    archive.log.clear()
    (film,) = fetch_films(workspace, ["one"]).made
    assert film.read_bytes() == FILM
    assert archive.asked("/0/items/one/") == [f"bytes={PIECE}-"]


def test_an_interrupted_film_is_gone_on_with(archive, workspace, monkeypatch, capsys):
    archive.add("one", {"one.mp4": FILM})
    archive.add("two", {"two.mp4": FILM[::-1]})

    class Interrupted(fetch.tqdm):
        def update(self, n=1):
            super().update(n)
            if "two" in self.desc:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fetch, "tqdm", Interrupted)
        assert lab("fetch", "one", "two", "--work", workspace.root) == 130
    assert "run it again to go on" in capsys.readouterr().err
    archive.log.clear()
    assert lab("fetch", "one", "two", "--work", workspace.root) == 0
    assert "fetched 1 film, 1 stood already" in capsys.readouterr().out
    assert archive.asked("/0/items/") == [f"bytes={PIECE}-"]
    assert (workspace.archive / "two" / "two.mp4").read_bytes() == FILM[::-1]


@pytest.mark.long
def test_a_killed_one_is_gone_on_with(archive, workspace):
    archive.add("one", {"one.mp4": FILM})
    archive.wrong["/0/items/one/one.mp4"] = [("stall", 3 * PIECE)]
    code = f"""
from internetarchive import ArchiveSession
from lab import fetch, store
session = ArchiveSession({{"general": {{"secure": False}}}})
session.host = "127.0.0.1:{archive.server_port}"
fetch.fetch_films(store.Workspace({str(workspace.root)!r}), ["one"], session)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    waiting = threading.Event()
    while child.poll() is None and not any(
        path.stat().st_size for path in workspace.archive.rglob("*.part")
    ):
        waiting.wait(0.05)
    child.kill()
    assert child.wait() == -9
    assert find_films_or_none(workspace) == []
    archive.log.clear()
    (film,) = fetch_films(workspace, ["one"]).made
    assert film.read_bytes() == FILM
    (begun,) = archive.asked("/0/items/")
    assert int(begun[6:-1]) >= PIECE


def test_two_at_once_fetch_an_item_once(archive, workspace, monkeypatch):
    archive.add("one", {"one.mp4": FILM})
    archive.wrong["/0/items/one/one.mp4"] = [("stall", 3 * PIECE)]
    said, waiting = [], threading.Event()

    def tell(sentence, **_):
        said.append(sentence)
        archive.stall.set()

    monkeypatch.setattr(fetch.tqdm, "write", tell)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fetch_films, workspace, ["one"])
        while not first.done() and not list(workspace.archive.rglob("*.part")):
            waiting.wait(0.05)
        second = fetch_films(workspace, ["one"])
        (film,) = first.result().made
    assert said == ["one: another process fetches it; waiting until that is done"]
    assert (second.made, second.stood) == ([], [film]) and film.read_bytes() == FILM
    begun = archive.asked("/0/items/")
    assert len(begun) == 2 and int(begun[1][6:-1]) >= PIECE
    assert in_archive(workspace) == ["credits.csv", "one.mp4"]
    assert not list(workspace.work.iterdir())


def test_a_collection_is_looked_through(archive, workspace, capsys):
    for number in range(5):
        known = {"collection": ["prelinger", "more"], "downloads": number, "year": "1951"}
        archive.add(f"film{number}", {"film.mp4": FILM}, **known)
    archive.add("elsewhere", {"film.mp4": FILM}, collection=["other"], downloads=99)
    archive.add("spoken", {"a.mp3": b"words"}, mediatype="audio", collection=["prelinger"])
    assert find_items("prelinger", limit=2) == ["film4", "film3"]
    assert find_items(query="year:1951") == [f"film{n}" for n in (4, 3, 2, 1, 0)]
    assert find_items()[0] == "elsewhere"
    with pytest.raises(FetchError, match="no such film; look for something wider"):
        find_items("prelinger", "year:1800")
    with pytest.raises(FetchError, match="does not understand it"):
        find_items(query="year:[1940")
    archive.wrong["/advancedsearch.php"] = [b"<html>soon</html>"] + [503] * 99
    with pytest.raises(FetchError, match="makes no sense"):
        find_items("prelinger")
    with pytest.raises(FetchError, match=r"busy or out of order \(503\)"):
        find_items("prelinger")
    archive.wrong.clear()

    words = ("fetch", "--collection", "prelinger", "--limit", 3, "--work", workspace.root)
    assert lab(*words) == 0
    assert "fetched 3 films -> " in capsys.readouterr().out
    assert [f.parent.name for f in find_films([workspace.archive])] == ["film2", "film3", "film4"]
    assert lab(*words, "--query", "year:1951", "elsewhere", "never-was") == 0
    told = capsys.readouterr()
    assert "fetched 1 film, 3 stood already, 1 problem -> " in told.out
    assert "never-was: archive.org has no such item" in told.err


def test_what_makes_no_sense_is_refused(archive, workspace, capsys):
    assert lab("fetch", "--work", workspace.root) == 1
    assert "say what" in capsys.readouterr().err
    assert lab("fetch", "one", "--limit", 3, "--work", workspace.root) == 1
    assert "--limit is of a --collection" in capsys.readouterr().err
    assert lab("fetch", "one", "--work", workspace.root) == 1
    assert "nothing could be fetched" in capsys.readouterr().err
    assert not archive.asked("/advancedsearch.php")


def test_half_a_pair_of_keys_is_told(monkeypatch, capsys):
    monkeypatch.setenv("IA_ACCESS_KEY_ID", "mine")
    monkeypatch.delenv("IA_SECRET_ACCESS_KEY", raising=False)
    assert lab("fetch", "one") == 1
    assert "must be set together" in capsys.readouterr().err


def test_licences_and_further_films_are_told(archive, workspace, capsys):
    archive.add("bare", {"bare.mp4": FILM}, title="Bare")
    by_nd = "https://creativecommons.org/licenses/by-nd/4.0/"
    archive.add("bound", {"bound.mp4": FILM}, title="Bound", licenseurl=by_nd)
    archive.add("said", {"said.mp4": FILM}, rights="<p>Public&nbsp;domain</p>")
    reels = {"reel 1.mp4": FILM, "reel 2.mp4": FILM}
    archive.add("reels", reels, licenseurl="CC0")
    assert lab("fetch", "bare", "bound", "said", "reels", "--work", workspace.root) == 0
    told = capsys.readouterr().err
    assert "no licence is known of Bare" in told
    assert "Bound: 'CC BY-ND 4.0' forbids to show it changed" in told
    assert "reels holds 2 videos: reel 1.mp4 was taken; another is fetched as reels/FILE" in told
    assert len(re.findall("^note: ", told, re.MULTILINE)) == 3
    # It is told as long as it is so.
    assert lab("fetch", "bare", "reels/reel 2.mp4", "--work", workspace.root) == 0
    told = capsys.readouterr().err
    assert "no licence is known of Bare" in told and "holds" not in told
    assert (workspace.archive / "reels" / "reel 2.mp4").exists()


def test_names_of_files_lead_nowhere_else(archive, workspace):
    names = ["../../up.mp4", "reels/a.mp4", "..\\b.mp4", ".c.mp4"]
    archive.add("one", dict.fromkeys(names, FILM))
    got = fetch_films(workspace, [f"one/{name}" for name in names])
    assert [path.name for path in got.made] == ["reels_a.mp4", "_b.mp4", "c.mp4"]
    assert {path.parent for path in got.made} == {workspace.archive / "one"}
    assert len(got.problems) == 1 and not list(workspace.root.parent.glob("*.mp4"))


@pytest.mark.long
def test_those_to_be_named_stand_in_films_edits_and_credits(archive, workspace, tmp_path):
    numbered_film(tmp_path / "film.mp4", [30] * 3, looks=(1, 2, 3), first=None)
    numbered_film(tmp_path / "trailer.mp4", [30] * 2, looks=(2, 1), first=None)
    archive.add(
        "Film1951",
        {"film.mp4": (tmp_path / "film.mp4").read_bytes()},
        title="A Film",
        creator="The Maker",
        year="1951",
        licenseurl="http://creativecommons.org/publicdomain/mark/1.0/",
    )
    work, edit = ("--work", workspace.root), tmp_path / "edit.yaml"
    source = "The Maker, https://archive.org/details/Film1951"
    assert lab("fetch", "Film1951", *work) == 0 and lab("ingest", *work) == 0
    (film,) = load_films(workspace).to_dict("records")
    assert (film["title"], film["year"], film["source"]) == ("A Film", "1951", source)
    assert lab("match", tmp_path / "trailer.mp4", "--edit", edit, *work) == 0
    entry = load_edit(edit).films[film["film_id"]]
    assert entry.source == source and entry.licence.endswith("/mark/1.0/")
    credits = tmp_path / "credits.txt"
    assert lab("render", edit, "--preset", "credits", "--out", credits, *work) == 0
    told = credits.read_text()
    for word in ("A Film", "1951", source, "Public domain"):
        assert word in told
