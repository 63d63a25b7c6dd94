"""Learning to see: one network trained on images of one kind, on whatever machine there is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from lab.see.checkpoints import STATE, read_arrays_whole
from lab.see.images import Images, SeeError
from lab.see.learner import LOSSES, Learner, Training


def train(
    images: Images,
    out,
    settings: Training | None = None,
    *,
    minutes: float = 20,
    steps: int | None = None,
    watch: Callable[[pd.DataFrame], None] | None = None,
) -> pd.DataFrame:
    """Train a network on images of one kind; where it was begun, go on.

    The folder holds ``model.safetensors`` and ``card.json`` (to look through),
    ``training.safetensors`` (to go on), ``strip.png`` (held-out images: shown, seen, as they are)
    and ``losses.csv``, all renewed every so many steps and at the end; interrupted, it ends after
    the step in hand.

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
        Is given the losses so far whenever the folder was renewed.

    Returns
    -------
    DataFrame
        A row a step: ``step``, ``pixels`` (mean absolute difference, 0 to 1), ``features``
        (`lab.see.networks.Features.apart`), ``kind`` (how much farther from it what is of no kind
        is than its images are from one another, and than from what else there is, of
        `lab.see.networks.unlike`), ``shapes`` (how little of the shapes of what is of no kind is
        kept, `lab.see.networks.misshapen`), ``adversarial``, ``discriminator`` (hinge losses, Lim &
        Ye 2017) and, every so often, ``held_out`` (the distance on held-out images,
        `lab.see.networks.Features.wholes_apart`).

    Raises
    ------
    SeeError
        If the folder holds what other images or settings made, or something else.
    KeyboardInterrupt
        Where it was interrupted; all steps are kept.

    Examples
    --------
    >>> train(read_folder("sea"), "models/sea", minutes=20)  # doctest: +SKIP
    """
    settings, out = settings or Training(), Path(out)
    if out.exists() and not out.is_dir():
        raise SeeError(f"{out}: is a file, and a model is a folder; give it another name.")
    out.mkdir(parents=True, exist_ok=True)
    for scratch in out.glob(".*.safetensors.*"):  # of one that was killed
        scratch.unlink()
    with _interruption_put_off() as interrupted:
        learner = Learner(images, out, settings)
        learner.resume()
        learner.draw()
        with _bar(learner.done(minutes, steps)) as bar:
            while not (interrupted.is_set() or learner.ends(minutes, steps)):
                learner.step()
                if watch and learner.saved == learner.count:
                    watch(learner.table)
                bar.n = min(1.0, learner.done(minutes, steps))
                bar.set_postfix(learner.told(), refresh=False)
                bar.update(0)
        learner.save()
    if interrupted.is_set():
        raise KeyboardInterrupt
    return learner.table


def _bar(done: float) -> tqdm:
    form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left{postfix}"
    return tqdm(total=1.0, initial=min(1.0, done), desc="learning to see", bar_format=form)


@contextmanager
def _interruption_put_off() -> Iterator[threading.Event]:
    """Set where Ctrl-C was pressed, which otherwise does nothing; pressed again, it is at once.

    A step that was broken off could not be gone on from.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals reach the main one
        yield interrupted
        return
    before = signal.getsignal(signal.SIGINT)

    def note(*_) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def read_losses(folder) -> pd.DataFrame:
    """The losses of a training so far, as `train` returns them.

    Raises
    ------
    SeeError
    """
    arrays, _ = read_arrays_whole(Path(folder) / STATE)
    table = pd.DataFrame(arrays["losses"], columns=list(LOSSES))
    return table.astype({"step": int})
