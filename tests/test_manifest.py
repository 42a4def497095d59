"""The manifest tells the truth of every clip, and the cache suits its size."""

import csv
import os

import numpy as np
import pytest
from building import build, clips_in, content, videos, write
from footage import folder_of

from harness.data import manifest as manifests
from harness.data import prepare as preparing
from harness.data import room
from harness.data.clip import Clip, Span
from harness.data.decode import decode
from harness.data.manifest import manifest, verify, write_manifest
from harness.data.recipe import Recipe
from harness.data.tiers import CHANNELS
from harness.errors import UserError
from harness.files import sha256_of
from harness.flow.fields import FlowRecipe


def quiet(done, total, what):
    pass


def clip_of(path, **options):
    options = {"id": path.name, "label": 3, "group": "g1", "subset": "train"} | options
    return Clip(path=path, **options)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Clips of every kind, good and bad."""
    folder = videos(tmp_path_factory.mktemp("mixed") / "videos", count=2)
    (folder / "broken\n.avi").write_text("no video")
    os.mkfifo(folder / "pipe.mp4")
    write(folder / os.fsdecode(b'\xff "#.mp4'), 7)
    frames = decode(folder / "1.mp4", None).frames
    folder_of(folder / "images", frames)
    clips = [clip_of(path) for path in sorted(folder.iterdir())]
    part = Span(first=2, after=6, unit="frames")
    return [
        *clips,
        clip_of(folder / "0.mp4", id="part", span=part, subset="test"),
        clip_of(folder / "0.mp4", id="short", declared=40, subset="test"),
    ]


def test_every_clip_has_a_row_with_what_is_known_of_it(tmp_path, mixed):
    cache = build(mixed, tmp_path / "cache", workers=2)
    rows = {row["id"]: row for row in manifest(mixed, cache)}
    assert list(rows) == [clip.id for clip in mixed]
    whole = mixed[[clip.id for clip in mixed].index("0.mp4")].path
    assert rows["0.mp4"] == {
        "id": "0.mp4",
        "subset": "train",
        "label": 3,
        "group": "g1",
        "status": "ok",
        "reason": "",
        "frames": 8,
        "declared": 8,
        "lost": 0,
        "fps": 25.0,
        "width": 64,
        "height": 48,
        "codec": "h264",
        "decoder": decode(whole, 32).decoder,
        "stopped": "",
        "sha256": sha256_of(whole),
        "bytes": whole.stat().st_size,
    }
    assert (rows["part"]["frames"], rows["part"]["sha256"]) == (4, rows["0.mp4"]["sha256"])
    assert rows["images"]["codec"] == "png"
    assert rows["images"]["frames"] == 9
    reasons = {id: row["reason"] for id, row in rows.items() if row["status"] != "ok"}
    assert reasons == {
        "broken\n.avi": "Invalid data found when processing input",
        "pipe.mp4": "neither a file nor a folder",
        "short": "8 of 40 frames could be decoded",
    }
    assert rows["pipe.mp4"]["frames"] is None


def test_verify_finds_the_same_without_a_cache(tmp_path, mixed):
    cache = build(mixed, tmp_path / "cache")
    said = []
    rows = verify(mixed, workers=2, progress=lambda *step: said.append(step))
    assert rows == manifest(mixed, cache)
    assert said[-1] == (len(mixed), len(mixed), "videos verified")


@pytest.mark.parametrize("step", ["verified", "prepared"])
def test_a_file_that_vanishes_once_it_is_decoded_costs_its_clip_only(tmp_path, monkeypatch, step):
    clip = clips_in(videos(tmp_path / "videos", count=1))[0]
    module = {"verified": manifests, "prepared": preparing}[step]

    def decode_and_vanish(path, *args, **options):
        video = decode(path, *args, **options)
        path.unlink()
        return video

    monkeypatch.setattr(module, "decode", decode_and_vanish)
    recipe = Recipe(resize=32, flow=FlowRecipe(name="dis"))
    found = (
        manifests.examine(clip)["reason"]
        if step == "verified"
        else preparing.work(clip, recipe=recipe, tier="raw")
    )
    assert found == "No such file or directory"


def test_a_manifest_is_csv_that_anything_reads(tmp_path, mixed):
    rows = verify(mixed, workers=1, progress=quiet)
    write_manifest(tmp_path / "manifest.csv", rows)
    with (tmp_path / "manifest.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert [row["status"] for row in read] == [row["status"] for row in rows]
    assert read[[clip.id for clip in mixed].index("broken\n.avi")]["id"] == "broken\n.avi"
    assert {row["id"] for row in read} >= {'\\udcff "#.mp4', "part"}


def test_another_part_or_promise_or_image_is_another_cache(tmp_path, mixed):
    (images,) = [clip for clip in mixed if clip.id == "images"]
    hashes = set()
    for options in ({}, {"declared": 9}, {"span": Span(first=0, after=4, unit="frames")}):
        hashes.add(build([clip_of(images.path, **options)], tmp_path / "cache").hash)
    folder = folder_of(tmp_path / "images", decode(images.path, None).frames)
    assert build([clip_of(folder)], tmp_path / "cache").hash in hashes
    (folder / "img_00004.png").rename(folder / "img_00011.png")
    hashes.add(build([clip_of(folder)], tmp_path / "cache").hash)
    assert len(hashes) == 4


@pytest.mark.parametrize(("factor", "tier"), [(1.0, "raw"), (0.99, "jpeg")])
@pytest.mark.parametrize("scarce", ["memory", "free_disk"])
def test_raw_while_it_fits_into_half_of_memory_and_disk(
    tmp_path, monkeypatch, scarce, factor, tier
):
    clips = clips_in(videos(tmp_path / "videos", count=3))
    areas = [32 * round(width * 2 / 3) for width in (64, 72, 80)]
    need = sum(
        area * (frames * 3 + (frames - 1) * 2)
        for area, frames in zip(areas, (8, 9, 10), strict=True)
    )
    plenty = {"memory": lambda: 10**12, "free_disk": lambda _: 10**12}
    for name, there in plenty.items():
        limit = round(2 * need * factor) if name == scarce else there(*[None] * (name != "memory"))
        monkeypatch.setattr(room, name, lambda *_, limit=limit: limit)
    said = []
    cache = build(clips, tmp_path / "cache", progress=lambda *step: said.append(step[2]))
    assert cache.tier == tier
    (line,) = [what for what in said if "cache: " in what]
    assert line.startswith(f"{tier} cache: 3 clips, 27 frames, ")
    assert np.ptp(cache.rgb("0.mp4")) > 100


def test_a_cache_keeps_the_tier_that_it_was_begun_in(tmp_path, monkeypatch):
    clips = clips_in(videos(tmp_path / "videos", count=3))

    def stop(done, total, what):
        if what.startswith("videos decoded"):
            raise InterruptedError

    monkeypatch.setattr(room, "memory", lambda: 1)
    with pytest.raises(InterruptedError):
        build(clips, tmp_path / "cache", progress=stop)
    monkeypatch.setattr(room, "memory", lambda: 10**12)
    assert build(clips, tmp_path / "cache").tier == "jpeg"
    assert build(clips, tmp_path / "cache").tier == "jpeg"  # complete, whatever suits now
    assert "rgb.jpegs" in content(tmp_path / "cache")
    raw = build(clips, tmp_path / "cache", store="raw")
    assert raw.tier == "raw"
    assert raw.hash != build(clips, tmp_path / "cache", store="jpeg").hash


@pytest.mark.parametrize("kinds", [("rgb", "flow"), tuple(CHANNELS)], ids=len)
def test_the_arithmetic_counts_every_byte(kinds):
    extents = [room.Extent(frames=10, height=240, width=320), room.Extent(5, 20, 10), room.NOTHING]
    need = room.need_of(extents, 120, kinds)
    fields = 2 * (len(kinds) - 1)
    assert need == room.Need(
        clips=2,
        frames=15,
        raw=120 * 160 * (10 * 3 + 9 * fields) + 240 * 120 * (5 * 3 + 4 * fields),
    )


def test_headers_tell_what_decoding_finds(real_clips):
    for path in sorted((real_clips / "odd_clips").iterdir()):
        extent = room.probe(clip_of(path))
        if path.name.startswith(("empty", "frame_exceeds", "corrupted")):
            continue
        video = decode(path, 32)
        assert abs(extent.frames - len(video.frames)) <= max(1, 0.2 * len(video.frames)), path
        assert {extent.height, extent.width} == {video.height, video.width}, path


def test_none_of_many_is_told_in_one_line_whatever_their_names(tmp_path):
    (tmp_path / "a\nb.avi").write_text("no video")
    with pytest.raises(UserError, match=r"^none of 1 videos can be used; 'a\\nb.avi': Invalid"):
        build(clips_in(tmp_path), tmp_path / "cache")
