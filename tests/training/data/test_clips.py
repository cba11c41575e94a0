"""Folders of tiny clips in the layout of UCF101, read back; what a user reads about wrong ones."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from bhc.diagnostics import BhcError
from bhc.training.data.clips import Clips, find

SIZE = (6, 8)


def pixels(seed: int, frames: int = 7) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (frames, *SIZE, 3), dtype=np.uint8)


def write(folder: Path) -> Path:
    """Two classes of three groups; clips are folders of PNG in one, arrays in the other."""
    for group in (1, 7, 8):
        images = folder / f"UCF-101/Archery/v_Archery_g{group:02}_c01"
        images.mkdir(parents=True)
        for number, frame in enumerate(pixels(group), start=1):
            Image.fromarray(frame).save(images / f"img_{number:05}.png")
        array = folder / f"UCF-101/Bowling/v_Bowling_g{group:02}_c02.npy"
        array.parent.mkdir(exist_ok=True)
        np.save(array, pixels(100 + group))
    return folder


def write_lists(folder: Path, test: str) -> None:
    """test: group of the test clips. The lists name a class that is not there."""
    folder.mkdir(exist_ok=True)
    lines: dict[str, list[str]] = {"train": ["YoYo/v_YoYo_g01_c01.avi 101"], "test": ["YoYo/v_YoYo_g02_c01.avi"]}
    for label, (name, clip) in enumerate((("Archery", "c01"), ("Bowling", "c02")), start=1):
        for group in ("01", "07", "08"):
            part = "test" if group == test else "train"
            lines[part].append(f"{name}/v_{name}_g{group}_{clip}.avi" + (f" {label}" if part == "train" else ""))
    for part, content in lines.items():
        (folder / f"{part}list01.txt").write_text("\r\n".join(content) + "\r\n")


def test_split_by_group(tmp_path: Path) -> None:
    found = find(write(tmp_path))
    assert found.classes == ("Archery", "Bowling")
    assert [(c.name, c.label, c.group) for c in found.train] == [
        ("v_Archery_g08_c01", 0, 8),
        ("v_Bowling_g08_c02", 1, 8),
    ]
    assert [c.group for c in found.test] == [1, 7, 1, 7]
    assert [c.group for c in find(tmp_path / "UCF-101", fold=2).test] == [8, 8]


@pytest.mark.parametrize("place", [".", "ucfTrainTestlist"])
def test_official_lists(tmp_path: Path, place: str) -> None:
    write_lists(write(tmp_path) / place, "07")
    found = find(tmp_path)
    assert [c.name for c in found.test] == ["v_Archery_g07_c01", "v_Bowling_g07_c02"]
    assert [c.name for c in found.train] == [f"v_{n}" for n in ("Archery_g01_c01", "Archery_g08_c01")] + [
        f"v_{n}" for n in ("Bowling_g01_c02", "Bowling_g08_c02")
    ]


@pytest.mark.parametrize(("index", "seed"), [(0, 8), (1, 108)])
def test_frames_and_their_differences(tmp_path: Path, index: int, seed: int) -> None:
    clips = Clips(find(write(tmp_path)).train, length=3, size=SIZE, stack=2)
    spatial, temporal, label = clips[index]
    frames = torch.from_numpy(pixels(seed)).permute(0, 3, 1, 2) / 255
    moments = [0, 2, 4]
    assert (len(clips), label) == (2, index)
    torch.testing.assert_close(spatial, frames[moments])
    expected = [torch.cat([frames[m + 1] - frames[m], frames[m + 2] - frames[m + 1]]) for m in moments]
    torch.testing.assert_close(temporal, torch.stack(expected))


def test_flow(tmp_path: Path) -> None:
    clips = find(write(tmp_path)).train[:1]
    folder = tmp_path / "flow/Archery/v_Archery_g08_c01"
    folder.mkdir(parents=True)
    flow = np.random.default_rng(1).integers(0, 256, (6, *SIZE, 2), dtype=np.uint8)
    for number, field in enumerate(flow, start=1):
        for axis, plane in zip("xy", np.moveaxis(field, -1, 0), strict=True):
            Image.fromarray(plane).save(folder / f"flow_{axis}_{number:05}.png")
    _, temporal, _ = Clips(clips, length=2, size=SIZE, stack=3, flow=tmp_path / "flow")[0]
    fields = (torch.from_numpy(flow).permute(0, 3, 1, 2).float() - 128) / 128
    torch.testing.assert_close(temporal, torch.stack([fields[0:3].flatten(0, 1), fields[3:6].flatten(0, 1)]))
    (folder / "flow_y_00006.png").unlink()
    with pytest.raises(BhcError) as raised:
        Clips(clips, length=2, size=SIZE, stack=3, flow=tmp_path / "flow")[0]
    expected = (
        "6 images flow_x_* and 5 images flow_y_* instead of 6 each\n  hint: compute the optical flow of the clip again"
    )
    assert str(raised.value).replace(str(folder), "DIR") == f"error[BHC700] DIR: {expected}"


def test_frames_are_resized(tmp_path: Path) -> None:
    spatial, temporal, _ = Clips(find(write(tmp_path)).train, length=25, size=(4, 4), stack=6)[0]
    assert spatial.shape == (25, 3, 4, 4)
    assert temporal.shape == (25, 18, 4, 4)
    assert spatial.dtype == temporal.dtype == torch.float32


def test_batches(tmp_path: Path) -> None:
    clips = Clips(find(write(tmp_path)).test, length=2, size=SIZE, stack=1)
    spatial, temporal, labels = next(iter(torch.utils.data.DataLoader(clips, batch_size=4)))
    assert (spatial.shape, temporal.shape, labels.tolist()) == ((4, 2, 3, *SIZE), (4, 2, 3, *SIZE), [0, 0, 1, 1])


def no_clips(folder: Path) -> None:
    (folder / "UCF-101").rename(folder / "videos")


def no_group(folder: Path) -> None:
    (folder / "UCF-101/Archery/v_Archery_g01_c01").rename(folder / "UCF-101/Archery/v_Archery_1")


def no_clip(folder: Path) -> None:
    (folder / "UCF-101/Archery/v_Archery_g01_c01.txt").touch()


def not_listed(folder: Path) -> None:
    write_lists(folder, "07")
    (folder / "UCF-101/Bowling/v_Bowling_g08_c02.npy").unlink()


def one_list(folder: Path) -> None:
    write_lists(folder, "07")
    (folder / "testlist01.txt").unlink()


UCF = "\n  hint: get UCF101 and its Train/Test Splits for Action Recognition from www.crcv.ucf.edu/data/UCF101.php"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            no_clips,
            "BHC700] DIR: there is no folder of clips in it\n  hint: name a folder of class folders, such as UCF-101 "
            "with "
            "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01 in it",
        ),
        (
            no_group,
            "BHC701] DIR/UCF-101/Archery/v_Archery_1: 'v_Archery_1' does not tell the group of the clip\n  hint: "
            "clips are "
            "named v_CLASS_gNN_cNN: class, group, clip",
        ),
        (
            no_clip,
            "BHC700] DIR/UCF-101/Archery/v_Archery_g01_c01.txt: this is no clip\n  hint: clips are folders of frames, "
            ".npy, .avi or .mp4",
        ),
        (not_listed, "BHC700] DIR/trainlist01.txt, line 5: there is no clip Bowling/v_Bowling_g08_c02" + UCF),
        (one_list, "BHC700] DIR/testlist01.txt: there is no such file" + UCF),
    ],
)
def test_wrong_folders(tmp_path: Path, damage: Callable[[Path], None], expected: str) -> None:
    damage(write(tmp_path))
    with pytest.raises(BhcError) as raised:
        find(tmp_path)
    assert str(raised.value).replace(str(tmp_path), "DIR") == "error[" + expected


def test_unknown_fold(tmp_path: Path) -> None:
    with pytest.raises(BhcError) as raised:
        find(write(tmp_path), fold=4)
    assert str(raised.value) == f"error[BHC703] {tmp_path}: there is no fold 4\n  hint: folds are 1, 2 and 3"


def empty(clip: Path) -> None:
    for image in clip.iterdir():
        image.unlink()


def short(clip: Path) -> None:
    for image in sorted(clip.iterdir())[2:]:
        image.unlink()


def unreadable(clip: Path) -> None:
    (clip / "img_00001.png").write_text("no image")


def truncated(clip: Path) -> None:
    content = (clip / "img_00001.png").read_bytes()
    (clip / "img_00001.png").write_bytes(content[:60])


def uneven(clip: Path) -> None:
    Image.new("RGB", (4, 4)).save(clip / "img_00001.png")


REPLACE = "\n  hint: replace the clip, or leave it out"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (empty, "DIR: there are no frames" + REPLACE),
        (
            short,
            "DIR: 2 frames; a stack of 2 steps needs 3\n  hint: leave the clip out, or take a stack of at most 1",
        ),
        (unreadable, "DIR/img_00001.png: not a readable image" + REPLACE),
        (truncated, "DIR/img_00001.png: not a readable image" + REPLACE),
        (uneven, "DIR: frames of different sizes: 4x4, 8x6" + REPLACE),
    ],
)
def test_wrong_clips(tmp_path: Path, damage: Callable[[Path], None], expected: str) -> None:
    clip = find(write(tmp_path)).train[0]
    damage(clip.path)
    with pytest.raises(BhcError) as raised:
        Clips([clip], length=2, size=SIZE, stack=2)[0]
    assert str(raised.value).replace(str(clip.path), "DIR") == "error[BHC701] " + expected


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((7, 6, 8), np.uint8), "uint8 (7, 6, 8) instead of uint8 (T, H, W, 3)"),
        (np.zeros((7, 6, 8, 3), np.float32), "float32 (7, 6, 8, 3) instead of uint8 (T, H, W, 3)"),
        (None, "not an array of numpy"),
    ],
)
def test_wrong_arrays(tmp_path: Path, array: NDArray[np.generic] | None, message: str) -> None:
    clip = find(write(tmp_path)).train[1]
    if array is None:
        clip.path.write_text("no array")
    else:
        np.save(clip.path, array)
    with pytest.raises(BhcError) as raised:
        Clips([clip])[0]
    assert str(raised.value) == f"error[BHC701] {clip.path}: {message}{REPLACE}"


def test_videos_need_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (write(tmp_path) / "UCF-101/Archery/v_Archery_g09_c01.avi").touch()
    clip = find(tmp_path).train[1]
    with pytest.raises(BhcError) as raised:
        Clips([clip])[0]
    assert str(raised.value) == (
        f"error[BHC712] {clip.path}: reading videos needs the package av\n  hint: pip install av, or unpack each video "
        "into a folder of frames, e.g. with ffmpeg"
    )
