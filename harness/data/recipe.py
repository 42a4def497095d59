"""What is made of each video of a data set."""

from dataclasses import dataclass
from typing import Any, Literal

from harness.data.integrity import FORMAT
from harness.data.video import MAX_LOSS
from harness.flow.fields import FlowRecipe


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is made of each video, and how it is kept.

    `resize` is the short side of the cached frames in pixels, None keeping each video's size; the
    flow is computed on the resized frames, in their pixels. `store` is a tier of the cache; "auto"
    takes raw where it fits into half of the memory and half of the free disk, and jpeg elsewhere.
    """

    resize: int | None
    flow: FlowRecipe
    store: Literal["auto", "raw", "jpeg"] = "auto"

    def settings(self, tier: str) -> dict[str, Any]:
        """All that changes a byte of the cache."""
        return {
            "format": FORMAT,
            "tier": tier,
            "resize": self.resize,
            "flow": self.flow.settings(),
            "max_loss": MAX_LOSS,
        }
