"""Film language: a shot in a film-maker's words, and why two shots belong together.

Every word is read from a measure that stands by itself (`lab.framing`, `lab.faces`, `lab.motion`,
brightness); an empty word says that nothing could be told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from lab.faces import Face
from lab.framing import MEDIUM, SCALES
from lab.motion import Movement

VERSION = 5
WORDS = ("framing", "camera", "light", "palette", "faces", "face_at", "pace", "shows")
SURE = 0.4  # likelihood from which a scale is told, the three medium ones taken together
# What a camera does: from which speed on (picture widths a second; of a zoom, growth a second),
# and its words for less than nothing and for more.
MOVES = (
    (0.022, ("pan left", "pan right")),
    (0.018, ("tilt up", "tilt down")),
    (0.03, ("zoom out", "zoom in")),
)
REACH = 0.35  # how far from its middle a zoom moves the picture, in widths
STEADY, AGAINST = 0.7, 0.3  # part of a shot a movement goes on; of its shake that it surpasses
SHAKE = 0.027  # widths a second, from which a camera is held by hand
REST = 0.02  # widths a second, below which what is seen of the background stands still
DEPTH = 0.35  # from which near things pass so much faster that the camera itself travels
DARK, BRIGHT = 70, 165  # mean brightness (0-255)
NIGHT, GREYS, PALE = 5, 1.5, 7  # CIELAB: L* below which no hue is told; chroma of grey, of muted
ONE_HUE = 0.7  # part of the chroma that goes one way, from which a picture has one hue
HUES = (100, "warm"), (180, "green"), (300, "cold"), (330, "purple"), (361, "warm")  # degrees
PACES = (0.012, "still"), (0.05, "calm"), (0.15, "lively"), (np.inf, "fast")  # widths a second
COUNTS = ("none", "one", "two", "three", "many")
SIDES = (0.4, "left"), (0.6, "centre"), (1.0, "right")  # of the largest face's middle


def words_of(
    scales: np.ndarray,
    faces: Sequence[Sequence[Face]],
    move: Movement | None,
    brightness: float,
    tone: np.ndarray,
    shows: str = "",
) -> dict[str, str]:
    """A shot in words, one for each of `WORDS`.

    Parameters
    ----------
    scales : ndarray, shape (n, 7)
        How likely each scale is, in each of the shot's pictures.
    faces : sequence of sequence of Face
        In each of these pictures.
    move : Movement or None
        None where too few frames were seen to tell.
    brightness : float
        Mean of the pictures, 0 to 255.
    tone : ndarray, shape (4,)
        Mean L*, a*, b* and chroma of the pictures, in CIELAB.
    shows : str
        What is seen there, in the encoder's own words.
    """
    number = Counter(len(one) for one in faces).most_common(1)[0][0]
    largest = max((one[0] for one in faces if one), key=lambda face: face.height, default=None)
    return {
        "framing": framing_word(scales.mean(axis=0)),
        "camera": camera_word(move) if move else "",
        "light": "dark" if brightness < DARK else "bright" if brightness > BRIGHT else "normal",
        "palette": palette_word(tone),
        "faces": COUNTS[min(number, len(COUNTS) - 1)],
        "face_at": _below(SIDES, largest.x) if number else "",
        "pace": _below(PACES, speed_of(move)) if move else "",
        "shows": shows,
    }


def caption(shot: Mapping[str, str]) -> str:
    """What stands under a shot's picture: its words, but those that say nothing.

    >>> caption({"framing": "close-up", "camera": "", "light": "normal", "faces": "one"})
    'close-up, one face'
    """
    faces = shot.get("faces", "")
    people = "" if faces in ("", "none") else f"{faces} face{'' if faces == 'one' else 's'}"
    light = shot.get("light", "")
    words = (
        *(shot.get("framing", ""), shot.get("camera", ""), "" if light == "normal" else light),
        *(people, shot.get("shows", "")),
    )
    return ", ".join(filter(None, words))


def framing_word(likely: np.ndarray) -> str:
    """The scale that is most likely, of seven likelihoods; empty where none is likely enough."""
    best = int(likely.argmax())
    sure = likely[MEDIUM].sum() if best in range(*MEDIUM.indices(len(SCALES))) else likely[best]
    return SCALES[best] if sure >= SURE else ""


def palette_word(tone: np.ndarray) -> str:
    """How a picture is coloured, from its mean L*, a*, b* and chroma in CIELAB.

    >>> palette_word(np.array([50, 0, 0.2, 0.5])), palette_word(np.array([50, 10, 20, 25]))
    ('black and white', 'warm')
    """
    light, a, b, chroma = tone
    if light < NIGHT:
        return ""
    if chroma < PALE:
        return "black and white" if chroma < GREYS else "muted"
    if np.hypot(a, b) < ONE_HUE * chroma:
        return "many colours"
    angle = np.degrees(np.arctan2(b, a)) % 360
    return next(word for bound, word in HUES if angle < bound)


def camera_word(move: Movement) -> str:
    """How a camera moves: static, pan, tilt, zoom, track, or handheld."""
    ways = move.right, move.down, move.closer
    strength = [abs(way) / least for way, (least, _) in zip(ways, MOVES, strict=True)]
    best = int(np.argmax(strength))
    if best != 2 and move.ground < REST:  # the middle of a zoom stands still as well
        return "static"
    speed = abs(ways[best]) * (REACH if best == 2 else 1)
    if strength[best] < 1 or speed < AGAINST * move.shake or move.steady[best] < STEADY:
        return "handheld" if move.shake > SHAKE else "static"
    word = MOVES[best][1][int(ways[best] > 0)]
    return word.replace("pan", "track") if move.depth > DEPTH else word


def speed_of(move: Movement) -> float:
    """How much moves in a shot, camera and things together, in picture widths a second."""
    return float(np.hypot(move.right, move.down) + REACH * abs(move.closer) + move.things)


def why(
    query: Mapping[str, str],
    answer: Mapping[str, str],
    scores: Mapping[str, float],
    spread: Mapping[str, float],
    mirror: bool = False,
) -> str:
    """One sentence on what two shots have in common.

    Parameters
    ----------
    query, answer : mapping
        Words of the two shots, by the names of `WORDS`.
    scores : mapping
        What each channel that counts says of the pair: strangers about 0, doubles 1.
    spread : mapping
        How widely each channel's scores spread: the pair is most alike where it stands out most.
    mirror : bool
        Whether the answer is shown mirrored.

    Examples
    --------
    >>> one = {"framing": "close-up", "light": "dark", "faces": "one", "face_at": "left"}
    >>> why(one, one, {"subject": 0.2, "motion": 0.71}, {"subject": 0.1, "motion": 0.3})
    'Two close-ups, a face on the left in both, both dark; most alike in motion (0.71).'
    """
    answer = {name: _turned(word) if mirror else word for name, word in answer.items()}
    same = {name: word for name, word in query.items() if word and answer.get(name) == word}
    said = [_framings(query.get("framing", ""), answer.get("framing", ""))]
    if "face_at" in same:
        place = {"left": "on the left", "right": "on the right", "centre": "in the middle"}
        said.append(f"a face {place[same['face_at']]} in both")
    if same.get("faces") in ("two", "three", "many"):
        said.append(f"{same['faces']} faces in both")
    if same.get("light") in ("dark", "bright"):
        said.append(f"both {same['light']}")
    if "shows" in same:
        said.append(f"both with something of a {same['shows']}")
    moves = []
    if "camera" in same:
        moves.append(_camera(same["camera"]))
    pace = {"still": "hardly anything moves", "fast": "all is in fast movement"}
    moves.append(pace.get(same.get("pace"), ""))
    best = max(scores, key=lambda name: scores[name] / max(spread[name], 1e-6))
    moves.append(f"most alike in {best} ({scores[best]:.2f})")
    sentence = "; ".join(filter(None, [", ".join(filter(None, said)), *moves]))
    return sentence[0].upper() + sentence[1:] + "."


def _framings(one: str, other: str) -> str:
    if not one or not other:
        return ""
    if one == other:
        return f"two {one}s"
    return f"{_a(one)} answered by {_a(other)}"


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _camera(word: str) -> str:
    verb, _, way = word.partition(" ")
    if word == "static":
        return "both cameras stand still"
    if word == "handheld":
        return "both cameras are held by hand"
    return f"both times the camera {verb}s {way}"


def _turned(word: str) -> str:
    """A word of a picture that is seen in a mirror."""
    if "left" in word:
        return word.replace("left", "right")
    return word.replace("right", "left") if word == "right" or word.endswith(" right") else word


def _below(steps, value: float) -> str:
    return next(word for bound, word in steps if value <= bound or bound == steps[-1][0])


def clock(seconds: float) -> str:
    """Seconds as they stand on a cutting table.

    >>> clock(83.25), clock(59.97)
    ('1:23.2', '1:00.0')
    """
    seconds = round(seconds, 1)
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "film"), counted(2, "film")
    ('1 film', '2 films')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"
