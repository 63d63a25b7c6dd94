"""The option `--weights`: what counts how much where shots are compared."""

from __future__ import annotations

import argparse

from lab.likeness import WAYS, Weights


def add_weights(one) -> None:
    one.add_argument("--weights", type=_weights, metavar="subject=1,composition=.5,...")


def _weights(text: str) -> Weights:
    if text in WAYS:
        return WAYS[text]
    known = ", ".join(Weights.model_fields)
    # Channels left out weigh nothing: `--weights colour=1` means colour alone.
    weights = dict.fromkeys(Weights.model_fields, 0.0)
    for pair in text.split(","):
        name, _, value = pair.partition("=")
        if name not in weights:
            presets = ", ".join(f"'{name}'" for name in WAYS)
            raise argparse.ArgumentTypeError(
                f"{pair!r}: there is no such channel, only {known}; nor a preset, only {presets}"
            )
        try:
            weights[name] = getattr(Weights(**{name: value}), name)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"{pair!r}: write {name}= and a number from 0 to 1, such as {name}=0.5"
            ) from None
    if not any(weights.values()):
        raise argparse.ArgumentTypeError(f"{text!r}: give at least one of {known} some weight")
    return Weights(**weights)
