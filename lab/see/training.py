"""Learning to see: one network trained on images of one kind, on whatever machine there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from lab.see.checkpoints import STATE, read_arrays_whole
from lab.see.images import Images
from lab.see.learner import LOSSES, Learner, Training


def train(
    images: Images,
    out,
    settings: Training | None = None,
    *,
    minutes: float = 20,
    steps: int | None = None,
    watch: Callable[[], None] | None = None,
) -> pd.DataFrame:
    """Train a network on images of one kind; where it was begun, go on.

    The folder holds ``model.safetensors`` and ``card.json`` (to look through),
    ``training.safetensors`` (to go on), ``strip.png`` (held-out images: shown, seen, as they are)
    and ``losses.csv``, all renewed every so many steps.

    Parameters
    ----------
    images : Images
        A part of them is held out.
    out : path-like
        A folder, made where there is none.
    settings : Training, optional
    minutes : float
        Of training, earlier calls counted in.
    steps : int, optional
        After which it ends in any case, earlier ones counted in.
    watch : callable, optional
        Is called whenever the folder was renewed.

    Returns
    -------
    DataFrame
        A row a step: ``step``, ``pixels`` (mean absolute difference, 0 to 1), ``features``
        (`lab.see.networks.Features.apart`), ``kind`` (how much farther from it what is of no kind
        is than its images are from one another, of `lab.see.networks.unlike`), ``adversarial``,
        ``discriminator`` (hinge losses, Lim & Ye 2017) and, every so often, ``held_out`` (the
        distance on held-out images, `lab.see.networks.Features.wholes_apart`).

    Raises
    ------
    SeeError
        If the folder holds what other images or settings made, or something else.

    Examples
    --------
    >>> train(read_folder("sea"), "models/sea", minutes=20)  # doctest: +SKIP
    """
    settings, out = settings or Training(), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for scratch in out.glob(".*.safetensors.*"):  # of one that was killed
        scratch.unlink()
    learner = Learner(images, out, settings)
    learner.resume()
    form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"
    with tqdm(total=1.0, desc="learning to see", bar_format=form) as bar:
        while not learner.ends(minutes, steps):
            learner.step()
            if watch and learner.saved == learner.count:
                watch()
            bar.n = min(1.0, learner.done(minutes, steps))
            bar.set_postfix(learner.told(), refresh=False)
            bar.update(0)
    learner.save()
    return read_losses(out)


def read_losses(folder) -> pd.DataFrame:
    """The losses of a training so far, as `train` returns them.

    Raises
    ------
    SeeError
    """
    arrays, _ = read_arrays_whole(Path(folder) / STATE)
    table = pd.DataFrame(arrays["losses"], columns=list(LOSSES))
    return table.astype({"step": int})
