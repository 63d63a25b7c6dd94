"""Film terms for shots: known answers, and files that are none."""

import numpy as np
import pandas as pd
import pytest

from lab.encoders import EncoderError, load_encoder
from lab.encoders.efficientnet import PackagedEncoder
from lab.tables import Archive
from lab.vocabulary import VocabularyError, label, load_vocabulary

COLOURS = ("red", "green", "blue")


class Painter:
    """Reads three words: a text's vector says how often each of them stands in it."""

    name, frames = "painter", 1

    def __init__(self):
        self.read = []

    def encode_text(self, texts):
        self.read += texts
        counts = np.array([[text.count(word) for word in COLOURS] for text in texts], float)
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def archive(subject, owners):
    """An archive of shots with the moments' subject vectors given."""
    moments = pd.DataFrame({"shot_id": list(owners)})
    shots = moments.drop_duplicates(ignore_index=True)
    return Archive(pd.DataFrame(), shots, moments, {"subject": np.array(subject, np.float32)})


def write(tmp_path, text):
    path = tmp_path / "words.yaml"
    path.write_text(text)
    return path


def test_every_shot_gets_the_best_term_of_each_group(tmp_path):
    path = write(
        tmp_path,
        """
        paint: {prompts: ["a {} thing", "{}"], terms: [green, red]}
        flag: {terms: [blue red, green]}
        """,
    )
    painter = Painter()
    seen = archive([[1, 0, 0], [0, 1, 0.1], [0.1, 0, 1]], "abc")
    table = label(seen, painter, path)
    assert table.columns.tolist() == ["shot_id", "paint", "flag"]
    assert table.shot_id.tolist() == ["a", "b", "c"]
    assert table.paint.tolist() == ["red", "green", "red"]
    assert table.flag.tolist() == ["blue red", "green", "blue red"]
    assert painter.read[:4] == ["a green thing", "green", "a red thing", "red"]
    assert painter.read[4:] == ["blue red", "green"]


def test_a_long_shot_is_all_its_moments(tmp_path):
    path = write(tmp_path, "paint: {terms: [red, green]}")
    seen = archive([[1, 0.2, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]], "aaab")
    assert label(seen, Painter(), path).paint.tolist() == ["green", "red"]
    nothing = label(archive(np.zeros((0, 3)), ""), Painter(), path)
    assert nothing.empty and nothing.columns.tolist() == ["shot_id", "paint"]


def test_a_real_model_gives_the_term_that_lies_nearest(clip, tmp_path):
    encoder = load_encoder(clip)
    path = write(tmp_path, 'place: {prompts: ["a {}", "a red {}"], terms: [house, sea]}')
    # Shots that show exactly what is said of each.
    sea = encoder.encode_text(["a sea", "a red sea"]).sum(axis=0)
    house = encoder.encode_text(["a house", "a red house"]).sum(axis=0)
    assert label(archive([sea, house], "ab"), encoder, path).place.tolist() == ["sea", "house"]


def test_the_lab_s_own_words_are_good():
    groups = load_vocabulary()
    assert {"shot", "place", "light"} <= set(groups)
    for group in groups.values():
        assert len(set(group.terms)) == len(group.terms) >= 5
        assert all("{}" in prompt for prompt in group.prompts)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("place: {terms: [}", "cannot be read as YAML"),
        ("place: [house, sea]", "place is not right"),
        ("place: {terms: [1, 2]}", "place.terms.0 is not right"),
        ("place: {terms: []}", "place.terms is not right"),
        ("place: {terms: [sea], prompts: [a film]}", "place.prompts.0 is not right"),
        ("", "the document is not right"),
    ],
)
def test_other_files_are_told_in_one_line(text, why, tmp_path):
    path = write(tmp_path, text)
    with pytest.raises(VocabularyError) as raised:
        load_vocabulary(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ") and why in message and "\n" not in message


def test_a_file_that_is_not_there_and_a_model_without_words_are_told(tmp_path):
    with pytest.raises(VocabularyError, match="cannot be read"):
        load_vocabulary(tmp_path / "none.yaml")
    with pytest.raises(EncoderError, match="reads no words; take a vision-text model"):
        label(archive([[1.0]], "a"), PackagedEncoder())
