"""Learning to see: known inputs, a network that learns two images by heart, steps by hand."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file

from lab import plots
from lab.cli import main
from lab.ingest import ingest
from lab.layout import NONE
from lab.sample import numbered_film, read_number
from lab.scenes import open_map
from lab.see import (
    Looking,
    Model,
    Recipe,
    SeeError,
    State,
    Training,
    load_model,
    read_films,
    read_folder,
    read_images,
    read_losses,
    read_others,
    read_scene,
    split,
    step,
    train,
)
from lab.see.checkpoints import VERSION, write_model
from lab.see.degrade import (
    clouds,
    dimmed,
    edges,
    grey,
    jittered,
    pair,
    reduced,
    stranger,
    view,
)
from lab.see.images import PHOTOGRAPHS, Images, photographs
from lab.see.learner import LABEL, Learner, _follow, _typical
from lab.see.networks import (
    TILE,
    Discriminator,
    Features,
    Generator,
    features_on,
    misshapen,
    unlike,
)
from lab.store import Workspace
from lab.tables import thumbnail_path
from lab.video import FilmError, probe

TINY = Training(size=64, batch=2, every=2, warm=1, seed=3)


def stills(folder, count=10, size=(90, 70)):
    """A folder of soft coloured pictures, all different."""
    rng = np.random.default_rng(1)
    folder.mkdir(exist_ok=True)
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 255, (4, 5, 3), np.uint8))
        small.resize(size, Image.BICUBIC).save(folder / f"{number}.png")
    return folder


class Glass(torch.nn.Module):
    """A network that shows what it is shown, in all three colours."""

    def forward(self, given):
        return given.expand(-1, 3, -1, -1)


def through_glass(**recipe):
    return Model(Glass(), Recipe(**{"reduction": 1, **recipe}), {}, torch.device("cpu"))


def flat(value, size=64):
    return np.full((size, size, 3), value, np.uint8)


# What is shown.


def test_reduction_takes_means_and_leaves_flat_light_alone():
    assert np.allclose(reduced(np.full((96, 96), 0.3, np.float32), 24), 0.3, atol=1e-6)
    # Stripes of two pixels vanish in blocks of four by four: 16 pixels become one.
    stripes = np.tile(np.float32([0, 0, 1, 1]), (64, 16))
    assert np.allclose(reduced(stripes, 16), 0.5, atol=1e-5)
    assert np.array_equal(reduced(stripes, 1), stripes)


def test_reduction_keeps_what_is_large_where_it_is():
    half = np.zeros((128, 128), np.float32)
    half[:, 64:] = 1
    soft = reduced(half, 24)
    assert soft[:, :52].max() < 0.02 and soft[:, 76:].min() > 0.98
    assert abs(soft.mean() - 0.5) < 0.01 and soft.min() >= 0 and soft.max() <= 1


def test_grey_weighs_colours_as_the_eye_does():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert np.allclose(grey(colours)[0], [0.299, 0.587, 0.114, 1], atol=0.003)


def test_jitter_turns_light_about_its_mean():
    light = np.tile(np.float32([0.4, 0.6]), (8, 4))
    brightness_alone = jittered(light, Recipe(contrast=0, brightness=0.2), np.random.default_rng(0))
    drawn = np.random.default_rng(0).uniform(-1, 1, 2)
    assert np.allclose(brightness_alone, light + 0.2 * drawn[0], atol=1e-6)
    contrast_alone = jittered(light, Recipe(contrast=0.5, brightness=0), np.random.default_rng(0))
    assert np.allclose(contrast_alone - 0.5, (light - 0.5) * (1 + 0.5 * drawn[1]), atol=1e-6)


def test_views_are_parts_of_the_picture_at_their_scale():
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3))
    recipe, slopes, turned = Recipe(closest=0.5), [], 0
    for seed in range(40):
        part = view(ramp, 50, recipe, np.random.default_rng(seed))
        assert part.shape == (50, 50, 3)
        slope = (float(part[25, -5, 0]) - float(part[25, 4, 0])) / 41
        turned += slope < 0
        slopes.append(abs(slope))
        assert part.max() <= 199
    assert 0.9 < min(slopes) < 1.15 and 1.8 < max(slopes) < 2.1  # sides of 50 to 100 pixels
    assert 8 < turned < 32
    whole = view(ramp, 50, Recipe(closest=1, mirror=False), np.random.default_rng(0))
    assert np.all(np.diff(whole[25, :, 0].astype(int)) > 0)


def test_a_pair_is_its_targets_own_grey_and_the_same_seed_gives_the_same():
    picture = np.asarray(Image.effect_noise((90, 80), 60).convert("RGB"))
    calm = Recipe(brightness=0, contrast=0)
    given, target = pair(picture, 64, calm, np.random.default_rng(5))
    assert given.dtype == np.float32 and target.dtype == np.uint8
    assert np.allclose(given, reduced(grey(target), 24), atol=1e-6)
    again = pair(picture, 64, calm, np.random.default_rng(5))
    assert np.array_equal(given, again[0]) and np.array_equal(target, again[1])


def test_strangers_are_no_pictures_of_the_kind_and_the_same_seed_gives_the_same():
    picture, recipe = stripes_of_light(), Recipe(brightness=0, contrast=0, reduction=1)
    given = picture, photographs(), 64, recipe
    made = [stranger(*given, np.random.default_rng(seed)) for seed in range(40)]
    assert all(one.shape == (64, 64) and one.dtype == np.float32 for one in made)
    assert all(one.min() >= 0 and one.max() <= 1 for one in made)
    # Light falls off to the right in the picture; here it goes every way, and breaks off at shapes.
    ways = {int(np.argmax(_ways(one))) for one in made}
    assert ways == {0, 1, 2, 3}
    assert np.mean([np.abs(np.diff(one)).max() > 0.1 for one in made]) > 0.3
    assert np.array_equal(made[7], stranger(*given, np.random.default_rng(7)))
    # What else there is comes as it is in a good third, and in part in most of the rest.
    bright = [np.full((64, 64, 3), 255, np.uint8)]
    made = [stranger(picture, bright, 64, recipe, np.random.default_rng(k)) for k in range(400)]
    assert 0.3 < np.mean([one.min() == 1 for one in made]) < 0.5
    assert np.mean([one.max() == 1 for one in made]) > 0.8


def test_clouds_are_the_stronger_the_larger_they_are():
    made = [clouds(64, np.random.default_rng(seed)) for seed in range(20)]
    power = np.mean([np.abs(np.fft.fft2(one - one.mean())) ** 2 for one in made], axis=0)[0]
    assert power[1] > 4 * power[4] > 16 * power[16] > 0
    assert all(one.dtype == np.float32 and 0 <= one.min() < one.max() <= 1 for one in made)


def stripes_of_light():
    return np.repeat(np.tile(np.linspace(220, 20, 96).astype(np.uint8), (96, 1))[..., None], 3, 2)


def _ways(light):
    """How much lighter a picture is at its left, right, top and bottom than opposite."""
    across, down = (
        light[:, :16].mean() - light[:, -16:].mean(),
        light[:16].mean() - light[-16:].mean(),
    )
    return across, -across, down, -down


def test_edges_are_where_light_changes():
    square = np.zeros((64, 64), np.float32)
    square[16:48, 16:48] = 1
    found = edges(square)
    assert found[32, 14:19].max() > 0.3 and found[32, 45:50].max() > 0.3
    assert found[32, 28:36].max() == 0 and found[4].max() == 0
    assert np.array_equal(dimmed(square, Recipe(edges=True)), found)


# Which images.


def test_a_folder_gives_its_pictures_and_says_where_they_are_from(tmp_path):
    folder = stills(tmp_path / "sea")
    (folder / ".hidden.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("nor this")
    images = read_images([folder], 32)
    assert len(images.pictures) == 10 and images.groups[0] == "0.png"
    assert images.pictures[0].shape == (48, 62, 3)  # the shorter side one and a half times 32
    assert images.sources[0]["path"] == str(folder) and images.sources[0]["images"] == 10


def test_what_cannot_be_learnt_from_is_one_sentence(tmp_path, film):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SeeError, match="holds neither pictures"):
        read_images([empty])
    with pytest.raises(SeeError, match="holds no pictures"):
        read_folder(empty)
    few = stills(tmp_path / "few", 3)
    with pytest.raises(SeeError, match="3 images, and 8 are the least"):
        read_images([few])
    (few / "bad.jpg").write_bytes(b"no picture at all")
    with pytest.raises(SeeError, match=r"bad\.jpg: is not a picture"):
        read_images([few])
    with pytest.raises(SeeError, match=r"gives \d images"):
        read_films([film("h264-closed.mp4")])
    with pytest.raises(FilmError, match="does not exist"):
        read_images([tmp_path / "nowhere"])


def test_films_give_the_frame_on_show_every_so_often(film):
    images = read_films([film("late.mp4")], 128, every=0.5)
    # Four seconds of 24 frames, the first at second 3 on the film's clock.
    assert [read_number(one) for one in images.pictures] == [*range(0, 96, 12)]
    assert images.sources[0]["images"] == 8


def test_black_bars_are_no_part_of_what_is_learnt(tmp_path):
    path = tmp_path / "barred.mp4"
    numbered_film(path, (96,), bars=(30, 0), first=None)
    images = read_films([path], 128, every=0.25)
    assert all(one.shape[0] / one.shape[1] < 0.44 for one in images.pictures)  # 132 / 320
    assert min(one[0].mean() for one in images.pictures) > 20


@pytest.mark.long
def test_a_scene_gives_frames_of_its_shots_and_of_no_other(tmp_path, monkeypatch):
    workspace = Workspace(tmp_path / "data")
    workspace.archive.mkdir(parents=True)
    numbered_film(workspace.archive / "one.mp4", (48, 48, 48, 48), rate=Fraction(24))
    ingest([workspace.archive / "one.mp4"], workspace)
    found = open_map(workspace)
    # Few shots make no scenes: say which belong together, and call it something.
    shots = found.shots.assign(cluster=[NONE, 0, NONE, 0])
    scenes = pd.DataFrame({"cluster": [0], "name": ["the sea"]})
    drawn = replace(found, shots=shots, scenes=scenes)
    monkeypatch.setattr("lab.see.images.open_map", lambda workspace: drawn)
    images = read_scene(workspace, 0, 128, every=0.45)
    numbers = [read_number(picture) for picture in images.pictures]
    assert len(numbers) == 8 and images.groups == [*[shots.shot_id[1]] * 4, *[shots.shot_id[3]] * 4]
    assert all(48 <= number < 96 for number in numbers[:4])
    assert all(144 <= number < 192 for number in numbers[4:])
    assert np.all(np.diff(numbers[:4]) >= 10)
    assert images.sources[0]["title"] == "one" and images.sources[0]["images"] == 8
    # The other shots are what it is not, and all are where there is no scene.
    pictures = [
        np.asarray(Image.open(thumbnail_path(workspace, f, k)))
        for f, k in zip(shots.film_id, shots["index"], strict=True)
    ]
    assert all(map(np.array_equal, images.others, [pictures[0], pictures[2]]))
    assert all(map(np.array_equal, read_others(workspace), pictures))
    assert read_others(Workspace(tmp_path / "nowhere")) == []
    by_name = read_scene(workspace, "the sea", 128, every=0.45)
    assert by_name.fingerprint == images.fingerprint
    with pytest.raises(SeeError, match="no scene 'forest'; it has 0 'the sea'"):
        read_scene(workspace, "forest")
    with pytest.raises(SeeError, match="gives 2 images"):
        read_scene(workspace, "0", every=9)


def test_held_out_images_have_no_neighbours_among_the_others():
    groups = [f"film:{k // 5}" for k in range(60)]
    images = Images([np.full((4, 4, 3), k, np.uint8) for k in range(60)], groups, [])
    learnt, held = split(images, seed=1)
    assert not set(learnt.groups) & set(held.groups)
    assert len(held.pictures) == 10 and len(learnt.pictures) == 50
    assert split(images, seed=1)[1].groups == held.groups != split(images, seed=2)[1].groups
    with pytest.raises(SeeError, match="none can be held out"):
        split(images.some(range(5)))


# The networks.


def test_the_generator_takes_any_size_and_looks_at_all_of_it():
    torch.manual_seed(0)
    network = Generator().eval()
    with torch.inference_mode():
        for size in ((128, 128), (90, 161)):
            assert network(torch.rand(1, 1, *size)).shape == (1, 3, *size)
        dark = torch.zeros(1, 1, 128, 128)
        spot = dark.clone()
        spot[..., 60:68, 60:68] = 1
        change = (network(spot) - network(dark)).abs().amax(1)[0]
    assert change[56:72, 56:72].max() > 0 and change[:16].max() < change[56:72].max()


def test_the_generator_is_told_what_the_encoder_makes_of_it_and_keeps_no_copy():
    torch.manual_seed(0)
    network, given = Generator().eval(), torch.rand(1, 1, 128, 128)
    torch.nn.init.normal_(network.colours.weight, std=0.1)
    assert sum(one.numel() for one in network.state_dict().values()) < 3.5e6
    features_on.cache_clear()
    with torch.inference_mode():
        seen = network(given)
        for told in network.told:
            torch.nn.init.zeros_(told.weight)
        assert not torch.allclose(seen, network(given), atol=1e-3)
    # Made by one who only looks, it still serves one who learns.
    made = network(given)
    features_on(given.device).whole(features_on(given.device)(made)).sum().backward()
    assert network.colours.weight.grad.abs().sum() > 0


def test_texture_of_flat_light_grows_from_grain_that_stands_still():
    torch.manual_seed(0)
    network, given = Generator().eval(), torch.full((1, 1, 4 * TILE + 128, 128), 0.5)
    torch.nn.init.normal_(network.full[1].conv.weight, std=0.1)
    for told in network.told:  # the encoder sees borders from afar
        torch.nn.init.zeros_(told.weight)
    with torch.inference_mode():
        seen = network(given)[0, :, 64:-64, 64]
        assert torch.equal(seen, network(given)[0, :, 64:-64, 64])
        moved = network(given, (8, 0))[0, :, 64:-64, 64]  # it thinks in strides of eight
        assert torch.allclose(moved[:, 32:], seen[:, :-32], atol=1e-4)
        network.grain.zero_()
        # Without it there is none, and no lattice of shuffled pixels either.
        bare = network(given)[0, :, 64:-64, 64]
    assert torch.allclose(bare, bare[:, :1], atol=1e-4) and seen.std(dim=1).min() > 0.01


def test_shapes_are_kept_however_light_strong_or_coloured_they_are():
    rng, size, reduction = np.random.default_rng(0), 96, 16
    small = torch.from_numpy(rng.random((2, 1, size // 4, size // 4), np.float32))
    given = small.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    seen = given.expand(-1, 3, -1, -1)
    slope = torch.linspace(0, 1, size)[:, None]  # a sky over a ground
    red = seen * torch.tensor([2, 0, 0])[:, None, None]
    for one in (seen, 0.2 + 0.5 * seen, seen + slope, red):
        assert misshapen(one, given, reduction).max() < 0.05
    assert misshapen(1 - seen, given, reduction).min() > 1.95
    assert (misshapen(seen.flip(0), given, reduction) - 1).abs().max() < 0.15  # another's shapes
    # What is finer than what was shown is the network's own.
    board = torch.from_numpy(np.indices((size, size)).sum(0) % 2).float()
    assert misshapen(seen + board, given, reduction).max() < 0.05


def test_the_discriminator_speaks_of_every_patch_at_every_depth():
    features, pictures = Features(), torch.rand(2, 3, 160, 160)
    seen = features(pictures)
    assert [one.shape[1] for one in seen] == features.depths == [16, 24, 40, 112, 320]
    said = Discriminator(features.depths)(pictures, seen)
    assert [one.shape[2] for one in said] == [20, 80, 40, 20, 10, 5]
    assert all(one.shape[:2] == (2, 1) for one in said)


def test_features_are_nearer_for_a_picture_and_its_like():
    rng, features = np.random.default_rng(0), Features()
    small = torch.from_numpy(rng.random((1, 3, 8, 8), np.float32))
    picture = torch.nn.functional.interpolate(small, (64, 64), mode="bicubic").clamp(0, 1)
    noisy = (picture + 0.02 * torch.randn(1, 3, 64, 64)).clamp(0, 1)
    other = picture.flip(1).roll(20, 3)
    known = features(picture)
    assert float(features.apart(known, known)) < 1e-5
    near, far = (float(features.apart(features(one), known)) for one in (noisy, other))
    assert 1e-4 < near < far
    assert all(not weight.requires_grad for weight in features.parameters())


def test_a_picture_is_as_far_from_a_kind_as_from_the_nearest_of_it():
    rng, features = np.random.default_rng(0), Features()
    small = torch.from_numpy(rng.random((6, 3, 5, 5), np.float32))
    found = features(torch.nn.functional.interpolate(small, (64, 64), mode="bicubic").clamp(0, 1))
    whole = features.whole(found)
    assert torch.allclose(whole.norm(dim=1), torch.ones(6), atol=1e-5)
    assert torch.allclose(unlike(whole, whole[:1].repeat(3, 1)), 1 - whole @ whole[0], atol=1e-5)
    far = 1 - whole[1:] @ whole[0]
    assert float(unlike(whole[:1], whole)) < float(far.min()) / 2
    assert float(far.min()) <= float(unlike(whole[:1], whole[1:])) < float(far.mean())


def test_a_kind_is_from_itself_as_far_as_an_image_is_from_another():
    # Four images of two views each: two are alike, two at right angles to all; at a quarter of
    # the distances 0, 0, 0, 0, 1, 1, 1, 1 is 0, and of one alike and three others, 1.
    x, y, z, w = torch.eye(4)
    kind = torch.stack([torch.stack(one) for one in ([x, x], [x, x], [y, y], [w, w])])
    assert _typical(kind) == pytest.approx(0, abs=1e-5)
    assert _typical(kind[1:]) == pytest.approx(1, abs=1e-5)
    assert float(unlike(z[None], kind.flatten(0, 1))) == pytest.approx(1)


# Learning.


def test_photographs_that_come_along_may_be_given_on_and_say_by_whom_they_are():
    credit = pd.read_csv(PHOTOGRAPHS / "credits.csv").set_index("file")
    files = {path.name for path in PHOTOGRAPHS.glob("*.jpg")}
    assert set(credit.index) == files and credit.index.is_unique and len(files) > 100
    assert credit.notna().all(axis=None) and credit.source.str.startswith("https://").all()
    assert credit.licence.str.fullmatch(r"CC0 1\.0|public domain|CC BY \d\.\d").all()
    assert all(min(one.shape[:2]) >= 100 for one in photographs())


def test_others_that_are_of_the_kind_are_not_kept_away_from(tmp_path):
    images = read_folder(stills(tmp_path / "sea"), 64)
    foreign = len(Learner(images, tmp_path, TINY).foreign)
    assert 100 < foreign <= len(photographs())
    learnt = Learner(replace(images, others=images.pictures), tmp_path, TINY)
    assert len(learnt.others) == len(photographs()) + 10
    assert len(learnt.foreign) - foreign < 10 / 2


def test_it_learns_the_slower_the_more_it_has_learnt(tmp_path):
    learner = Learner(read_folder(stills(tmp_path / "sea"), 64), tmp_path, TINY)
    rates = []
    for count in (0, 1000, 4000):
        learner.losses = [(0.0,)] * count
        rates.append(learner.rate / TINY.rate)
    assert rates == [1, 1, 0.5]


def test_what_is_looked_through_is_a_mean_of_the_last_ninth_of_all_steps():
    mean = [torch.zeros(1)]
    for count in range(1, 901):  # weights that are as large as the step is late
        _follow(mean, [torch.full((1,), float(count))], torch.tensor(count))
    assert 800 < float(mean[0]) < 820


@pytest.mark.long
def test_a_small_training_learns_its_images_by_heart(tmp_path):
    # Two pictures, shown over and over at one scale: grey in, their own colours out.
    left, right = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    left[:, :32], left[:, 32:] = (120, 20, 20), (150, 190, 250)
    right[:32], right[32:] = (30, 90, 40), (230, 220, 90)
    images = Images([left, right] * 4, [str(k % 4) for k in range(8)], [])
    calm = {"closest": 1, "mirror": False, "brightness": 0, "contrast": 0}
    calm |= {"strangers": 0, "adversarial": 0, "features": 0}
    settings = Training(size=64, batch=2, rate=5e-4, every=50, **calm)
    losses = train(images, tmp_path / "model", settings, steps=160, minutes=5)
    assert losses.pixels[-10:].mean() < losses.pixels[:10].mean() / 2
    model = load_model(tmp_path / "model")
    for picture in (left, right):
        seen = model.see(dimmed(grey(picture), model.recipe))
        assert np.abs(seen[8:24, 8:24].mean((0, 1)) * 255 - picture[16, 16]).max() < 30


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    images = read_folder(stills(tmp_path / "sea"), 64)
    whole = train(images, tmp_path / "whole", TINY, steps=6)
    train(images, tmp_path / "parts", TINY, steps=4)
    parts = train(images, tmp_path / "parts", TINY, steps=6)
    assert parts.step.tolist() == [1, 2, 3, 4, 5, 6]
    pd.testing.assert_frame_equal(whole, parts, rtol=0, atol=1e-5)
    assert whole.adversarial.abs()[2:].min() > 0 and whole.held_out.notna().sum() == 3
    one, other = (load_model(tmp_path / name).network.state_dict() for name in ("whole", "parts"))
    assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def test_a_training_leaves_a_model_a_card_a_strip_and_its_losses(tmp_path):
    folder = stills(tmp_path / "sea")
    train(read_folder(folder, 64), tmp_path / "model", TINY, steps=2)
    card = json.loads((tmp_path / "model/card.json").read_text())
    assert card["settings"]["size"] == 64 and card["steps"] == 2 and card["version"] == VERSION
    assert card["sources"][0]["path"] == str(folder)
    assert load_model(tmp_path / "model").card == card
    assert len(pd.read_csv(tmp_path / "model/losses.csv")) == 2
    losses = read_losses(tmp_path / "model")
    assert losses.held_out[1] > 0
    drawn = {trace.name: list(trace.y) for trace in plots.losses(losses).data}
    assert drawn["pixels"] == losses.pixels.tolist()
    assert drawn["held out"] == [losses.held_out[1]]
    # One of ten is held out for every six: two, in three rows.
    assert Image.open(tmp_path / "model/strip.png").size == (2 * 64, 3 * (64 + LABEL))
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {
        "model.safetensors",
        "training.safetensors",
        "card.json",
        "strip.png",
        "losses.csv",
    }


@pytest.mark.parametrize("at", [0, 3])
def test_interrupted_it_keeps_every_step(tmp_path, at):
    images = read_folder(stills(tmp_path / "sea"), 64)
    settings = TINY.model_copy(update={"every": 2})
    step, stepped, handler = Learner.step, [], signal.getsignal(signal.SIGINT)

    def interrupted(self):
        if len(stepped) == at:
            os.kill(os.getpid(), signal.SIGINT)
        step(self)
        stepped.append(self.count)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(images, tmp_path / "stopped", settings, steps=9)
    assert len(read_losses(tmp_path / "stopped")) == at + 1
    assert load_model(tmp_path / "stopped").card["steps"] == at + 1
    assert (tmp_path / "stopped/strip.png").exists()
    goes_on = train(images, tmp_path / "stopped", settings, steps=6)
    whole = train(images, tmp_path / "whole", settings, steps=6)
    pd.testing.assert_frame_equal(whole, goes_on, rtol=0, atol=1e-5)
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.long
def test_it_ends_when_it_learns_nothing_more(tmp_path):
    images = read_folder(stills(tmp_path / "sea"), 64)
    idle = TINY.model_copy(update={"rate": 1e-12, "every": 1, "patience": 3})
    assert len(train(images, tmp_path / "model", idle, minutes=5)) <= 8


def test_a_folder_of_another_training_is_left_alone(tmp_path):
    images = read_folder(stills(tmp_path / "sea"), 64)
    train(images, tmp_path / "model", TINY, steps=1)
    with pytest.raises(SeeError, match="with other settings"):
        train(images, tmp_path / "model", TINY.model_copy(update={"seed": 4}), steps=2)
    with pytest.raises(SeeError, match="on other images"):
        train(images.some(range(9)), tmp_path / "model", TINY, steps=2)
    assert len(read_losses(tmp_path / "model")) == 1


@pytest.mark.long
def test_a_training_that_is_killed_goes_on_to_the_same_losses(tmp_path):
    folder, settings = stills(tmp_path / "sea"), TINY.model_copy(update={"every": 3})
    whole = train(read_folder(folder, 64), tmp_path / "whole", settings, steps=40)
    program = (
        "import sys; from lab.see import *;"
        "train(read_folder(sys.argv[1], 64), sys.argv[2],"
        "Training.model_validate_json(sys.argv[3]), steps=40)"
    )
    command = [sys.executable, "-c", program, folder, tmp_path / "killed"]
    command = [*map(str, command), settings.model_dump_json()]
    reached = []
    for after in (3, 12, 24):
        running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while _reached(tmp_path / "killed") < after and running.poll() is None:
            time.sleep(0.02)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        reached.append(_reached(tmp_path / "killed"))
        load_model(tmp_path / "killed")
    assert reached == sorted(reached) and reached[0] >= 3 and reached[-1] < 40
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    pd.testing.assert_frame_equal(whole, read_losses(tmp_path / "killed"), rtol=0, atol=1e-4)
    assert not list((tmp_path / "killed").glob(".*"))


def _reached(folder):
    try:
        return len(read_losses(folder))
    except SeeError:
        return 0


# Looking.


def test_blending_is_what_arithmetic_says():
    looking = Looking(size=64, before=0.5, after=0.25)
    image, state = step(flat(100), State(through_glass(), looking))
    assert np.all(image == 100)
    image, state = step(flat(200), state)
    # Before: 0.5 * 200 + 0.5 * 100 = 150; after: 0.75 * 150 + 0.25 * 100 = 137.5.
    assert np.all(np.abs(image.astype(float) - 137.5) <= 1)
    assert np.allclose(state.blended, 150 / 255) and np.allclose(state.seen, 137.5 / 255)
    image, state = step(flat(200), state)
    # 0.5 * 200 + 0.5 * 150 = 175; 0.75 * 175 + 0.25 * 137.5 = 165.625.
    assert np.all(np.abs(image.astype(float) - 165.625) <= 1)


def test_a_step_changes_nothing_but_what_it_gives_back():
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (80, 120, 3), np.uint8) for _ in range(3)]
    _, state = step(frames[0], State(through_glass(), Looking(size=64)))
    kept = [array.copy() for array in (state.light, state.blended, state.seen, state.image)]
    frame = frames[1].copy()
    one, other = step(frames[1], state), step(frames[1], state)
    assert np.array_equal(one[0], other[0]) and np.array_equal(frames[1], frame)
    now = (state.light, state.blended, state.seen, state.image)
    assert all(np.array_equal(a, b) for a, b in zip(now, kept, strict=True))


def still(**settings):
    """A state without memory of what came before, as far as the settings let it."""
    calm = {"size": 64, "before": 0, "after": 0}
    return State(through_glass(), Looking(**{**calm, **settings}))


def test_settings_do_what_they_say():
    ramp = np.repeat(np.tile(np.linspace(0, 255, 64).astype(np.uint8), (64, 1))[..., None], 3, 2)
    plain, _ = step(ramp, still())
    assert np.array_equal(plain, ramp)
    flipped, _ = step(ramp, still(flip=True))
    assert np.array_equal(flipped, ramp[:, ::-1])
    cropped, _ = step(ramp, still(crop=0.5))
    assert abs(int(cropped[32, 0, 0]) - 64) < 6 and abs(int(cropped[32, -1, 0]) - 190) < 6
    sharp, _ = step(ramp, still(threshold=0.5))
    assert np.all(sharp[:, :32] == 0) and np.all(sharp[:, 32:] == 255)
    soft, _ = step(sharp, still(blur=4))
    assert 80 < soft[32, 32, 0] < 180 and soft[32, 2, 0] < 5
    lined, _ = step(sharp, still(edges=True))
    assert lined[32, 30:35].max() > 80 and lined[32, 8].max() == 0
    mixed, _ = step(flat(200), replace(still(mix=0.25), model=dark()))
    assert np.all(mixed == 50)


def dark():
    """A model that sees nothing."""
    glass = through_glass()
    return replace(glass, network=torch.nn.Sequential(Glass(), torch.nn.Threshold(2.0, 0.0)))


def test_difference_shows_what_moves_and_accumulation_lets_it_linger():
    moving = flat(0)
    moving[20:40, 20:40] = 200
    _, state = step(flat(0), still(difference=True))
    image, state = step(moving, state)
    assert np.all(image[25:35, 25:35] == 200) and image[5].max() == 0
    image, _ = step(moving, state)
    assert image.max() == 0
    _, state = step(moving, still(accumulate=0.5))
    image, state = step(flat(0), state)
    assert np.all(image[25:35, 25:35] == 100)
    image, _ = step(flat(0), state)
    assert np.all(image[25:35, 25:35] == 50)


def test_freeze_freezes_and_models_and_sizes_can_be_switched():
    image, state = step(flat(90), still())
    frozen = replace(state, settings=state.settings.model_copy(update={"freeze": True}))
    again, after = step(flat(10), frozen)
    assert np.array_equal(again, image) and after is frozen
    image, _ = step(flat(90), replace(state, model=dark()))
    assert image.max() == 0
    wider, _ = step(flat(90), replace(state, settings=Looking(size=96)))
    assert wider.shape == (96, 96, 3) and np.all(wider == 90)


def test_the_picture_keeps_its_shape_or_is_square():
    frame = np.zeros((90, 160, 3), np.uint8)
    assert step(frame, still())[0].shape == (64, 114, 3)
    assert step(frame, still(square=True))[0].shape == (64, 64, 3)


def test_blending_at_least_halves_flicker(tmp_path):
    torch.manual_seed(0)
    network = Generator().eval()
    with torch.no_grad():  # untrained, but with something to say in every part
        for name, weight in network.named_parameters():
            if name.endswith("two.weight"):
                weight.normal_(0, 0.02)
    model = Model(network, Recipe(), {}, torch.device("cpu"))
    rng = np.random.default_rng(0)
    scene = np.asarray(Image.effect_noise((16, 16), 90).resize((128, 128)).convert("RGB"), float)
    clip = [
        (scene + rng.normal(0, 12, scene.shape)).clip(0, 255).astype(np.uint8) for _ in range(9)
    ]
    calm, bare = (
        _flicker(clip, State(model, looking))
        for looking in (Looking(size=128), Looking(size=128, before=0, after=0))
    )
    assert bare > 0 and calm <= bare / 2


def _flicker(clip, state):
    """Mean change of the image from one frame to the next, 0 to 255, once it is under way."""
    images = []
    for frame in clip:
        _, state = step(frame, state)
        images.append(state.seen * 255)
    return float(np.abs(np.diff(images[2:], axis=0)).mean())


# Models that are none.


def test_what_is_no_model_is_one_sentence(tmp_path):
    with pytest.raises(SeeError, match="does not exist"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(SeeError, match=r"there is no model\.safetensors"):
        load_model(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\x80\x04 a pickle, or anything")
    with pytest.raises(SeeError, match="is no model of `lab see train`"):
        load_model(tmp_path)
    save_file({"a": np.zeros(3, np.float32)}, path)
    with pytest.raises(SeeError, match="is no model"):
        load_model(tmp_path)
    write_model(tmp_path, {"a": torch.zeros(3)}, {"version": VERSION, "settings": {}})
    with pytest.raises(SeeError, match="is no model"):
        load_model(path)
    write_model(tmp_path, Generator().state_dict(), {"version": 99})
    with pytest.raises(SeeError, match=f"is of version 99, and {VERSION} is read here"):
        load_model(tmp_path)


def test_a_model_cut_short_is_told(tmp_path):
    settings = Training().model_dump()
    write_model(tmp_path, Generator().state_dict(), {"version": VERSION, "settings": settings})
    assert load_model(tmp_path).recipe == Recipe()
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(SeeError, match="is no model"):
        load_model(tmp_path)


# The command.


def test_the_command_trains_and_looks(tmp_path, film, capsys):
    folder, model, out = stills(tmp_path / "sea"), tmp_path / "model", tmp_path / "seen.mp4"
    asked = ["--size", "64", "--batch", "2", "--every", "1", "--patience", "1", "--rate", "1e-9"]
    assert main(["see", "train", str(folder), "--out", str(model), *asked]) == 0
    assert f"-> {model}" in capsys.readouterr().out
    source = str(film("h264-closed.mp4"))
    looks = ["--size", "64", "--flip", "--before", "0.2"]
    assert main(["see", "run", source, "--model", str(model), "--out", str(out), *looks]) == 0
    assert "96 frames" in capsys.readouterr().out
    assert probe(out).height == 64


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["train", "--out", "m"], "name a folder of stills"),
        (["train", "x", "--scene", "1", "--out", "m"], "name a folder of stills"),
        (["train", "nowhere", "--out", "m"], "does not exist"),
        (["train", "letters", "--out", "m"], "letters: holds neither pictures"),
        (["train", "sea", "--out", "letters/a.txt"], "a.txt: is a file, and a model is a folder"),
        (["run", "x.mp4", "--model", "m", "--out", "y.avi"], r"end the name in .mp4"),
        (["run", "x.mp4", "--model", "nowhere", "--out", "y.mp4"], "does not exist"),
    ],
)
def test_what_the_command_cannot_do_is_one_sentence(asked, told, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stills(tmp_path / "sea", 60)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("a letter")
    assert main(["see", *asked]) == 1
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert told in line and line.startswith("lab: ")
