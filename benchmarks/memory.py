"""Whether an ingest's memory stays flat however long the film is.

    python benchmarks/memory.py [--minutes 5 60] [--fps 5]

Every length is ingested by the `lab` command in a fresh process, whose peak resident memory
the kernel reports when it ends. The films are one minute of picture and sound, encoded once
and repeated packet by packet. What could grow, grows with the number of frames and of moments,
not with the minutes: at 5 frames a second, an hour is 18,000 frames and takes some ten minutes
on two cores; ``--fps 24`` makes it 86,400.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av

from lab.sample import numbered_film

LIMIT_GIB, GROWTH = 2.0, 1.15
CLIP_SECONDS, SHOT_SECONDS, SIZE = 60, 4, (320, 192)
COMMAND = "from lab.cli import main; main()"


def make_clip(path: Path, fps: int) -> Path:
    """One minute with a cut every 4 s and a tone."""
    shot = [SHOT_SECONDS * fps] * (CLIP_SECONDS // SHOT_SECONDS)
    numbered_film(
        path, shot, first=None, size=SIZE, rate=Fraction(fps), sound="aac", options={"bf": "0"}
    )
    return path


def repeat(clip: Path, path: Path, times: int) -> Path:
    """A film that shows a clip again and again, without encoding anything anew."""
    with av.open(str(path), "w") as output:
        with av.open(str(clip)) as once:
            tracks = [output.add_stream_from_template(stream) for stream in once.streams]
        for number in range(times):
            with av.open(str(clip)) as again:
                for packet in again.demux():
                    if packet.dts is None or packet.dts < 0:
                        continue
                    if packet.dts * packet.time_base >= CLIP_SECONDS:
                        continue
                    shift = round(number * CLIP_SECONDS / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = tracks[packet.stream.index]
                    output.mux(packet)
    return path


def peak_mib(film: Path, work: Path) -> tuple[float, float]:
    """Peak resident memory of `lab ingest` in a process of its own, MiB, and its seconds."""
    command = [sys.executable, "-c", COMMAND, "ingest", str(film), "--work", str(work)]
    began = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the ingest of {film.name} ended with status {status}")
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit / 2**20, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=int, nargs="+", default=[5, 60])
    parser.add_argument("--fps", type=int, default=5)
    args = parser.parse_args()
    peaks = []
    print(f"{'minutes':>8}{'frames':>9}{'peak MiB':>10}{'wall s':>8}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clip = make_clip(folder / "clip.mp4", args.fps)
        for minutes in sorted(args.minutes):
            film = repeat(clip, folder / f"{minutes}.mp4", minutes * 60 // CLIP_SECONDS)
            work = folder / f"work{minutes}"
            peak, wall = peak_mib(film, work)
            frames = minutes * 60 * args.fps
            print(f"{minutes:>8}{frames:>9}{peak:>10.0f}{wall:>8.0f}", flush=True)
            peaks.append(peak)
    ratio = peaks[-1] / peaks[0]
    print(f"longest / shortest: {ratio:.3f}  {'met' if ratio <= GROWTH else 'missed'} ({GROWTH})")
    most = max(peaks) / 1024
    print(f"peak: {most:.2f} GiB  {'met' if most < LIMIT_GIB else 'missed'} ({LIMIT_GIB:g} GiB)")


if __name__ == "__main__":
    main()
