"""What is moved by hand in a notebook; every callback is a line into a pure function."""

from lab.widgets.cutting import CutStrip

__all__ = ["CutStrip"]
