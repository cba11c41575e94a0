"""Clips of video in folders like those of UCF101, as the two streams of a two-stream network see them.

    UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01          a folder of JPEG or PNG frames, in the order of their names
    UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.npy      uint8 (T, H, W, 3)
    UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi      needs the package `av`
    ucfTrainTestlist/trainlist01.txt, testlist01.txt         the official splits, if there

Clips of one group (g01 ... g25) show the same people or scene. K. Soomro, A. R. Zamir, M. Shah: UCF101: A Dataset of
101 Human Actions Classes From Videos in The Wild. arXiv:1212.0402, 2012.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import Dataset

from bhc.diagnostics import BhcError, fail

Frames = NDArray[np.uint8]  # (frames, height, width, 3)

_NAME = re.compile(r"v_\w+_g(\d+)_c\d+")
_IMAGES = frozenset({".jpg", ".jpeg", ".png"})
_VIDEOS = frozenset({".avi", ".mp4"})
_GROUPS_IN_TEST = 7


@dataclass(frozen=True, slots=True)
class Clip:
    """name: "v_ApplyEyeMakeup_g01_c01". path: folder of frames, .npy or video. label: index of the class."""

    name: str
    path: Path
    label: int
    group: int


@dataclass(frozen=True, slots=True)
class ClipSet:
    """classes: the names of the class folders, sorted."""

    classes: tuple[str, ...]
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]


def find(source: Path, fold: int = 1) -> ClipSet:
    """The clips in `source`, a folder of class folders or one with UCF-101/ in it, split as official fold 1, 2 or 3.

    The split is that of the lists trainlistNN.txt and testlistNN.txt in `source`, ucfTrainTestlist/ in it or beside
    it; without lists, groups 1 to 7 (8 to 14, 15 to 21) are the test, as in the lists. Classes without a folder are
    left out. Raises BhcError: BHC700, BHC701, BHC703.
    """
    if fold not in {1, 2, 3}:
        raise fail("BHC703", f"there is no fold {fold}", origin=str(source), hint="folds are 1, 2 and 3")
    root = source / "UCF-101" if (source / "UCF-101").is_dir() else source
    class_folders = _class_folders(root)
    classes = tuple(folder.name for folder in class_folders)
    found = (clip for label, folder in enumerate(class_folders) for clip in _clips(folder, label))
    clips = {f"{classes[clip.label]}/{clip.name}": clip for clip in found}
    folders = (source, source / "ucfTrainTestlist", source.absolute().parent / "ucfTrainTestlist")
    lists = next((f for f in folders if (f / f"trainlist{fold:02}.txt").is_file()), None)
    if lists is None:
        tested = range(1 + _GROUPS_IN_TEST * (fold - 1), 1 + _GROUPS_IN_TEST * fold)
        train = [clip for clip in clips.values() if clip.group not in tested]
        test = [clip for clip in clips.values() if clip.group in tested]
    else:
        train, test = (_listed(lists / f"{part}list{fold:02}.txt", clips, classes) for part in ("train", "test"))
    return ClipSet(classes, tuple(train), tuple(test))


def _class_folders(root: Path) -> list[Path]:
    folders = sorted(f for f in root.iterdir() if f.is_dir() and any(f.glob("v_*"))) if root.is_dir() else []
    if not folders:
        hint = "name a folder of class folders, such as UCF-101 with ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01 in it"
        raise fail("BHC700", "there is no folder of clips in it", origin=str(root), hint=hint)
    return folders


def _clips(folder: Path, label: int) -> Iterator[Clip]:
    for path in sorted(folder.glob("v_*")):
        if not path.is_dir() and path.suffix not in _VIDEOS | {".npy"}:
            hint = "clips are folders of frames, .npy, .avi or .mp4"
            raise fail("BHC700", "this is no clip", origin=str(path), hint=hint)
        name = path.name if path.is_dir() else path.stem
        match = _NAME.fullmatch(name)
        if match is None:
            hint = "clips are named v_CLASS_gNN_cNN: class, group, clip"
            raise fail("BHC701", f"{name!r} does not tell the group of the clip", origin=str(path), hint=hint)
        yield Clip(name, path, label, int(match[1]))


def _listed(path: Path, clips: dict[str, Clip], classes: Sequence[str]) -> list[Clip]:
    """Lines are "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1", without the number in the lists of the test."""
    hint = "get UCF101 and its Train/Test Splits for Action Recognition from www.crcv.ucf.edu/data/UCF101.php"
    if not path.is_file():
        raise fail("BHC700", "there is no such file", origin=str(path), hint=hint)
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        name = line.split()[0].removesuffix(".avi")
        if name.partition("/")[0] not in classes:
            continue
        if name not in clips:
            raise fail("BHC700", f"there is no clip {name}", origin=f"{path}, line {number}", hint=hint)
        found.append(clips[name])
    return found


# ---------------------------------------------------------------- one clip


class Clips(Dataset[tuple[Tensor, Tensor, int]]):
    """Each item: a clip at `length` moments, evenly spread, as (spatial, temporal, label).

    spatial: float32 (length, 3, height, width), RGB from 0 to 1.
    temporal: float32 (length, channels * stack, height, width), what happens in the `stack` steps from one frame to
    the next that follow each moment, oldest first. Without `flow`: differences of RGB frames, -1 to 1, 3 channels.
    With `flow`, a folder with CLASS/NAME/flow_x_00001.jpg and flow_y_00001.jpg: optical flow, x and y, 2 channels; an
    8-bit image of 128 is none, 0 and 255 are the bound at which it was clipped, -1 and about 1.
    size: (height, width) to which frames are resized, whatever their shape. Items raise BhcError: BHC700, BHC701;
    BHC712 where a video needs a package.

    K. Simonyan, A. Zisserman: Two-Stream Convolutional Networks for Action Recognition in Videos. NIPS 2014: one frame
    and a stack of 10 flow fields at each of 25 moments.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        *,
        length: int = 25,
        size: tuple[int, int] = (224, 224),
        stack: int = 10,
        flow: Path | None = None,
    ) -> None:
        self.clips = tuple(clips)
        self.length = length
        self.size = size
        self.stack = stack
        self.flow = flow

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        clip = self.clips[index]
        source = _open(clip.path)
        moments = self._moments(clip, len(source))
        spatial = self._resize(source.read(moments)) / 255
        if self.flow is None:
            temporal = torch.stack([self._differences(source, moment) for moment in moments])
        else:
            fields = _Flow(self.flow / clip.path.parent.name / clip.name, len(source) - 1)
            temporal = torch.stack([self._flow(fields, moment) for moment in moments])
        return spatial, temporal, clip.label

    def _moments(self, clip: Clip, frames: int) -> list[int]:
        last = frames - 1 - self.stack
        if last < 0:
            hint = f"leave the clip out, or take a stack of at most {frames - 1}"
            message = f"{frames} frames; a stack of {self.stack} steps needs {self.stack + 1}"
            raise fail("BHC701", message, origin=str(clip.path), hint=hint)
        return [round(i) for i in np.linspace(0, last, self.length)]

    def _resize(self, images: NDArray[np.uint8]) -> Tensor:
        """(n, H, W, channels) to float32 (n, channels, height, width)."""
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        return torch.nn.functional.interpolate(x, self.size, mode="bilinear", align_corners=False, antialias=True)

    def _differences(self, source: "_Source", moment: int) -> Tensor:
        frames = self._resize(source.read(range(moment, moment + self.stack + 1))) / 255
        return (frames[1:] - frames[:-1]).flatten(0, 1)

    def _flow(self, fields: "_Flow", moment: int) -> Tensor:
        return ((self._resize(fields.read(range(moment, moment + self.stack))) - 128) / 128).flatten(0, 1)


def _wrong(path: Path, message: str) -> BhcError:
    return fail("BHC701", message, origin=str(path), hint="replace the clip, or leave it out")


class _Source:
    """Frames by number. Images are read when they are asked for."""

    def __init__(self, path: Path, frames: Sequence[Path] | Frames) -> None:
        self.path = path
        self.frames = frames
        if not len(frames):
            raise _wrong(path, "there are no frames")

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, numbers: Sequence[int]) -> Frames:
        if isinstance(self.frames, np.ndarray):
            return self.frames[list(numbers)]
        return _stack(self.path, [_image(self.frames[n], "RGB") for n in numbers])


class _Flow:
    """Optical flow by number: (n, H, W, 2) uint8."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.x, self.y = ([p for p in _images(folder) if p.name.startswith(f"flow_{axis}_")] for axis in "xy")
        if not len(self.x) == len(self.y) == count:
            found = f"{len(self.x)} images flow_x_* and {len(self.y)} images flow_y_*"
            hint = "compute the optical flow of the clip again"
            raise fail("BHC700", f"{found} instead of {count} each", origin=str(folder), hint=hint)

    def read(self, numbers: Sequence[int]) -> Frames:
        planes = [np.stack([_image(axis[n], "L") for axis in (self.x, self.y)], -1) for n in numbers]
        return _stack(self.folder, planes)


def _open(path: Path) -> _Source:
    if path.is_dir():
        return _Source(path, _images(path))
    if path.suffix == ".npy":
        return _Source(path, _array(path))
    return _Source(path, _video(path))


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in _IMAGES) if folder.is_dir() else []


def _array(path: Path) -> Frames:
    try:
        # Copied on write, not read-only: torch warns of what it could not write to.
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise _wrong(path, "not an array of numpy") from error
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3:
        raise _wrong(path, f"{array.dtype} {array.shape} instead of uint8 (T, H, W, 3)")
    return array


def _video(path: Path) -> Frames:
    try:
        av = import_module("av")
    except ImportError as error:
        hint = "pip install av, or unpack each video into a folder of frames, e.g. with ffmpeg"
        raise fail("BHC712", "reading videos needs the package av", origin=str(path), hint=hint) from error
    try:
        with av.open(str(path)) as container:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    except (av.FFmpegError, IndexError, ValueError) as error:  # not a video, none in it, none decoded
        raise _wrong(path, "no video can be decoded from it") from error


def _image(path: Path, mode: str) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert(mode))
    except (UnidentifiedImageError, OSError) as error:
        raise _wrong(path, "not a readable image") from error


def _stack(path: Path, images: Sequence[NDArray[np.uint8]]) -> Frames:
    shapes = {image.shape[:2] for image in images}
    if len(shapes) > 1:
        raise _wrong(path, f"frames of different sizes: {', '.join(f'{w}x{h}' for h, w in sorted(shapes))}")
    return np.stack(images)
