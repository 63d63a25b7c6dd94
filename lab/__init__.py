"""A workbench for neural reinterpretations: every shot of a trailer answered from an archive."""

__version__ = "0.1.0"
