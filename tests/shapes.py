"""The smallest experiment that trains: three seconds on real video files of the project's own."""

from pathlib import Path

CONV_FUSION = Path(__file__).parents[1] / "experiments/moving_shapes/conv_fusion.yaml"

TINY = f"""
extends: {CONV_FUSION}
name: tiny
data: {{train: 48, test: 16, task: direction, val: {{share: 0.25}}, flow: farneback}}
train: {{epochs: 2, batch_size: 12}}
seeds: [0]
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path
