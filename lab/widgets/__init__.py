"""What is moved by hand in a notebook; every callback is a line into a pure function."""

from lab.widgets.atlas import Atlas
from lab.widgets.cutting import CutStrip
from lab.widgets.exploring import SceneExplorer
from lab.widgets.live import LiveView
from lab.widgets.studio import MatchStudio

__all__ = ["Atlas", "CutStrip", "LiveView", "MatchStudio", "SceneExplorer"]
