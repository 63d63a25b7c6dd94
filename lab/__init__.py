"""A workbench for neural reinterpretations: every shot of a trailer answered from an archive."""

__version__ = "0.1.0"


class LabError(Exception):
    """What somebody can mend: one sentence with what it is about, the cause and what to do."""
