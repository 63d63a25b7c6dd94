"""Cut lists of other programs, there and back; corrections outlive what is derived."""

import numpy as np
import pandas as pd
import pytest

from lab.cli import main
from lab.cutlists import CutListError, Cutting, read_cuts, write_cuts
from lab.ingest import ingest_one
from lab.shots import find_shots
from lab.stages import IngestSettings, complete
from lab.store import Workspace
from lab.tables import load_archive

CUTS = [31, 33, 100, 251]


def shots_of(times, cuts=CUTS):
    marks = np.zeros((len(times), 2), np.float32)
    marks[cuts, 0] = 0.9
    light = np.tile([120.0, 50.0], (len(times), 1))
    return find_shots("f", times, times[-1] + 0.04, marks, light)


@pytest.mark.parametrize("name", ["a.csv", "a-Scenes.csv", "a.edl", "a.otio"])
@pytest.mark.parametrize("fps", [10, 24000 / 1001, 24, 25, 30000 / 1001, 50, 60000 / 1001])
def test_what_is_written_is_read_again(tmp_path, name, fps):
    times = 1.4 + np.arange(300) / fps
    write_cuts(tmp_path / name, shots_of(times), times, fps, "films/a b.mp4")
    assert read_cuts(tmp_path / name, times, fps) == CUTS


@pytest.mark.parametrize("name", ["a.csv", "a-Scenes.csv", "a.otio"])
def test_variable_rate_is_cut_by_time(tmp_path, name):
    gaps = np.random.default_rng(0).choice([0.02, 0.04, 0.1], 300)
    times = np.cumsum(gaps)
    write_cuts(tmp_path / name, shots_of(times), times, 1000, "a.mp4")
    assert read_cuts(tmp_path / name, times, 1000) == CUTS


def test_pyscenedetect_lists_are_read(tmp_path):
    text = """Timecode List:,00:00:02.000,00:00:03.500
Scene Number,Start Frame,Start Timecode,Start Time (seconds),End Frame,End Timecode
1,1,00:00:00.000,0.000,50,00:00:02.000
2,51,00:00:02.000,2.000,87,00:00:03.500
3,88,00:00:03.500,3.500,200,00:00:08.000
"""
    (tmp_path / "a.csv").write_text(text)
    assert read_cuts(tmp_path / "a.csv", np.arange(200) / 25, 25) == [50, 88]


def test_an_editors_edl_is_read(tmp_path):
    text = """TITLE: CUTS
FCM: NON-DROP FRAME

001  AX       V     C        00:00:00:00 00:00:02:00 01:00:00:00 01:00:02:00
002  AX       V     C        00:00:02:00 00:00:03:13 01:00:02:00 01:00:03:13
003  AX       V     C        00:00:03:13 00:00:08:00 01:00:03:13 01:00:08:00
"""
    (tmp_path / "a.edl").write_text(text)
    assert read_cuts(tmp_path / "a.edl", np.arange(200) / 25, 25) == [50, 88]


def test_a_row_may_name_its_frame_instead_of_its_second(tmp_path):
    (tmp_path / "a.csv").write_text("start,start_frame\n0,0\n,17\n2.0,50\n")
    assert read_cuts(tmp_path / "a.csv", np.arange(100) / 25, 25) == [17, 50]


BAD = {
    "a.txt": ("", "not a cut list"),
    "none.csv": (None, "cannot be read"),
    "a.csv": ("name,colour\n1,2\n", "no column"),
    "b.csv": ("start\nred\n", "damaged"),
    "c.csv": ("start\n0\n99\n", "another film"),
    "d.csv": ("start,start_frame\n,400\n", "does not have"),
    "e.csv": ("start\n0\ninf\n", "no number"),
    "a.edl": ("001  AX  V  C  00:00:00:00 00:00\n", "damaged"),
    "b.edl": ("TITLE: x\n", "no"),
    "a.otio": ("{", "damaged"),
    "b.otio": ('{"OTIO_SCHEMA": "Clip.1"}', "no video track"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_list_is_one_sentence(tmp_path, name):
    text, why = BAD[name]
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(CutListError, match=why) as error:
        read_cuts(tmp_path / name, np.arange(100) / 25, 25)
    assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)


def test_a_correction_leads_everything_downstream_and_stays(tmp_path, film, capsys):
    path, work = film("h264-closed.mp4"), ["--work", str(tmp_path)]
    wanted = tmp_path / "cuts.csv"
    wanted.write_text("start_frame\n0\n10\n24\n60\n")
    out = tmp_path / "shots.csv"
    assert main(["shots", str(path), "--from", str(wanted), "--out", str(out), *work]) == 0
    assert pd.read_csv(out).start_frame.tolist() == [0, 10, 24, 60]
    workspace = Workspace(tmp_path)
    film_id = ingest_one(path, workspace)
    archive = load_archive(workspace, films=[film_id])
    assert archive.shots.start_frame.tolist() == [0, 10, 24, 60]
    assert set(archive.moments.shot_id) == set(archive.shots.shot_id)
    assert all(len(v) == len(archive.moments) for v in archive.vectors.values())
    # all that is derived may go: the correction stays
    (tmp_path / "work").rename(tmp_path / "gone")
    ingest_one(path, workspace)
    assert load_archive(workspace, films=[film_id]).shots.start_frame.tolist() == [0, 10, 24, 60]
    assert main(["shots", str(path), "--reset", *work]) == 0
    assert complete(workspace, film_id, IngestSettings())
    assert load_archive(workspace, films=[film_id]).shots.start_frame.tolist() == [0, 24, 48, 72]
    capsys.readouterr()
    assert main(["shots", film_id, *work]) == 0  # a film_id does as well, and without a list
    assert "1 1.0 2.0 24 48 cut" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("column", ["start", "start_frame"])
def test_in_a_list_of_our_own_either_column_may_be_corrected(tmp_path, film, capsys, column):
    path, work = film("h264-closed.mp4"), ["--work", str(tmp_path)]
    written = tmp_path / "cuts.csv"
    assert main(["shots", str(path), "--out", str(written), *work]) == 0
    capsys.readouterr()
    assert main(["shots", str(path), "--from", str(written), *work]) == 0
    assert "its cuts are as they were" in capsys.readouterr().out
    table = pd.read_csv(written)
    table.loc[1, column] = {"start": 30 / 24, "start_frame": 30}[column]
    table.to_csv(written, index=False)
    assert main(["shots", str(path), "--from", str(written), *work]) == 0
    assert "1 new cut, 1 gone" in capsys.readouterr().out
    shots = load_archive(Workspace(tmp_path), films=[ingest_one(path, Workspace(tmp_path))]).shots
    assert shots.start_frame.tolist() == [0, 30, 48, 72]


def test_elsewhere_frames_may_count_from_one(tmp_path):
    (tmp_path / "cuts.csv").write_text("start,start_frame\n0,1\n0.4,11\n2,51\n")
    assert read_cuts(tmp_path / "cuts.csv", np.arange(100) / 25, 25, [10, 50]) == [10, 50]


def test_a_correction_spoilt_by_hand_is_a_problem_of_that_film_only(tmp_path, film, capsys):
    paths = [str(film(kind)) for kind in ("h264-closed.mp4", "2997.mov")]
    work = ["--work", str(tmp_path)]
    assert main(["ingest", *paths, *work]) == 0
    workspace = Workspace(tmp_path)
    spoilt = workspace.correction(ingest_one(paths[0], workspace))
    spoilt.parent.mkdir()
    spoilt.write_text("nonsense")
    capsys.readouterr()
    assert main(["ingest", *paths, *work]) == 0
    assert str(spoilt) in capsys.readouterr().err


def test_cuts_are_corrected_with_undo():
    cutting = Cutting([30, 80], 100)
    acts = [("add", 50), ("move", 30, 28), ("remove", 80), ("move", 50, 51)]
    states = [[30, 50, 80], [28, 50, 80], [28, 50], [28, 51]]
    for (act, *frames), state in zip(acts, states, strict=True):
        getattr(cutting, act)(*frames)
        assert cutting.begins == state
    for state in [*states[-2::-1], [30, 80]]:
        assert cutting.undoable
        cutting.undo()
        assert cutting.begins == state
    assert not cutting.undoable and "nothing" in cutting.undo()


@pytest.mark.parametrize(
    "act", [("add", 0), ("add", 100), ("add", 30), ("move", 31, 40), ("move", 30, 80)]
)
def test_what_cannot_be_corrected_is_told_and_changes_nothing(act):
    cutting = Cutting([30, 80], 100)
    said = getattr(cutting, act[0])(*act[1:])
    assert cutting.begins == [30, 80] and not cutting.undoable and said.endswith(".")
    assert "can lie" in said or "already" in said or "no cut" in said


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 99999999999999999999999}', "[" * 100_000])
def test_json_that_would_bring_down_the_reader_is_damaged(text, tmp_path):
    (tmp_path / "cuts.otio").write_text(text)
    with pytest.raises(CutListError, match="is damaged or of another kind"):
        read_cuts(tmp_path / "cuts.otio", np.arange(10) / 25, 25.0)
