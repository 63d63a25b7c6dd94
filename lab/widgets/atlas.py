"""The image atlas: an archive's shots as pictures on a map, moved through by hand."""

from __future__ import annotations

from collections.abc import Mapping

import anywidget
import numpy as np
import traitlets

from lab.atlas import SCRIPT, board


class Atlas(anywidget.AnyWidget):
    """A map of shots, drawn as pictures where there is room and as dots where there is none.

    Drag to move, turn the wheel to zoom, click a shot to have it played, hold Shift and draw round
    shots to choose them. With the keyboard: Tab goes to the shot in the middle, the arrows from
    shot to shot, Enter clicks, Space chooses, + and - zoom, 0 shows all, Escape clears.

    Parameters
    ----------
    places : ndarray of float, shape (n, 2)
        Where each shot lies on the map; x to the right, y upwards, any unit.
    texts : list of str
        A line for each shot, shown beside its picture and spoken by a screen reader.
    pictures : sequence of str or Path
        A picture of each shot.
    groups : list of int, optional
        The cluster of each shot, -1 for none; marked by outline, symbol and number.
    names : mapping, optional
        What the clusters are called, on the map.
    **traits
        First values of the traits below.

    Attributes
    ----------
    chosen : list of int
        Shots chosen, by their rows, in the browser or from Python.
    lit : list of int
        Shots drawn larger and with a ring, such as hits of a search, best first; the first 300.
    clicked : int
        The shot last clicked, -1 for none. One clicked again becomes -1 for a moment.

    Raises
    ------
    ValueError
        If `places` is not n pairs of finite numbers, or the lengths differ.

    Examples
    --------
    In a notebook: ``Atlas(shots[["x", "y"]].to_numpy(), texts, pictures, shots.cluster.tolist())``.
    """

    _esm = SCRIPT
    places = traitlets.Bytes().tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    groups = traitlets.List(traitlets.Int()).tag(sync=True)
    names = traitlets.Dict().tag(sync=True)
    sheets = traitlets.List(traitlets.Bytes()).tag(sync=True)
    tile = traitlets.List(traitlets.Int()).tag(sync=True)
    colours = traitlets.List().tag(sync=True)
    symbols = traitlets.List().tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    lit = traitlets.List(traitlets.Int()).tag(sync=True)
    clicked = traitlets.Int(-1).tag(sync=True)

    def __init__(
        self,
        places: np.ndarray,
        texts,
        pictures,
        groups=None,
        names: Mapping[int, str] | None = None,
        **traits,
    ):
        groups = [-1] * len(texts) if groups is None else groups
        if np.shape(places) != (len(texts), 2) or not np.isfinite(places).all():
            raise ValueError(f"places must be {len(texts)} pairs of finite numbers, one a text")
        if not len(texts) == len(pictures) == len(groups):
            told = f"{len(texts)} texts, {len(pictures)} pictures and {len(groups)} groups"
            raise ValueError(f"there must be as many pictures and groups as texts, not {told}")
        super().__init__(**board(places, texts, pictures, groups, names or {}), **traits)
