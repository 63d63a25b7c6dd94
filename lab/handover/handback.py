"""What an editing program changed: pieces of its timeline laid against the rows of an edit."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from pydantic import ValidationError

from lab.edit import Edit, Row
from lab.handover.sources import Films
from lab.handover.timeline import Piece, TimelineError
from lab.language import clock

SAME = 1e-4  # seconds, and parts of a speed: less than any change a person makes
NEARLY = 0.6  # of a film's frames: where rates differ, a cut goes to the next whole frame
# What of a row belongs to its place in the trailer; all else goes with the answer.
PLACE = {"position", "query_id", "in_query", "out_query", "alternatives"}
RIPPLE = 3  # clips in a row that are moved by as much, from which it is said once for all
JUDGED = {"score", "scores", "why"}


class Slot(NamedTuple):
    """A row's place on the timeline, and what was handed over there."""

    number: int
    begin: int
    end: int
    piece: Piece


def slots_of(places: list[tuple[int, int]], before: list[Piece]) -> list[Slot]:
    """Every row that is at least a frame long, with its piece of the hand-over."""
    shown = {piece.begin: piece for piece in before}
    return [
        Slot(number, begin, end, shown.get(begin, Piece(begin, end)))
        for number, (begin, end) in enumerate(places)
        if begin < end
    ]


def changed(
    edit: Edit, slots: list[Slot], after: list[Piece], films: Films, rate: Fraction
) -> tuple[list[Row], list[str]]:
    """The rows that a changed timeline makes of an edit, and a sentence for each change.

    Parameters
    ----------
    edit : Edit
    slots : list of Slot
    after : list of Piece
        What is shown now, in frames of the trailer.
    films : Films
    rate : Fraction
        Frames a second of the timeline.

    Raises
    ------
    TimelineError
        Part of a sentence: two things shown at once, or what no row can hold.
    """
    return _Comparison(edit, slots, films, rate).rows(after)


class _Comparison:
    def __init__(self, edit: Edit, slots: list[Slot], films: Films, rate: Fraction):
        self.edit, self.slots, self.films, self.rate = edit, slots, films, rate
        self.trailer = films[edit.trailer]
        ends = {slot.end: edit.shots[slot.number].out_query for slot in slots}
        begins = {slot.begin: edit.shots[slot.number].in_query for slot in slots}
        self.seconds = ends | begins  # of the trailer, exactly, at the frames of its cuts

    def rows(self, after: list[Piece]) -> tuple[list[Row], list[str]]:
        after = list(self._joined(self._recut(_in_order(after))))
        homes: dict[int, list[Piece]] = {slot.number: [] for slot in self.slots}
        for piece in after:
            homes[self._home(piece)].append(piece)
        for slot in self.slots:
            homes[slot.number] += _uncovered(slot, after)
        rows, changes = self._unplaced(), []
        for slot in self.slots:
            found = sorted(homes[slot.number])
            main = max(found, key=lambda p: (_overlap(p, slot), bool(p.film)), default=None)
            if main is None or len(found) > 1 or not _same(main, slot.piece):
                changes.append(self._told(slot, main, found))
                rows += [self._row(slot, piece, piece is main) for piece in found]
            else:
                rows.append(self.edit.shots[slot.number])
        if not changes:
            return list(self.edit.shots), []
        changes = self._rippled(after) + changes
        rows.sort(key=lambda row: row.in_query)
        return [row.model_copy(update={"position": at + 1}) for at, row in enumerate(rows)], changes

    def _rippled(self, after: list[Piece]) -> list[str]:
        """A sentence, if all that follows a shot lies earlier, or later, by as much."""
        shifts = []
        for piece in after:
            if piece.film and (origin := self._origin(piece)):
                shifts.append((origin.number, piece.begin - origin.begin))
        last = shifts[-1][1] if shifts else 0
        run = [number for number, shift in shifts if shift == last]
        if not last or len(run) < RIPPLE or run != [number for number, _ in shifts[-len(run) :]]:
            return []
        position = self.edit.shots[run[0]].position
        return [
            f"from shot {position} on, everything lies {_frames(last)} on the timeline, as after a "
            "ripple edit, beside other shots of the trailer; to take a shot out, leave a gap."
        ]

    def _unplaced(self) -> list[Row]:
        """Rows shorter than a frame, which no timeline shows."""
        placed = {slot.number for slot in self.slots}
        return [row for number, row in enumerate(self.edit.shots) if number not in placed]

    def _recut(self, after: list[Piece]) -> Iterator[Piece]:
        """Pieces cut where two rows meet that run on in one film: programs may join those."""
        for piece in after:
            for slot in self.slots:
                if piece.begin < slot.begin < piece.end:
                    rest = piece.cut(slot.begin, piece.end, self.rate)
                    if self._near(rest, slot.piece):
                        yield piece.cut(piece.begin, slot.begin, self.rate)
                        piece = rest._replace(seconds=slot.piece.seconds, row=slot.piece.row)
            yield piece

    def _joined(self, after: Iterator[Piece]) -> Iterator[Piece]:
        """Pieces that run on made one, except where a row begins as it did."""
        held = None
        begins = {slot.begin: slot.piece for slot in self.slots}
        for piece in after:
            if held is None:
                held = piece
                continue
            kept = piece.begin in begins and self._near(piece, begins[piece.begin])
            onward = held.cut(piece.begin, piece.end, self.rate)
            if held.end == piece.begin and self._near(piece, onward) and not kept:
                held = held._replace(end=piece.end)
            else:
                yield held
                held = piece
        if held is not None:
            yield held

    def _near(self, one: Piece, other: Piece) -> bool:
        """Whether two pieces begin with the same frame of one film, at one speed."""
        if one.film != other.film or not one.film or abs(one.speed - other.speed) > SAME:
            return False
        return self._few(one.seconds - other.seconds, one.film)

    def _home(self, piece: Piece) -> int:
        """The row in whose place most of a piece lies; of two, the one that it came from."""
        origin = self._origin(piece)
        best = max(self.slots, key=lambda slot: (_overlap(piece, slot), slot is origin))
        if _overlap(piece, best) <= 0:
            where = clock(float(piece.begin / self.rate))
            raise TimelineError(
                f"shows a clip at {where} of the trailer, where the edit has no shot; move it."
            )
        return best.number

    def _origin(self, piece: Piece) -> Slot | None:
        """The place that a piece was taken from: as it says, or by film and second."""
        like = [place for place in self.slots if place.piece.film == piece.film]
        said = [place for place in like if place.number == piece.row]

        def far(place: Slot) -> tuple[float, int]:
            onward = place.piece.at(piece.begin, self.rate)  # trimmed, it lies where it lay
            apart = [abs(piece.seconds - second) for second in (place.piece.seconds, onward)]
            over = _overlap(piece, place)
            return min(apart) if over > 0 else apart[0], -over

        return min(said or like, key=far, default=None)

    def _told(self, slot: Slot, main: Piece | None, found: list[Piece]) -> str:
        """What happened to a row, in a sentence."""
        shot = f"shot {self.edit.shots[slot.number].position}"
        if main is None:
            return f"{shot}: is gone; what stood beside it lies over it now."
        told = [self._answer_told(slot, main), *self._ends_told(slot, main)]
        if len([piece for piece in found if piece.film]) > 1:
            told.append(f"is shared by {len(found)} clips")
        return f"{shot}: {', '.join(part for part in told if part)}."

    def _answer_told(self, slot: Slot, main: Piece) -> str:
        if not main.film:
            return "is black now"
        origin = self._origin(main)
        name = self.films[main.film].name
        if self._keeps(main) and origin is not slot:
            return "shows the trailer itself now"
        if origin is not slot:
            if origin is None:
                return f"shows '{name}' from {clock(main.seconds)} now"
            other = self.edit.shots[origin.number].position
            return f"shows what answered shot {other}, '{name}' from {clock(main.seconds)}"
        told = []
        whole = main.begin - slot.begin == main.end - slot.end  # moved as it is
        was = slot.piece.seconds if whole else slot.piece.at(main.begin, self.rate)
        slip = main.seconds - was
        moved = abs(main.seconds - slot.piece.seconds) < SAME  # or not at all
        trimmed = main.begin != slot.begin and self._few(slip, main.film)
        if not moved and not trimmed:
            told.append(f"begins {self._amount(slip, main.film)} in '{name}'")
        if abs(main.speed - slot.piece.speed) > SAME:
            told.append(f"runs at {main.speed:.0%} of its speed")
        return ", ".join(told)

    def _ends_told(self, slot: Slot, main: Piece) -> list[str]:
        """How a piece's ends moved; those of what shows nothing go without saying."""
        if not main.film:
            return []
        begin, end = main.begin - slot.begin, main.end - slot.end
        ends = [("lies", begin)] if begin == end else [("begins", begin), ("ends", end)]
        return [f"{what} {_frames(count)} on the timeline" for what, count in ends if count]

    def _amount(self, seconds: float, film: str) -> str:
        """How much earlier or later, in the film's frames where these are whole."""
        count = seconds * float(self.films[film].rate)
        if abs(count - round(count)) < 0.1:
            return _frames(round(count))
        return f"{abs(seconds):.3f} s {'later' if seconds > 0 else 'earlier'}"

    def _keeps(self, piece: Piece) -> bool:
        """Whether a piece is the trailer, in step with itself."""
        shown = self.trailer.t0 + float(piece.begin / self.rate)
        half = 0.5 / self.trailer.rate
        return (
            piece.film == self.edit.trailer
            and abs(piece.seconds - shown) < half
            and abs(piece.speed - 1) < SAME
        )

    def _row(self, slot: Slot, piece: Piece, main: bool) -> Row:
        """A changed piece as a row: pinned, what it knew of its answer kept."""
        here = self.edit.shots[slot.number]
        place = here.model_dump(include=PLACE)
        place |= {"in_query": self._at(piece.begin), "out_query": self._at(piece.end)}
        if not main:
            place["alternatives"] = []
        answer = self._answer(slot, piece)
        try:
            row = Row(**{**answer, **place, "pinned": True})
        except ValidationError as error:
            why = error.errors()[0]["msg"].lower()
            raise TimelineError(
                f"makes of shot {here.position} what no edit holds ({why})."
            ) from None
        return row.model_copy(update={"mark": row.decision()})

    def _answer(self, slot: Slot, piece: Piece) -> dict:
        if not piece.film:
            return {"kind": "black"}
        origin = self._origin(piece)
        donor = self.edit.shots[origin.number] if origin else None
        if self._keeps(piece) and (donor is None or donor.kind == "keep"):
            return {"kind": "keep"}
        if donor is None or donor.kind != "match":
            answer = {"in_match": round(piece.seconds, 6), "speed": piece.speed}
            moved = True
        else:
            answer = donor.model_dump(exclude=PLACE | {"mark"})
            moved = origin is not slot
            if moved_by := self._moved(piece, origin):
                answer["in_match"] = round(donor.in_match + moved_by, 6)
            if abs(piece.speed - origin.piece.speed) > SAME:
                answer["speed"] = piece.speed
        start, lasts = answer["in_match"], self._at(piece.end) - self._at(piece.begin)
        answer |= {"kind": "match", "match_film": piece.film}
        answer["out_match"] = round(start + lasts * answer["speed"], 6)
        if not _inside(answer.get("match_id", ""), start):
            answer["match_id"], moved = "", True
        if moved:  # the scores spoke of another pair
            answer = {name: value for name, value in answer.items() if name not in JUDGED}
        return answer

    def _moved(self, piece: Piece, origin: Slot) -> float:
        """How many seconds of the film later a piece begins than where it came from."""
        moved = piece.seconds - origin.piece.seconds
        onward = origin.piece.at(piece.begin, self.rate) - origin.piece.seconds
        trimmed = _overlap(piece, origin) > 0 and self._few(moved - onward, piece.film)
        # A cut goes to the next whole frame of the film; what is shown when stays as it was.
        moved = onward if trimmed and piece.begin != origin.begin else moved
        return moved if abs(moved) > SAME else 0.0

    def _few(self, seconds: float, film: str) -> bool:
        return abs(seconds) < NEARLY / self.films[film].rate

    def _at(self, frame: int) -> float:
        """The trailer's second at a frame."""
        exact = self.seconds.get(frame)
        return round(self.trailer.t0 + float(frame / self.rate), 6) if exact is None else exact


def _in_order(after: list[Piece]) -> list[Piece]:
    """Pieces as they follow each other; none lies over another."""
    after = sorted(piece for piece in after if piece.begin < piece.end)
    for one, other in pairwise(after):
        if other.begin < one.end:
            raise TimelineError(
                f"shows two clips for one frame of the trailer (frame {other.begin}); lay the "
                "matches on one track, and the trailer's own clips once each above them."
            )
    return after


def _uncovered(slot: Slot, after: list[Piece]) -> list[Piece]:
    """What of a place shows nothing."""
    at, black = slot.begin, []
    for piece in after:
        if piece.end > at and piece.begin < slot.end:
            if piece.begin > at:
                black.append(Piece(at, piece.begin))
            at = max(at, piece.end)
    return [*black, Piece(at, slot.end)] if at < slot.end else black


def _overlap(piece: Piece, slot: Slot) -> int:
    return min(piece.end, slot.end) - max(piece.begin, slot.begin)


def _same(piece: Piece, other: Piece) -> bool:
    return (piece.begin, piece.end, piece.film) == (other.begin, other.end, other.film) and (
        not piece.film
        or (abs(piece.seconds - other.seconds) < SAME and abs(piece.speed - other.speed) < SAME)
    )


def _inside(shot_id: str, seconds: float) -> bool:
    """Whether a second lies in an archive shot, whose id says where it begins and ends."""
    try:
        start, end = (int(part) / 1000 for part in shot_id.split("-")[1:])
    except ValueError:
        return False
    return start - 1e-3 <= seconds < end


def _frames(count: int) -> str:
    """How many frames later or earlier.

    >>> _frames(12), _frames(-1)
    ('12 frames later', '1 frame earlier')
    """
    noun = "frame" if abs(count) == 1 else "frames"
    return f"{abs(count)} {noun} {'later' if count > 0 else 'earlier'}"
