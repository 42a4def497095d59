"""Building caches in tests: in this process, or in a program that can be killed."""

import os
import subprocess
import sys
import time

import av
import numpy as np

from harness.data.clip import Clip
from harness.data.prepare import prepare
from harness.data.recipe import Recipe
from harness.flow.fields import FlowRecipe

# What a user's program may look like, no `if __name__ == "__main__":` included: it prepares the
# videos of a folder, in a process of its own.
PROGRAM = """
import sys
from pathlib import Path

import deadly
from harness.data import prepare as preparing
from harness.data.clip import Clip
from harness.data.recipe import Recipe
from harness.flow.fields import FlowRecipe

videos, folder, workers, flow, store, seconds = sys.argv[1:]
preparing.work = deadly.work
clips = [
    Clip(id=path.name, path=path, label=0, group="", subset="train")
    for path in sorted(Path(videos).iterdir())
]
cache = preparing.prepare(
    clips,
    Recipe(resize=32, flow=FlowRecipe(name=flow), store=store),
    folder=Path(folder),
    workers=int(workers),
    seconds_per_file=float(seconds),
    progress=lambda done, total, what: print(done, total, what, flush=True),
)
print("hash", cache.hash)
"""

# A decoder that brings its process down, as a fault in native code does, or that never returns.
DEADLY = """
import os
import signal
import time

from harness.data import prepare as preparing

make = preparing.work


def work(clip, *, recipe, tier):
    if "deadly" in clip.id:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hanging" in clip.id:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    return make(clip, recipe=recipe, tier=tier)
"""


def write(path, seed, frames=10, size=(48, 64)):
    """A small video of moving noise."""
    height, width = size
    scene = np.random.default_rng(seed).integers(255, size=(height // 4 + 9, width // 4 + 9, 3))
    scene = scene.repeat(4, axis=0).repeat(4, axis=1).astype(np.uint8)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for t in range(frames):
            pixels = np.ascontiguousarray(scene[t : t + height, 2 * t : 2 * t + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())


def videos(folder, count=4):
    """A folder of videos, each with a size and a length of its own."""
    folder.mkdir()
    for number in range(count):
        write(folder / f"{number}.mp4", number, frames=8 + number, size=(48, 64 + 8 * (number % 3)))
    return folder


def clips_in(folder):
    return [
        Clip(id=path.name, path=path, label=0, group="", subset="train")
        for path in sorted(folder.iterdir())
    ]


def quiet(done, total, what):
    pass


def build(
    clips, folder, *, workers=1, progress=quiet, resize=32, flow="dis", store="auto", **changes
):
    recipe = Recipe(resize=resize, flow=FlowRecipe(name=flow, **changes), store=store)
    return prepare(clips, recipe, folder=folder, workers=workers, progress=progress)


def content(folder):
    """The files of the only cache in a folder, and their bytes."""
    (home,) = [path for path in folder.iterdir() if path.is_dir()]
    return {path.name: path.read_bytes() for path in home.iterdir()}


def launch(tmp_path, source, folder, *, workers=2, flow="dis", store="auto", seconds=600):
    """The program in a process group of its own, which its workers belong to."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "deadly.py").write_text(DEADLY)
    command = [sys.executable, program, source, folder, str(workers), flow, store, str(seconds)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def journalled(folder, lines):
    """Wait until so many clips are vouched for."""
    for _ in range(3000):
        if sum(len(path.read_bytes().splitlines()) for path in folder.glob("*/journal*")) >= lines:
            return
        time.sleep(0.02)
    raise TimeoutError


def gone(group):
    """Whether every process of a group ends."""
    for _ in range(1000):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False
