"""What a side-by-side video costs, beside MoviePy making the same one; and one change of it.

    python benchmarks/render.py [--seconds 20] [--trailer FILM --archive FILM ...]

Both get the same edit (a shot of 2 s after the other, each answered from one of three films),
the same size, preset, CRF and sound. CPU-seconds are those of the process, its threads and the
programs it starts (MoviePy reads and writes through ffmpeg); the order is ours, peer, and both
again, and the lower of two counts. The peer gets its quickest way: ffmpeg scales as it reads.
Where the films are ours, every frame carries its number, and what stands in both panels is
read back and counted where it is wrong.

Then one answer is changed, and what that costs stands beside the whole: a second run in which all
shots but one are kept.

MoviePy is no dependency of the workbench; where it is missing, only our own cost is shown.
"""

from __future__ import annotations

import argparse
import random
import resource
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from lab import video
from lab.edit import Edit, FilmEntry, Row
from lab.films import fingerprint
from lab.panels import arrange
from lab.presets import PRESETS, RenderSettings
from lab.render import QUALITY, render
from lab.sample import numbered_film, read_number
from lab.store import Workspace

SIZE, RATE, SHOT_SECONDS, BUDGET, TIMES = (1280, 720), 24, 2, 0.5, 20
SETTINGS = RenderSettings(speed=QUALITY["preset"], crf=int(QUALITY["crf"]))


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU-seconds of this process and of the programs it started and waited for."""

    def spent() -> float:
        usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    before = spent()
    work()
    return spent() - before


def make_films(folder: Path, seconds: int) -> tuple[Path, list[Path]]:
    """A trailer with sound and three archive films, all with numbered frames."""
    trailer, shots = folder / "trailer.mp4", [SHOT_SECONDS * RATE] * (seconds // SHOT_SECONDS)
    numbered_film(trailer, shots, first=0, size=SIZE, rate=Fraction(RATE), sound="aac")
    archive = []
    for number in range(3):
        archive.append(folder / f"archive{number}.mp4")
        looks = [100 * number + 50, 100 * number + 51]
        numbered_film(archive[-1], [8 * RATE] * 2, looks=looks, first=1000 * number, size=SIZE)
    return trailer, archive


def make_edit(trailer: Path, archive: list[Path], seconds: int) -> Edit:
    """Every 2 s of the trailer answered from somewhere in one of the archive films."""
    chance, rows = random.Random(1), []
    films = {fingerprint(path): path for path in [trailer, *archive]}
    lengths = {film_id: video.probe(path).duration for film_id, path in films.items()}
    trailer_id, *answers = films
    for position in range(int(min(seconds, lengths[trailer_id]) // SHOT_SECONDS)):
        film, start = answers[position % len(answers)], position * SHOT_SECONDS
        begin = chance.randrange(int(lengths[film] - SHOT_SECONDS) * RATE) / RATE
        rows.append(
            Row(
                position=position + 1,
                in_query=start,
                out_query=start + SHOT_SECONDS,
                match_film=film,
                in_match=begin,
                out_match=begin + SHOT_SECONDS,
            )
        )
    entries = {film_id: FilmEntry(path=str(path.resolve())) for film_id, path in films.items()}
    return Edit(trailer=trailer_id, encoder="", calibration="", films=entries, shots=rows)


def with_lab(edit: Edit, out: Path, workspace: Workspace | None = None) -> None:
    """The video by this package."""
    render(edit, out, "strip", SETTINGS, workspace=workspace)


def panel_of(edit: Edit) -> tuple[int, int]:
    """Size of one panel of the result."""
    info = video.probe(edit.path(edit.trailer))
    _, places = arrange(PRESETS["strip"], (info.width, info.height))
    return places[0].size


def one_change(edit: Edit, folder: Path) -> tuple[float, float]:
    """CPU-seconds of the whole, and of the whole again after one answer was changed."""
    workspace, out = Workspace(folder / "work"), folder / "changed.mp4"
    whole = cpu_seconds(lambda: with_lab(edit, out, workspace))
    row = edit.shots[len(edit.shots) // 2]
    row.in_match = row.in_match + 0.5 if row.in_match < 1 else row.in_match - 0.5
    return whole, cpu_seconds(lambda: with_lab(edit, out, workspace))


def with_moviepy(edit: Edit, out: Path) -> None:
    """The same video by MoviePy."""
    from moviepy import VideoFileClip, clips_array, concatenate_videoclips

    panel, end = panel_of(edit), edit.shots[-1].out_query
    left = VideoFileClip(str(edit.path(edit.trailer)), target_resolution=panel).subclipped(0, end)
    films = {
        film_id: VideoFileClip(str(edit.path(film_id)), audio=False, target_resolution=panel)
        for film_id in sorted({row.match_film for row in edit.shots})
    }
    shots = [films[row.match_film].subclipped(row.in_match, row.out_match) for row in edit.shots]
    both = clips_array([[left, concatenate_videoclips(shots)]])
    both.write_videofile(
        str(out),
        fps=left.fps,
        preset=QUALITY["preset"],
        ffmpeg_params=["-crf", QUALITY["crf"]],
        audio_codec="aac",
        logger=None,
    )
    for clip in (both, left, *films.values()):
        clip.close()


def wrong_frames(edit: Edit, out: Path) -> tuple[int, int]:
    """Frames of a result, and those of which either panel shows another number than it should."""
    count = wrong = 0
    numbers = {film_id: 1000 * (at - 1) for at, film_id in enumerate(edit.films) if at}
    for frame in video.Reader(out, pixels="rgb24"):
        row = edit.shots[min(count // (SHOT_SECONDS * RATE), len(edit.shots) - 1)]
        inside = count - round(row.in_query * RATE)
        answer = numbers[row.match_film] + round(row.in_match * RATE) + inside
        picture = frame.picture.to_ndarray()
        half = picture.shape[1] // 2
        seen = read_number(picture[:, :half]), read_number(picture[:, half:])
        wrong += seen != (count, answer)
        count += 1
    return count, wrong


def peers() -> dict[str, Callable[[Edit, Path], object]]:
    """Who renders: lab, and MoviePy where it can be imported."""
    found = {"lab": with_lab}
    try:
        import moviepy  # noqa: F401
    except ImportError:
        print("moviepy is not installed: no peer to compare with (pip install moviepy).")
    else:
        found["MoviePy"] = with_moviepy
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--trailer", type=Path, help="by default a trailer is made")
    parser.add_argument("--archive", type=Path, nargs="+", help="films to answer from")
    args = parser.parse_args()
    if bool(args.trailer) != bool(args.archive):
        parser.error("give both --trailer and --archive, or neither")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if args.trailer:  # only as much of it as the edit answers
            trailer, archive = folder / "trailer.mp4", args.archive
            video.excerpt(args.trailer, trailer, 0, args.seconds)
        else:
            trailer, archive = make_films(folder, args.seconds)
        edit, costs = make_edit(trailer, archive, args.seconds), {}
        for who, work in list(peers().items()) * 2:
            out = folder / f"{who}.mp4"
            cost = cpu_seconds(lambda work=work, out=out: work(edit, out))
            costs[who] = min(cost, costs.get(who, cost))
        report(edit, folder, costs, numbered=not args.trailer)
        whole, again = one_change(edit, folder)
        told = "met" if whole / again >= TIMES else "missed"
        print(f"one of {len(edit.shots)} shots changed: {again:.2f} CPU-s, the whole {whole:.1f}: "
              f"{whole / again:.0f} times less, {told} ({TIMES})")  # fmt: skip


def report(edit: Edit, folder: Path, costs: dict[str, float], numbered: bool) -> None:
    """Print what each one cost and what it made."""
    print(f"{'':<10}{'CPU-s':>8}{'size':>12}{'frames':>8}{'wrong':>7}{'MB':>7}")
    for who, cost in costs.items():
        out = folder / f"{who}.mp4"
        info = video.probe(out)
        if numbered:
            count, wrong = wrong_frames(edit, out)
        else:
            count, wrong = sum(1 for _ in video.Reader(out)), ""
        size = f"{info.width} x {info.height}"
        print(
            f"{who:<10}{cost:>8.1f}{size:>12}{count:>8}{wrong:>7}{out.stat().st_size / 1e6:>7.2f}"
        )
    if len(costs) > 1:
        ratio = costs["lab"] / costs["MoviePy"]
        print(f"lab / MoviePy: {ratio:.2f}  {'met' if ratio <= BUDGET else 'missed'} ({BUDGET})")


if __name__ == "__main__":
    main()
