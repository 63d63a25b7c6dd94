"""Learning to see: a small network that has only ever seen one thing, and what it makes of others.

After Memo Akten, *Learning to See: Gloomy Sunday* (2017), and Akten, Fiebrink and Grierson,
"Learning to See: You Are What You See" (SIGGRAPH 2019, https://arxiv.org/abs/2003.00902).

And its quick cousin, that learns nothing: a camera answered live by the archive's own shots.
"""

from lab.see.answering import Answering, AnswerState, answer, captions
from lab.see.archive import Archive, load_archive
from lab.see.degrade import Recipe
from lab.see.films import see_beside, see_film, see_pictures, see_shot
from lab.see.images import (
    Images,
    SeeError,
    read_films,
    read_folder,
    read_images,
    read_others,
    read_scene,
    split,
)
from lab.see.learner import Training
from lab.see.looking import Looking, Model, State, load_model, step
from lab.see.recording import Recording
from lab.see.session import Session, open_session
from lab.see.sources import Camera, Playing, Slides
from lab.see.training import read_losses, train

__all__ = [
    "AnswerState",
    "Answering",
    "Archive",
    "Camera",
    "Images",
    "Looking",
    "Model",
    "Playing",
    "Recipe",
    "Recording",
    "SeeError",
    "Session",
    "Slides",
    "State",
    "Training",
    "answer",
    "captions",
    "load_archive",
    "load_model",
    "open_session",
    "read_films",
    "read_folder",
    "read_images",
    "read_losses",
    "read_others",
    "read_scene",
    "see_beside",
    "see_film",
    "see_pictures",
    "see_shot",
    "split",
    "step",
    "train",
]
