"""What is asked for on the command line: options of settings, numbers, ranges."""

from __future__ import annotations

import argparse
import math
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from lab import LabError
from lab.encoders import PACKAGED
from lab.language import counted
from lab.store import write_whole


class UsageError(LabError):
    """A request that makes no sense: one sentence on what to do instead."""


def add(one, settings: type[BaseModel], but: Collection[str] = ()) -> None:
    """An option for every field of a settings object but its weights, and those named."""
    for name, field in settings.model_fields.items():
        if name in but:
            continue
        flag, text = f"--{name.replace('_', '-')}", field.description
        if field.annotation is bool:
            text += f" ({'yes' if field.default else 'no'})"
            one.add_argument(flag, action=argparse.BooleanOptionalAction, help=text)
        elif name != "weights":
            known = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
            shown = {"choices": known} if known else {"metavar": "X"}
            text += "" if field.default in (None, "") else f" ({field.default})"
            one.add_argument(flag, type=partial(_setting, settings, name), help=text, **shown)


def add_encoder(one) -> None:
    one.add_argument(
        "--encoder",
        metavar="MODEL",
        help=f"{PACKAGED} (default), or a transformers vision model: hub name or folder",
    )


def given(args, settings: type[BaseModel]) -> dict:
    """The settings that were asked for."""
    asked = {name: getattr(args, name, None) for name in settings.model_fields}
    return {name: value for name, value in asked.items() if value is not None}


def positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number from 1 on")
    return int(text)


def positions(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return positive(first), positive(last or first)


def seconds(text: str) -> float:
    try:
        if (seconds := float(text)) > 0:
            return seconds
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: give a number above 0, such as 2.5")


def span(text: str) -> tuple[float, float]:
    first, _, last = text.partition(":")
    try:
        begin, end = float(first or 0), float(last or math.inf)
    except ValueError:
        begin = end = math.nan
    if 0 <= begin < end:
        return begin, end
    raise argparse.ArgumentTypeError(
        f"{text!r}: give seconds from and to, such as 10:25 (1:10 is 70)"
    )


def _setting(settings: type[BaseModel], name: str, text: str) -> float | int | str:
    try:
        return getattr(settings(**{name: text}), name)
    except ValueError as error:
        why = error.errors()[0]["msg"].lower()
        raise argparse.ArgumentTypeError(f"{text!r}: {why}") from None


def ends_in(name: str, *known: str) -> None:
    """Refuse a file name that would lie about what is in the file."""
    if Path(name).suffix.lower() not in known:
        raise UsageError(f"{name}: end the name in {' or '.join(known)}.")


def shown(table, out: str | None, what: str, columns: list[str]) -> str:
    """A table, printed or written to a file; gives what is said of it.

    Paths to be read are told from here, where they lie below this folder.
    """
    columns = [name for name in columns if not table[name].isna().all() or not len(table)]
    if out:
        write_whole(Path(out), table.to_csv(index=False))
        return f"{counted(len(table), what)} -> {out}"
    if len(table):
        said = table[columns]
        if "path" in columns:
            said = said.assign(path=said.path.map(_near))
        print(said.to_string(index=False))
    return counted(len(table), what)


def _near(path: str) -> str:
    """A path from this folder on, if it lies below it."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
