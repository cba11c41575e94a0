"""Data sets for human activity recognition: from their original distributions to labelled windows."""
