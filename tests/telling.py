"""Work that tells what it sees and leaves when it is told to; workers import it by name."""

import os
import sys


def tell_gpus(pipe, cell, _places, _settings, rank):
    """In place of a training: the GPUs that CUDA would see, and whether torch has asked already."""
    torch = sys.modules.get("torch")
    seen = {
        "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "order": os.environ.get("CUDA_DEVICE_ORDER"),
        "too late": torch is not None and torch.cuda.is_initialized(),
    }
    if rank.first:
        pipe.send(("step", seen))
        pipe.recv()
