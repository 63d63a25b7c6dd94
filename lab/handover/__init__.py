"""The hand-over of an edit to editing programs, and what they changed, back.

OpenTimelineIO holds everything; FCPXML and FCP 7 XML both tracks and the sound; an EDL the
matches alone, cut from conformed copies in a folder beside it.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from tqdm.auto import tqdm

from lab.edit import Edit, EditError
from lab.handover.conform import conform
from lab.handover.exchange import Exchange, Held
from lab.handover.handback import changed, slots_of
from lab.handover.timeline import TimelineError
from lab.store import write_whole

OUT = (".otio", ".edl", ".xml", ".fcpxml")
BACK = (".otio", ".edl", ".fcpxml")
LARGEST = 64 * 2**20  # bytes of a timeline that is read; a feature's is some 5 MB


def hand_over(edit: Edit, out) -> list[Path]:
    """Write an edit as a timeline for editing programs.

    Parameters
    ----------
    edit : Edit
    out : path-like
        ``.otio`` (OpenTimelineIO), ``.fcpxml`` (Final Cut Pro, Resolve), ``.xml`` (Final Cut
        Pro 7's, for Premiere, Resolve, Avid) or ``.edl`` (CMX 3600). Films are named relative
        to its folder. Beside an EDL a folder ``<name>-media`` is filled with a conformed copy
        of every answer, at the timeline's rate, with handles of up to a second.

    Returns
    -------
    list of Path
        The file, and the copies that were made for it.

    Raises
    ------
    EditError, FilmError, WriteError
        If the suffix is another, a film is gone, or a file cannot be written.

    References
    ----------
    https://opentimelineio.readthedocs.io; the other formats' pages stand in `lab.handover.fcpxml`,
    `lab.handover.fcp7` and `lab.handover.edl`.
    """
    out = Path(out)
    if out.suffix.lower() not in OUT:
        raise EditError(f"{out}: is no timeline that lab writes; end the name in {_names(OUT)}.")
    exchange = Exchange(edit, out)
    text, copies = exchange.text(), [*(exchange.copies or {}).values()]
    places = [out.parent / unquote(copy.url) for copy in copies]
    try:
        for copy, place in zip(
            tqdm(copies, desc="copies", disable=not copies), places, strict=True
        ):
            place.parent.mkdir(parents=True, exist_ok=True)
            conform(edit, copy, place)
        write_whole(out, text)
    except OSError as error:
        why = error.strerror or error
        raise EditError(f"{out}: could not be written ({why}); check the folder.") from None
    return [out, *places]


def hand_back(edit: Edit, changed_path) -> tuple[Edit, list[str]]:
    """Read what an editing program made of a hand-over.

    Parameters
    ----------
    edit : Edit
        The edit as it was handed over.
    changed_path : path-like
        ``.otio``, ``.fcpxml`` or ``.edl``. An EDL speaks of the copies that it was written
        with; slips and trims are led back to the films.

    Returns
    -------
    edit : Edit
        Rows whose frames did not move are as they were; those that changed are pinned.
    changes : list of str
        A sentence for each, that counts shots as the edit given does.

    Raises
    ------
    EditError
        If the file is no such timeline, is too large, shows films that the edit does not know,
        or holds what no edit can; or if a film is gone.
    """
    path = Path(changed_path)
    if path.suffix.lower() not in BACK:
        raise EditError(f"{path}: is no timeline that lab reads; save it as {_names(BACK)}.")
    text, exchange = _read(path), Exchange(edit, path)
    try:
        before, after = exchange.read(exchange.text()), exchange.read(text)
        slots = slots_of(exchange.places, before.shown)
        rows, changes = changed(edit, slots, after.shown, exchange.films, exchange.rate)
    except TimelineError as error:
        raise EditError(f"{path}: {error}") from None
    changes += _left_out(before, after)
    return edit.model_copy(deep=True, update={"shots": rows}), changes


def left_behind(edit: Edit, out) -> list[str]:
    """What of an edit's pictures a timeline does not carry, so that it must be done there again."""
    kind = Path(out).suffix.lower()
    lost = {
        "shows a part of its picture": kind in (".otio", ".xml", ".fcpxml"),
        "is mirrored": kind in (".otio", ".xml"),
    }
    told = []
    for row in edit.shots:
        have = {"shows a part of its picture": row.reframe, "is mirrored": row.mirror}
        said = [what for what, gone in lost.items() if gone and have[what] and row.kind == "match"]
        if said:
            only = "carries only as metadata" if kind == ".otio" else "does not carry"
            told.append(
                f"shot {row.position}: {' and '.join(said)}, which a {kind} file {only}: do so in "
                "the editing program."
            )
    return told


def _left_out(before: Held, after: Held) -> list[str]:
    """What of a timeline no edit holds, and that does not change what answers what."""
    told = []
    if after.beside:
        what = "a clip lies" if after.beside == 1 else f"{after.beside} clips lie"
        told.append(f"{what} where the trailer does not run, and is left out.")
    if after.mixed:
        what = "a dissolve or wipe" if after.mixed == 1 else f"{after.mixed} dissolves or wipes"
        told.append(f"{what}: cut hard, for an edit knows none.")
    if after.heard != before.heard:
        told.append("the sound was changed: an edit plays the trailer's own.")
    return told


def _read(path: Path) -> str:
    """A timeline's text; one sentence where there is none to be had."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise EditError(
                f"{path}: is {size / 2**20:.0f} MB, more than any timeline of an edit "
                f"({LARGEST // 2**20} MB); export the timeline alone."
            )
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise EditError(f"{path}: does not exist; check the name.") from None
    except UnicodeDecodeError:
        raise EditError(f"{path}: is no text in UTF-8; export it anew.") from None
    except OSError as error:
        raise EditError(f"{path}: cannot be read ({error.strerror or error}).") from None


def _names(suffixes: tuple[str, ...]) -> str:
    return ", ".join(suffixes[:-1]) + " or " + suffixes[-1]
