"""What goes with a film: words that are right to the millisecond, pictures of the right frames."""

import pytest

from lab.credits import Cited, doubts, licence_name, page_of, said_by
from lab.edit import FilmEntry

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


def test_many_films_of_one_doubt_are_one_sentence():
    films = [film("", title) for title in "ABCDE"] + [film("CC BY-ND 4.0", "F", year="1922")]
    bare, changed = doubts(films)
    assert bare.startswith("no licence is known of 5 films (A; B; C; ...): find out")
    assert changed.startswith("F (1922): 'CC BY-ND 4.0' forbids to show it changed")
    assert doubts(films[:3])[0].startswith("no licence is known of A; B; C: find out")
