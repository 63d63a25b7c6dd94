"""What the tests share: films with known answers, made once a session."""

from __future__ import annotations

import json
import os
import shutil
from fractions import Fraction

import pytest
from hypothesis import settings

# Before anything imports transformers: no test may ask a hub.
os.environ["HF_HUB_OFFLINE"] = "1"

from lab.sample import numbered_film
from lab.store import CARD

# The same examples each time, and none kept on disk.
settings.register_profile("lab", deadline=None, database=None, derandomize=True)
settings.load_profile("lab")

CLOSED = {"x264-params": "keyint=12:bframes=2:open-gop=0:scenecut=0"}
OPEN = {"x264-params": "keyint=12:min-keyint=12:bframes=3:open-gop=1:scenecut=0"}
VARIABLE = [Fraction(i, 24) + Fraction(i % 3, 90) + Fraction(i // 24, 7) for i in range(96)]

# A film of each kind that archives hold, four shots of 24 numbered frames.
KINDS = {
    "h264-closed.mp4": {"options": CLOSED, "sound": "aac"},
    "h264-open.mp4": {"options": OPEN, "sound": "libmp3lame"},
    "h264-open.mkv": {"options": OPEN, "sound": "flac"},
    "h264.ts": {"options": CLOSED, "sound": "aac", "rate": Fraction(25)},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2", "b": "3M"}}
    | {"sound": "mp2", "rate": Fraction(25)},
    "mpeg2.ts": {"codec": "mpeg2video", "options": {"g": "12", "bf": "2", "b": "3M"}}
    | {"sound": "mp2", "rate": Fraction(30000, 1001)},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "12", "bf": "2", "b": "3M"}}
    | {"sound": "libmp3lame", "rate": Fraction(25)},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}
    | {"sound": "libopus"},
    "prores.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le", "sound": "pcm_s16le"},
    "variable.mp4": {"times": VARIABLE, "options": {"bf": "2"}, "sound": "aac"},
    "23976.mp4": {"rate": Fraction(24000, 1001), "sound": "aac"},
    "2997.mov": {"rate": Fraction(30000, 1001), "sound": "ac3"},
    "rotated.mp4": {"rotation": 90, "size": (192, 320)},
    "anamorphic.mp4": {"sar": Fraction(4, 3), "size": (240, 192)},
    "late.mp4": {"times": [Fraction(i, 24) + 3 for i in range(96)], "sound": "aac"},
    "interlaced.mpg": {"codec": "mpeg2video", "fields": "top", "rate": Fraction(25)}
    | {"options": {"b": "4M", "bf": "2"}},
}


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """Makes a film of a kind, once; gives its path."""
    folder, made = tmp_path_factory.mktemp("films"), {}

    def make(kind: str):
        if kind not in made:
            numbered_film(folder / kind, (24, 24, 24, 24), **KINDS[kind])
            made[kind] = folder / kind
        return made[kind]

    return make


WORDS = ["<pad>", "<s>", "<unk>", "a", "red", "house", "sea", "</s>"]


def tokenizer():
    """A tokenizer of a few words, for small models."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokens = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 7)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=8,
    )


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Folder of a small CLIP with random weights: pictures of 64 x 64, texts of 8 tokens."""
    import torch
    import transformers

    torch.manual_seed(0)
    transformers.logging.disable_progress_bar()
    side = {"intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {"vocab_size": 8, "max_position_embeddings": 8, "pad_token_id": 0}
    words |= {"bos_token_id": 1, "eos_token_id": 7, "hidden_size": 16}
    seeing = {"hidden_size": 24, "image_size": 64, "patch_size": 16}
    config = transformers.CLIPConfig(
        projection_dim=12, text_config=side | words, vision_config=side | seeing
    )
    folder = str(tmp_path_factory.mktemp("clip"))
    transformers.CLIPModel(config).eval().save_pretrained(folder)
    transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}
    ).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def page():
    """A page of Debian's chromium."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    assert program, "install chromium (apt-get install chromium): widgets are tried in a browser"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1400, "height": 1600})
        browser.close()


def pytest_collection_modifyitems(items):
    """One browser at a time: two would take the machine from each other."""
    for item in items:
        if "page" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("browser"))


def contents(work):
    """Every file of a store, hidden ones too, by name; of JSON what it says, but for seconds."""
    files = {path.relative_to(work).as_posix(): path for path in work.rglob("*") if path.is_file()}
    return {
        name: _told(path) if path.suffix == ".json" else path.read_bytes()
        for name, path in files.items()
    }


def _told(path):
    said = json.loads(path.read_bytes())
    if path.name == CARD:
        del said["seconds"], said["cpu_seconds"]
    return said
