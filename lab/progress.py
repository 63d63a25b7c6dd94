"""How far work on many films is, each and all together, and how long it will take."""

from __future__ import annotations

import math
import sys

from tqdm.auto import tqdm

from lab.language import counted

SHOWN = 8  # films in work that are shown by themselves
NAME = 32  # letters of a film's name that are shown


class FilmBars:
    """A bar for all films, and below it one for each of those in work.

    Counted is in bytes of the films' files. In a log there is the first alone, which needs no
    lines that move.

    Parameters
    ----------
    names : list of str
        What the films are called.
    sizes : list of int
        Of their files, bytes.
    at_once : float
        Films in work at the same time; infinite where that is others' matter.
    """

    def __init__(self, names: list[str], sizes: list[int], at_once: float = 1):
        self.names, self.sizes = list(map(_shown, names)), sizes
        what = counted(len(names), "film") if len(names) != 1 else self.names[0]
        if math.isfinite(at_once) and (some := min(at_once, len(names))) > 1:
            what += f", {some} at once"
        self.all = byte_bar(sum(sizes), f"ingest {what}")
        self.each: dict[int, tqdm] = {}
        self.done, self.begun = [0] * len(names), False
        moves = sys.stderr.isatty() or hasattr(self.all, "container")  # a terminal; a notebook
        self.most = SHOWN if moves and len(names) > 1 else 0

    def __enter__(self) -> FilmBars:
        return self

    def __exit__(self, *error) -> None:
        for bar in (*self.each.values(), self.all):
            bar.close()

    def told(self, film: int, stage: str, share: float) -> None:
        """A film is in a stage, and `share` of all that is to be done with it is done, 0 to 1."""
        if not self.begun:  # what came before, as until a helper is ready, tells nothing
            self.all.reset()
            self.begun = True
        done = round(share * self.sizes[film])
        more, self.done[film] = done - self.done[film], done
        self.all.update(more)
        what = f"  {self.names[film]} ({stage})"
        if film not in self.each and len(self.each) < self.most:
            self.each[film] = byte_bar(self.sizes[film], what, leave=False)
        if bar := self.each.get(film):
            bar.set_description_str(what, refresh=False)
            bar.update(more)

    def ended(self, film: int) -> None:
        """There is nothing more to be done with a film."""
        self.all.update(self.sizes[film] - self.done[film])
        if bar := self.each.pop(film, None):
            bar.close()


def byte_bar(size: int, what: str, **more) -> tqdm:
    """A bar of so many bytes; none where there are none. `more` as of `tqdm`."""
    form = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}B of {total_fmt}B, {remaining} left"
    # The mean over all so far: what is told of the time that is left jumps less. Every word
    # counts: after a large step tqdm would else wait for another.
    looks = {"unit_scale": True, "smoothing": 0, "miniters": 1, "disable": not size}
    return tqdm(total=size, desc=what, bar_format=form, **looks, **more)


def _shown(name: str) -> str:
    """A file's name in a line: what would break or colour it is left out."""
    return "".join(letter if letter.isprintable() else " " for letter in name)[:NAME]
