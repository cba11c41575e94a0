"""What a backend makes: files, as data. Nothing here touches a disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True, eq=False, slots=True)
class BuildPlan:
    """The contents of a directory: relative POSIX paths and bytes. Text is given as str and stored as UTF-8.

    Raises ValueError for a path that is absolute, not normalised, or leaves the directory.
    """

    files: Mapping[str, bytes]

    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        stored: dict[str, bytes] = {}
        for name in sorted(files):
            path = PurePosixPath(name)
            if path.is_absolute() or str(path) != name or ".." in path.parts or name == ".":
                raise ValueError(f"'{name}' is not a path inside the build directory")
            content = files[name]
            stored[name] = content.encode() if isinstance(content, str) else content
        object.__setattr__(self, "files", stored)

    def __or__(self, other: BuildPlan) -> BuildPlan:
        """Both plans' files; raises ValueError if they disagree about one."""
        for name in self.files.keys() & other.files.keys():
            if self.files[name] != other.files[name]:
                raise ValueError(f"two plans disagree about '{name}'")
        return BuildPlan({**self.files, **other.files})

    def matching(self, pattern: str) -> Iterator[str]:
        """Paths that match a glob pattern (as PurePosixPath.match), in order."""
        return (name for name in self.files if PurePosixPath(name).match(pattern))

    def digest(self) -> str:
        """SHA-256 over every path and content, in order of path."""
        total = hashlib.sha256()
        for name, content in self.files.items():
            total.update(f"{len(name.encode())} {name} {len(content)}\n".encode())
            total.update(content)
        return total.hexdigest()
