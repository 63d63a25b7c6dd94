"""The image atlas from Python: pictures on sheets, and what is sent to the browser."""

import io

import numpy as np
import pytest
from PIL import Image

from lab.atlas import sprites, tile_of
from lab.widgets.atlas import Atlas

SMALL = 64, 36


@pytest.fixture
def pictures(tmp_path):
    """Paths of n JPEGs of one colour each, and their colours."""

    def make(count, size=(320, 180)):
        colours = np.random.default_rng(count).integers(30, 226, (count, 3))
        paths = [tmp_path / f"{k}.jpg" for k in range(count)]
        for path, colour in zip(paths, colours, strict=True):
            Image.new("RGB", size, tuple(colour.tolist())).save(path)
        return paths, colours

    return make


def tile(sheets, k):
    """The middle of picture k, float (h, w, 3), taken from where it should stand."""
    row, column = divmod(k % 1792, 32)
    sheet = np.asarray(Image.open(io.BytesIO(sheets[k // 1792])), float)
    return sheet[36 * row : 36 * row + 36, 64 * column : 64 * column + 64]


def test_every_picture_stands_at_its_place(pictures):
    paths, colours = pictures(40)
    many = paths * 45 + paths[:25]  # a full sheet, and two rows of another
    sheets = sprites(many, SMALL)
    assert [Image.open(io.BytesIO(sheet)).size for sheet in sheets] == [(2048, 2016), (2048, 72)]
    for k in (0, 1, 31, 32, 39, 1791, 1792, 1824):
        mean = tile(sheets, k)[4:-4, 4:-4].mean(axis=(0, 1))
        assert np.abs(mean - colours[k % 40]).max() < 6
    assert np.abs(tile(sheets, 1825)[8:, 8:]).max() < 12  # nothing stands after the last


@pytest.mark.parametrize("size", [(180, 180), (320, 90)])
def test_a_picture_keeps_its_shape(pictures, size):
    paths, colours = pictures(1, size)
    light = tile(sprites(paths, SMALL), 0).max(axis=2) > colours[0].max() / 2
    wide, high = light[18].sum(), light[:, 32].sum()
    assert abs(wide / high - size[0] / size[1]) < 0.15 and (wide == 64 or high == 36)


def test_a_missing_or_broken_picture_is_a_grey_tile(pictures, tmp_path):
    paths, _ = pictures(1)
    (tmp_path / "broken.jpg").write_bytes(paths[0].read_bytes()[:200])
    (tmp_path / "words.jpg").write_text("not a picture")
    broken = [tmp_path / name for name in ("none.jpg", "broken.jpg", "words.jpg")]
    sheets = sprites(broken, SMALL)
    for k in range(3):
        assert np.abs(tile(sheets, k)[4:-4, 4:-4] - 128).max() < 3
    assert sprites([], SMALL) == []


def test_what_is_sent(pictures):
    paths, _ = pictures(3)
    places = np.array([[0.5, 1], [2, -3], [4, 5]])
    atlas = Atlas(places, ["a", "b", "c"], paths, [0, -1, 2], {0: "rain", 2: "sun"}, lit=[2])
    assert np.array_equal(np.frombuffer(atlas.places, "<f4").reshape(-1, 2), places)
    assert atlas.texts == ["a", "b", "c"] and atlas.groups == [0, -1, 2]
    assert len(atlas.sheets) == 1 and atlas.sheets == sprites(paths, (320, 180))
    assert atlas.tile == [320, 180] and atlas.names == {"0": "rain", "2": "sun"}
    assert [tile_of(count) for count in (200, 201, 20_000)] == [(320, 180), (160, 90), SMALL]
    assert (atlas.chosen, atlas.lit, atlas.clicked) == ([], [2], -1)
    synced = {"places", "texts", "groups", "sheets", "chosen", "lit", "clicked"}
    assert synced <= set(atlas.get_state())
    assert Atlas(places, ["a", "b", "c"], paths).groups == [-1, -1, -1]
    assert Atlas(np.zeros((0, 2)), [], []).sheets == []


@pytest.mark.parametrize(
    "places, texts, missing, groups",
    [
        (np.zeros((2, 2)), 3, 0, None),
        (np.zeros((3, 3)), 3, 0, None),
        (np.full((3, 2), np.nan), 3, 0, None),
        (np.zeros((3, 2)), 3, 1, None),
        (np.zeros((3, 2)), 3, 0, [0, 1]),
    ],
)
def test_lengths_that_differ_are_told(pictures, places, texts, missing, groups):
    paths, _ = pictures(3)
    with pytest.raises(ValueError, match=r"^(places|there) must be [^.]*$"):
        Atlas(places, ["a shot"] * texts, paths[missing:], groups)
