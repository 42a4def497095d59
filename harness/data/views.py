"""The samples that testing takes of a video: nothing is drawn."""

from dataclasses import dataclass

from harness.augment.box import Size
from harness.augment.fixed_crops import Crops, fixed_crops
from harness.data.cuts import Cut
from harness.data.sampling import ClipSpec, even_windows


@dataclass(frozen=True, kw_only=True)
class Views:
    """`times` positions x `crops` places x, with `mirror`, both sides; the last varies first."""

    times: int = 1
    crops: Crops = 1
    mirror: bool = False

    def __len__(self) -> int:
        return self.times * self.crops * (1 + self.mirror)

    def cut(self, view: int, shape: tuple[int, int, int], size: Size, spec: ClipSpec) -> Cut:
        """View number `view` of a video of `shape`, (frames, height, width)."""
        rest, mirrored = divmod(view, 1 + self.mirror)
        time, place = divmod(rest, self.crops)
        return Cut(
            windows=even_windows(shape[0], spec, self.times)[time],
            box=fixed_crops(shape[1:], size, self.crops)[place],
            size=size,
            mirrored=bool(mirrored),
        )
