"""How far work on many films is, each and all together, and how long it will take."""

from __future__ import annotations

import sys
from collections.abc import Mapping

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
    names : mapping of str to str
        What the films are called, by `film_id`.
    sizes : mapping of str to int
        Of their files, bytes.
    """

    def __init__(self, names: Mapping[str, str], sizes: Mapping[str, int]):
        self.names, self.sizes = {one: _shown(name) for one, name in names.items()}, sizes
        what = counted(len(names), "film") if len(names) != 1 else next(iter(self.names.values()))
        self.all = byte_bar(sum(sizes[one] for one in names), f"ingest {what}")
        self.each: dict[str, tqdm] = {}
        self.done, self.begun = dict.fromkeys(names, 0), False
        moves = sys.stderr.isatty() or hasattr(self.all, "container")  # a terminal; a notebook
        self.most = SHOWN if moves and len(names) > 1 else 0

    def __enter__(self) -> FilmBars:
        return self

    def __exit__(self, *error) -> None:
        for bar in (*self.each.values(), self.all):
            bar.close()

    def told(self, film_id: str, stage: str, share: float) -> None:
        """A film is in a stage, and `share` of all that is to be done with it is done, 0 to 1."""
        if not self.begun:  # what came before, as until a helper is ready, tells nothing
            self.all.reset()
            self.begun = True
        done = round(share * self.sizes[film_id])
        more, self.done[film_id] = done - self.done[film_id], done
        self.all.update(more)
        what = f"  {self.names[film_id]} ({stage})"
        if film_id not in self.each and len(self.each) < self.most:
            self.each[film_id] = byte_bar(self.sizes[film_id], what, leave=False)
        if bar := self.each.get(film_id):
            bar.set_description_str(what, refresh=False)
            bar.update(more)

    def ended(self, film_id: str) -> None:
        """There is nothing more to be done with a film."""
        self.all.update(self.sizes[film_id] - self.done[film_id])
        if bar := self.each.pop(film_id, None):
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
