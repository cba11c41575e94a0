"""The version, apart from everything else so that all may import it."""

__version__ = "0.1.0"
