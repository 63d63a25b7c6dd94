"""Words on pictures are readable in many scripts, stay in their room, and leave the rest alone."""

import itertools

import numpy as np
import pytest

from lab.canvas import blank, planes
from lab.lettering import card, font, inscribe, letters, wrapped


@pytest.mark.parametrize(
    "title", ["Der müde Tod", "Körkarlen – Große Ærø", "Броненосец", "Η θάλασσα", "Ջուր", "ماه"]
)
def test_the_font_has_the_letters(title):
    unknown = np.asarray(font(40).getmask("\ufffe"))
    for letter in set(title) - {" "}:
        assert not np.array_equal(np.asarray(font(40).getmask(letter)), unknown), letter


@pytest.mark.parametrize("words", ["", "a", "A Trip to the Moon (1902)  0:12", "x" * 400])
def test_a_line_has_the_height_and_keeps_to_the_room(words):
    text = letters(words, 36, 480)
    assert text.size[1] == 36 and 0 < text.size[0] <= 480 and text.size[0] % 2 == 0
    assert [layer[1].shape for layer in text.layers[1:]] == [(18, text.size[0] // 2)] * 2


@pytest.mark.parametrize("room", [40, 150, 400])
def test_lines_are_no_wider_than_their_room(room):
    words = "Two medium close-ups; both cameras stand still; hardly anything moves"
    lines = wrapped(words, 12, room)
    assert " ".join(lines) == words
    for line in lines:  # a single word may be wider: it is not broken
        assert font(12).getlength(line) <= room or " " not in line
    pairs = itertools.pairwise(lines)
    assert all(font(12).getlength(f"{a} {b.split()[0]}") > room for a, b in pairs)


def test_letters_are_white_with_a_dark_edge_and_touch_nothing_else():
    packed = blank((320, 192))
    planes(packed)[0][:] = 120
    planes(packed)[1][:] = 90
    before, text = packed.copy(), letters("Nosferatu", 36, 300)
    inscribe(packed, text, 10, 20)
    changed = np.argwhere(planes(packed)[0] != 120)
    assert changed.min(axis=0).tolist() >= [20, 10]
    assert (changed.max(axis=0) < [56, 10 + text.size[0]]).all()
    light = planes(packed)[0]
    assert light.max() == 235 and light.min() == 16
    assert np.array_equal(planes(packed)[2][:, 200:], planes(before)[2][:, 200:])


def test_a_card_shows_all_its_lines_however_many():
    few, many = card("Films", ["one"] * 3, (640, 360)), card("Films", ["one"] * 30, (640, 360))
    for picture in (few, many):
        lit = np.flatnonzero(planes(picture)[0].max(axis=1) > 100)
        assert lit[0] > 2 and lit[-1] < 357
        assert (planes(picture)[1] == 128).all() and (planes(picture)[2] == 128).all()
    bands = np.diff((planes(many)[0].max(axis=1) > 60).astype(int))
    assert (bands == 1).sum() == 31
