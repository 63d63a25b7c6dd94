"""What was seen live, kept as a video, with the settings it was seen with beside it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from lab.see.films import ENCODING, fitted, packed
from lab.store import write_json
from lab.video import WriteError, Writer

TICK = Fraction(1, 1000)  # seconds: live pictures come when they come
RATE = 25  # pictures a second that the encoder plans for


class Recording:
    """A video of pictures at the times at which they were seen; without sound.

    Beside it, a JSON file of the same name says what it was looked through, when, with which
    settings, and the model's card.

    Parameters
    ----------
    path : path-like
        An MP4; it appears under this name only when complete.
    image : ndarray of uint8, shape (height, width, 3)
        The first picture, RGB, both sides even; later ones are fitted into its size.
    seconds : float
        When it was seen, on any clock that only grows.

    Raises
    ------
    WriteError
    """

    def __init__(self, path, image: np.ndarray, seconds: float):
        self.path, self.begun = Path(path), seconds
        self.size = image.shape[1], image.shape[0]
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = f"could not be written ({error.strerror}); name another folder."
            raise WriteError(self.path, why) from error
        self.writer = Writer(
            self.path, self.size, RATE, time_base=TICK, matrix="bt601", options=ENCODING
        )
        self.last, self.ticks, self.looked = image, -1, []
        self.add(image, seconds)

    def add(self, image: np.ndarray, seconds: float) -> None:
        """A picture, and when it was seen; of two in one millisecond the first is kept."""
        ticks = round((seconds - self.begun) / TICK)
        self.last = image
        if ticks > self.ticks:
            self.ticks = ticks
            self.writer.write(fitted(packed(image), self.size), ticks * TICK)

    def tell(self, seconds: float, **looked) -> None:
        """What is looked through from now on, and how: JSON."""
        self.looked.append({"second": round(seconds - self.begun, 3), **looked})

    def finish(self, seconds: float) -> Path:
        """Keep the last picture until now, and give the video its name."""
        self.add(self.last, seconds)
        self.writer.close()
        write_json(self.path.with_suffix(".json"), {"looked": self.looked})
        return self.path

    def discard(self) -> None:
        """Give up: nothing is left behind."""
        self.writer.discard()
