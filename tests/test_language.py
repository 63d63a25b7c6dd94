"""Words and sentences, from numbers with known answers."""

import numpy as np
import pytest

from lab.faces import Face
from lab.framing import SCALES
from lab.language import WORDS, why, words_of
from lab.motion import Movement

STILL = Movement(0.0, 0.0, 0.0, (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0)
GREY = np.array([40.0, 0.0, 0.5, 0.8])
CLOSE = np.eye(len(SCALES))[[1, 1, 2]]


def moving(**values):
    return STILL._replace(**{"steady": (1.0, 1.0, 1.0), "ground": 0.1} | values)


def test_a_shot_in_words():
    faces = [[Face(0.25, 0.4, 0.3, 0.6, 0.9)], [Face(0.3, 0.4, 0.3, 0.5, 0.9)], []]
    found = words_of(CLOSE, faces, moving(right=-0.2, things=0.01), 40.0, GREY, "suit")
    assert tuple(found) == WORDS
    assert found == {
        "framing": "close-up",
        "camera": "pan left",
        "light": "dark",
        "palette": "black and white",
        "faces": "one",
        "face_at": "left",
        "pace": "fast",
        "shows": "suit",
    }


def test_what_cannot_be_told_is_left_open():
    found = words_of(CLOSE, [[], [], []], None, 100.0, GREY)
    assert found["camera"] == found["pace"] == found["face_at"] == found["shows"] == ""
    assert found["faces"] == "none" and found["light"] == "normal"
    vague = np.array([[0.3, 0.0, 0.1, 0.1, 0.15, 0.2, 0.15]])
    assert words_of(vague, [[]], None, 100.0, GREY)["framing"] == ""
    medium = np.array([[0.3, 0.0, 0.1, 0.31, 0.0, 0.29, 0.0]])  # the three in the middle are one
    assert words_of(medium, [[]], None, 100.0, GREY)["framing"] == "medium shot"


@pytest.mark.parametrize(
    ("move", "word"),
    [
        (STILL, "static"),
        (STILL._replace(shake=0.05, ground=0.04), "handheld"),
        (moving(right=0.1), "pan right"),
        (moving(right=0.1, depth=0.6), "track right"),
        (moving(right=0.1)._replace(steady=(0.4, 1, 1)), "static"),
        (moving(down=-0.1, right=0.03), "tilt up"),
        (moving(closer=-0.2, right=0.03), "zoom out"),
        (moving(right=0.03, shake=0.2), "handheld"),
        (moving(right=0.1, ground=0.0), "static"),  # what moves fills much of the picture
        (moving(closer=0.2, ground=0.0), "zoom in"),
    ],
)
def test_camera_words(move, word):
    assert words_of(CLOSE, [[]], move, 100.0, GREY)["camera"] == word


@pytest.mark.parametrize(
    ("tone", "word"),
    [
        ((2, 0, 0, 0), ""),  # night
        ((50, 1, 3, 4), "muted"),
        ((50, 20, 0, 22), "warm"),
        ((50, 10, 20, 25), "warm"),
        ((50, -20, 10, 25), "green"),
        ((50, 0, -20, 25), "cold"),
        ((50, 20, -15, 26), "purple"),
        ((50, 3, 3, 25), "many colours"),
    ],
)
def test_palettes(tone, word):
    assert words_of(CLOSE, [[]], None, 100.0, np.array(tone, float))["palette"] == word


def test_a_mirrored_answer_is_spoken_of_as_it_is_shown():
    one = {"framing": "close-up", "camera": "pan left", "faces": "one", "face_at": "left"}
    other = one | {"camera": "pan right", "face_at": "right", "light": "bright"}
    scores, spread = {"framing": 0.9, "motion": 0.2}, {"framing": 0.6, "motion": 0.6}
    assert why(one, other, scores, spread, mirror=True) == (
        "Two close-ups, a face on the left in both; both times the camera pans left; "
        "most alike in framing (0.90)."
    )
    assert why(one, other, scores, spread) == "Two close-ups; most alike in framing (0.90)."


def test_a_pair_is_most_alike_where_it_stands_out_most():
    scores, spread = {"subject": 0.4, "framing": 0.9}, {"subject": 0.1, "framing": 0.6}
    assert why({}, {}, scores, spread) == "Most alike in subject (0.40)."


def test_nothing_in_common_is_still_a_sentence():
    assert why({}, {}, {"colour": 0.5}, {"colour": 0}) == "Most alike in colour (0.50)."
    one, other = {"framing": "extreme long shot"}, {"framing": "medium shot"}
    assert why(one, other, {"colour": 0.5}, {"colour": 0.4}).startswith(
        "An extreme long shot answered by a medium shot; most"
    )
