"""W&B as a mirror: written from the files of finished and running cells, never read from.

A training knows nothing of W&B. It appends its epochs to `log.jsonl` and leaves `record.json`; one
process per plan (`process.py`) replays those files into W&B, beside the trainings and never in
their way (`watcher.py`). Whatever it missed or broke, `harness sync` (`sync.py`) completes from the
same files: what is mirrored already has a `mirror.json` and is left alone.
"""
