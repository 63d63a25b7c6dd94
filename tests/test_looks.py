"""What an ingest says of shots, on a film made of drawn people and of moves that are known."""

import numpy as np
import pytest
from av import VideoFrame
from test_framing import people

from lab import ingest, tables
from lab.language import WORDS
from lab.store import Workspace
from lab.video import Writer

SIZE, RATE = (640, 360), 24


def shots():
    """Two seconds each: two people, a wide view that is panned over, black."""
    rng = np.random.default_rng(1)
    two = np.asarray(people((80, 70, 40), (230, 90, 30)))
    two = two.repeat(2, axis=0).repeat(2, axis=1)
    yield from [two] * 48
    wide = rng.integers(0, 256, (45, 160, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    yield from [wide[:, 4 * k : 4 * k + 640] for k in range(48)]
    yield from [np.zeros((360, 640, 3), np.uint8)] * 48


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("looks")
    with Writer(folder / "film.mp4", SIZE, RATE) as out:
        for number, picture in enumerate(shots()):
            picture = np.ascontiguousarray(picture)
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            out.write(frame.reformat(format="yuv420p", dst_colorspace="ITU709"), number / RATE)
    workspace = Workspace(folder / "data")
    report = ingest.ingest([folder / "film.mp4"], workspace)
    assert not len(report.problems)
    return tables.load_archive(workspace)


def test_shots_come_with_words(archive):
    found = archive.shots
    assert found.start_frame.tolist() == [0, 48, 96] and set(WORDS) <= set(found)
    two, wide, black = (row for _, row in found.iterrows())
    assert (two.faces, two.face_at, two.camera, two.pace) == ("two", "left", "static", "still")
    assert (wide.faces, wide.face_at, wide.camera) == ("none", "", "pan right")
    assert two.framing and wide.framing
    assert black["flags"] == "black" and not any(black[word] for word in WORDS)


def test_every_channel_speaks_of_what_is_seen(archive):
    assert {name: rows.shape[1] for name, rows in archive.vectors.items()} == {
        "subject": 1280,
        "composition": 384,
        "colour": 120,
        "motion": 49,
        "framing": 27,
    }
    for rows in archive.vectors.values():
        np.testing.assert_allclose(np.linalg.norm(rows[:2], axis=1), 1, atol=1e-5)
