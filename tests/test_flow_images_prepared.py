"""Flow images from a data root to a cache, and what is refused on the way."""

import numpy as np
import pytest
from shapes import CONV_FUSION
from shapes import write as write_text
from test_flow_images import smooth, write

from harness.check import check
from harness.config.experiment import Data, Flow, load_experiment
from harness.data.clip import Clip
from harness.data.prepare import Recipe, prepare
from harness.datasets.moving_shapes import MovingShapes
from harness.errors import UserError
from harness.flow.codes import decode as pixels_of
from harness.flow.fields import FlowRecipe
from harness.places import Places
from harness.source import recipe_of, with_flow


def source(tmp_path):
    """Three videos, and flow images of half their size for two: what moves by 1, -0.5 pixels."""
    shapes = MovingShapes([], tmp_path, "01", task="direction", frames=6, train=4, test=4)
    shapes.write(lambda *_: None)
    clips = sorted(shapes.clips(), key=lambda clip: clip.id)[:3]
    for clip in clips[:2]:
        flow = np.full((5, 16, 16, 2), (1, -0.5), np.float32)
        write(tmp_path / "root/tvl1", flow, clip=clip.id.removesuffix(".mp4"))
    data = Data(name="moving_shapes", flow=Flow(name="images", options={"folder": "tvl1"}))
    return clips, data, Places(data=(tmp_path / "root",))


def build(clips, data, places, folder, progress=lambda *_: None):
    recipe = recipe_of(data, places)
    told = with_flow(clips, recipe.flow)
    return prepare(told, recipe, folder=folder, workers=1, progress=progress)


def test_is_prepared_from_the_folder_in_a_data_root(tmp_path):
    clips, data, places = source(tmp_path)
    cache = build(clips, data, places, tmp_path / "cache")
    assert list(cache.quarantined) == [clips[2].id]
    assert cache.quarantined[clips[2].id].startswith("no flow images")
    found = pixels_of(cache.flow(clips[0].id), 20.0)
    np.testing.assert_allclose(found[..., 0], 2, atol=0.2)
    np.testing.assert_allclose(found[..., 1], -1, atol=0.2)
    steps = []
    again = build(clips, data, places, tmp_path / "cache", lambda *step: steps.append(step))
    assert again.hash == cache.hash
    assert not steps, "neither hashed nor decoded again"


def test_other_flow_images_make_another_cache_and_other_places_none(tmp_path):
    clips, data, places = source(tmp_path)
    before = build(clips, data, places, tmp_path / "cache")
    write(tmp_path / "root/tvl1", smooth(5, (16, 16)), clip=clips[0].id.removesuffix(".mp4"))
    after = build(clips, data, places, tmp_path / "cache")
    assert after.hash != before.hash
    assert (after.flow(clips[0].id) != before.flow(clips[0].id)).any()
    (tmp_path / "root").rename(tmp_path / "moved")
    moved = Places(data=(tmp_path / "moved",))
    assert build(clips, data, moved, tmp_path / "cache").hash == after.hash


def test_without_a_folder_the_images_lie_beside_the_frames(tmp_path):
    place = tmp_path / "clip"
    place.mkdir()
    clip = Clip(id="clip", path=place, label=0, group="", subset="train")
    assert with_flow([clip], FlowRecipe(name="images"))[0].flow == place
    assert with_flow([clip], FlowRecipe(name="dis"))[0].flow is None
    video = Clip(id="v", path=tmp_path / "v.avi", label=0, group="", subset="train")
    video.path.touch()
    with pytest.raises(UserError, match="flow 'images' needs `folder`: v is a file, not a folder"):
        with_flow([clip, video], FlowRecipe(name="images"))


def test_what_images_cannot_do_is_found_before_anything_is_prepared(tmp_path):
    text = CONV_FUSION.read_text().replace(
        "late_average", str(CONV_FUSION.with_name("late_average"))
    )
    path = write_text(tmp_path, "x.yaml", text)
    (tmp_path / "tvl1").mkdir()
    asked = "data.flow={name: images, folder: tvl1, camera: %s, zero: %s}"
    for camera, zero, said in (
        ("remove", 128, r"data\.flow\.camera: 'remove' needs flow computed from frames"),
        ("keep", 126, r"flow 'images': zero is 126\.0; it must be 127\.5 or 128"),
    ):
        with pytest.raises(UserError, match=said):
            check(*load_experiment(path, [asked % (camera, zero)]), Places(data=(tmp_path,)))


def test_a_missing_folder_is_one_line(tmp_path):
    data = Data(name="folder", flow=Flow(name="images", options={"folder": "tvl1"}))
    with pytest.raises(UserError, match=r"data.flow.folder: no such folder 'tvl1'; put it where"):
        recipe_of(data, Places(data=(tmp_path,)))


def test_the_folders_name_is_no_part_of_the_hash():
    options = {"folder": "anywhere"}
    settings = Recipe(resize=None, flow=FlowRecipe(name="images", options=options)).settings("raw")
    assert settings["flow"]["options"] == {"image_bound": 20.0, "zero": 127.5}
