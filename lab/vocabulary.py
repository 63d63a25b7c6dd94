"""Film terms for shots, from a list anyone can edit, by a vision-text model.

The model was trained on none of the terms: it reads them, looks at the shot, and says which fits
best (zero-shot classification with averaged prompts; Radford et al. 2021).
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lab import LabError
from lab.channels import pool, unit
from lab.encoders import read_texts
from lab.tables import Archive

FILE = "vocabulary.yaml"


class VocabularyError(LabError):
    """Words that cannot be used: one sentence on where and why."""


class Group(BaseModel):
    """Terms of which one fits a shot best, and the prompts they are set into, for ``{}``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompts: list[Annotated[str, Field(pattern=r"\{\}")]] = Field(["{}"], min_length=1)
    terms: list[str] = Field(min_length=1)

    def texts(self) -> list[str]:
        """Every term in every prompt, term by term."""
        return [prompt.replace("{}", term) for term in self.terms for prompt in self.prompts]


def load_vocabulary(path=None) -> dict[str, Group]:
    """The groups of a vocabulary file, by name.

    Parameters
    ----------
    path : path-like, optional
        A YAML file like ``lab/vocabulary.yaml``, which is read by default.

    Raises
    ------
    VocabularyError
    """
    file = resources.files("lab").joinpath(FILE) if path is None else Path(path)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        return TypeAdapter(dict[str, Group]).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise VocabularyError(f"{file}: {place} is not right ({first['msg']}).") from None
    except OSError as error:
        raise VocabularyError(f"{file}: cannot be read ({error.strerror}).") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        cause = " ".join(str(error).split())
        raise VocabularyError(f"{file}: cannot be read as YAML ({cause}).") from None


def label(archive: Archive, encoder, path=None) -> pd.DataFrame:
    """The best term of each group for each shot.

    Parameters
    ----------
    archive : Archive
        As `encoder` saw it.
    encoder
        From `lab.encoders`, one that reads words.
    path : path-like, optional
        A vocabulary of your own; see `load_vocabulary`.

    Returns
    -------
    DataFrame
        `shot_id`, in the order of ``archive.shots``, and a column of terms for each group.

    Raises
    ------
    VocabularyError
        If the file is no vocabulary.
    EncoderError
        If the encoder reads no words.
    """
    groups = load_vocabulary(path)
    table = archive.shots[["shot_id"]].reset_index(drop=True)
    if not len(table):
        return table.assign(**dict.fromkeys(groups, ""))
    shots = pd.Index(table.shot_id).get_indexer(archive.moments.shot_id)
    seen = pool(archive.vectors["subject"], shots, len(table))
    for name, group in groups.items():
        read = read_texts(encoder, group.texts())
        meanings = unit(read.reshape(len(group.terms), len(group.prompts), -1).mean(axis=1))
        table[name] = np.array(group.terms, object)[(seen @ meanings.T).argmax(axis=1)]
    return table
