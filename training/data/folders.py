"""Where in a folder a distribution lies, and what of it is missing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from bhc.diagnostics import BhcError, fail

_NAMED = 3  # so many missing files are named, the others counted


class IncompleteWarning(UserWarning):
    """Part of a data set is missing, and the rest can be used."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """title: of the data set. origin: where to get it. entry: a file or folder at the top of every copy, as a shell
    pattern.
    """

    title: str
    origin: str
    entry: str

    def locate(self, source: Path) -> Path:
        """The folder that holds `entry`: `source`, one at most two levels below it, or the one above it if `source` is
        the folder that the entry begins with. Raises BhcError: BHC700.
        """
        if not source.is_dir():
            raise self.incomplete(source, "there is no such folder")
        for folder in self._near(source):
            if any(folder.glob(self.entry)):
                return folder
        raise self.incomplete(source, f"it holds no {self.entry}, which every copy has")

    def _near(self, source: Path) -> Iterator[Path]:
        yield source
        if fnmatchcase(source.absolute().name, Path(self.entry).parts[0]):
            yield source.absolute().parent
        children = _folders(source)
        yield from children
        # A folder with many children is no parent of a distribution.
        for child in children[:50]:
            yield from _folders(child)

    def require(self, root: Path, files: Iterable[str]) -> None:
        """Raises BhcError (BHC700) if any of `files`, relative to `root`, does not exist."""
        expected = tuple(files)
        absent = [file for file in expected if not (root / file).exists()]
        if absent:
            more = f" and {len(absent) - _NAMED:,} more" if len(absent) > _NAMED else ""
            found = f"{len(expected) - len(absent):,} of {len(expected):,} files found"
            raise self.incomplete(root, f"{found}; missing: {', '.join(absent[:_NAMED])}{more}")

    def incomplete(self, folder: Path, message: str) -> BhcError:
        """What to raise about a folder without the data."""
        hint = f"get {self.title} from {self.origin} and unpack it; the source is the folder with {self.entry}"
        return fail("BHC700", message, origin=str(folder), hint=hint)


def _folders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir())
