"""The two usual ways to feed a two-stream network: flow on the fly, and folders of JPEG frames.

Both are map-style data sets for torch's DataLoader that return normalised float tensors of one
sample: "rgb" (1, 3, height, width) and "flow" (1, 2 L, height, width), the 1 being the segment.
They see what our loop sees: one frame and L flow fields of one window, at a short side of 128, a
random crop of 112 in it, and mirrored at random.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import decord
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from harness.data.clip import Clip
from harness.data.decode import decode
from harness.flow.codes import encode
from harness.flow.dis import dis
from harness.models.inputs import DEVIATION, MEAN

Sample = dict[str, Tensor | int]
JPEG_SIZE = (340, 256)  # width x height of TSN's frames
BOUND = 20.0  # pixels


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The sizes of a sample: frames, short side before the crop, crop; and whether to mirror."""

    frames: int
    resize: int
    crop: int
    flip: bool


class OnTheFly(Dataset):
    """decord at the native size, then Farneback between the frames that were read."""

    def __init__(self, clips: Sequence[Clip], cut: Cut) -> None:
        self.clips, self.cut = clips, cut

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Sample:
        cut, clip = self.cut, self.clips[index]
        reader = decord.VideoReader(str(clip.path), num_threads=1)
        # AVIs promise up to two frames more than they hold.
        start = random.randrange(max(1, len(reader) - cut.frames - 2))
        frames = reader.get_batch(range(start, start + cut.frames + 1)).asnumpy()
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        fields = [
            cv2.calcOpticalFlowFarneback(a, b, None, 0.5, 3, 15, 3, 5, 1.2, 0)
            for a, b in pairwise(grey)
        ]
        height, width = grey[0].shape
        scale = cut.resize / min(height, width)
        size = round(width * scale), round(height * scale)
        rgb = cv2.resize(frames[cut.frames // 2], size)
        flow = cv2.resize(np.concatenate(fields, axis=2), size) * scale
        top, left = random.randint(0, size[1] - cut.crop), random.randint(0, size[0] - cut.crop)
        box = slice(top, top + cut.crop), slice(left, left + cut.crop)
        return sample(rgb[box], flow[box].clip(-BOUND, BOUND), clip, cut)


class JpegFrames(Dataset):
    """TSN's layout: `folder/<clip>/img_00001.jpg`, `flow_x_00001.jpg`, `flow_y_00001.jpg`; PIL."""

    def __init__(self, clips: Sequence[Clip], cut: Cut, folder: Path) -> None:
        self.clips, self.cut, self.folder = clips, cut, folder
        self.counts = {
            clip.id: len(list((folder / clip.id).glob("flow_x_*.jpg"))) for clip in clips
        }

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Sample:
        cut, clip = self.cut, self.clips[index]
        start = 1 + random.randrange(max(1, self.counts[clip.id] - cut.frames))
        side = round(cut.crop * JPEG_SIZE[1] / cut.resize)  # as much of the picture as in our crop
        left, top = (random.randint(0, whole - side) for whole in JPEG_SIZE)

        def load(name: str, mode: str) -> np.ndarray:
            with Image.open(self.folder / clip.id / name) as image:
                part = image.convert(mode).crop((left, top, left + side, top + side))
                return np.asarray(part.resize((cut.crop, cut.crop), Image.Resampling.BILINEAR))

        rgb = load(f"img_{start + cut.frames // 2:05d}.jpg", "RGB")
        names = [
            f"flow_{axis}_{start + step:05d}.jpg" for step in range(cut.frames) for axis in "xy"
        ]
        codes = np.stack([load(name, "L") for name in names], axis=2)
        return sample(rgb, (codes.astype(np.float32) - 128) * (BOUND / 127), clip, cut)


def sample(rgb: np.ndarray, flow: np.ndarray, clip: Clip, cut: Cut) -> Sample:
    """Mirror, scale, and put the channels first."""
    if cut.flip and random.random() < 0.5:
        rgb, flow = rgb[:, ::-1], flow[:, ::-1].copy()
        flow[..., 0::2] *= -1
    colours = (rgb.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(DEVIATION)
    inputs = {"rgb": colours, "flow": flow.astype(np.float32, copy=False)}
    tensors = {
        name: torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
        for name, image in inputs.items()
    }
    return {**tensors, "label": clip.label}


def write_jpegs(clip: Clip, folder: Path) -> None:
    """One clip in TSN's layout; what reading it costs hardly depends on the flow's method."""
    home, method = folder / clip.id, dis(preset="fast")
    home.mkdir(parents=True)
    frames = [cv2.resize(frame, JPEG_SIZE) for frame in decode(clip.path, None).frames]
    for number, frame in enumerate(frames, start=1):
        cv2.imwrite(str(home / f"img_{number:05d}.jpg"), frame[..., ::-1])
    for number, pair in enumerate(pairwise(frames), start=1):
        for axis, codes in zip("xy", np.moveaxis(encode(method(*pair), BOUND), 2, 0), strict=True):
            cv2.imwrite(str(home / f"flow_{axis}_{number:05d}.jpg"), codes)
