"""HMDB51: the official lists as they are, its odd names, and what goes wrong with a copy."""

import re
from collections import Counter
from pathlib import Path

import pytest
from dataset_files import complaint, empty, write

from harness.data.carve import carve
from harness.datasets.hmdb51 import HMDB51, parse_list, parse_lists

VIDEO = "Art #1_(a;b)_&_[c]_it's!!_kick_ball_f_cm_np1_fr_goo_0.avi"
LISTS = {
    "kick_ball_test_split1.txt": f"{VIDEO} 1 \nFilm_kick_ball_f_cm_np1_fr_goo_1.avi 2 \n"
    "Film_kick_ball_f_cm_np1_fr_goo_2.avi 0 \n",
    "kick_test_split1.txt": "A_kick_ball_match_kick_f_cm_np1_fr_goo_0.avi 2 \n"
    "B_kick_u_nm_np1_ba_goo_0.avi 1 \n",
}


def place(root, lists="annotations/hmdb51", videos="hmdb51", **changed):
    """A tiny HMDB51; `changed` replaces lists, by class."""
    changed = {f"{name}_test_split1.txt": text for name, text in changed.items()}
    write(root / lists, LISTS | changed)
    for name, text in LISTS.items():
        folder = root / videos / name.removesuffix("_test_split1.txt")
        write(folder, empty(*re.findall(r"^.*\.avi", text, re.MULTILINE)))


def clips(root, split="01"):
    return HMDB51([root], Path("unused"), split).clips()


@pytest.fixture(params=["1", "2", "3"])
def official(request, real_clips):
    folder = real_clips / "annotations" / "hmdb51" / "testTrainMulti_7030_splits"
    return sorted(folder.glob(f"*_test_split{request.param}.txt"))


def test_reads_the_official_counts_without_any_video(official):
    listed = parse_lists(official)
    counts = Counter((clip.label, clip.subset) for clip in listed)
    assert counts == {(c, s): n for c in range(51) for s, n in (("train", 70), ("test", 30))}
    assert sum(subset is None for path in official for *_, subset in parse_list(path)) == 1666
    assert all(clip.id.startswith(official[clip.label].name[:-16] + "/") for clip in listed)


def test_a_validation_set_parts_no_film(official):
    train = [clip for clip in parse_lists(official) if clip.subset == "train"]
    classes = [path.name for path in official]
    kept, held_out = carve(train, 0.2, "group", classes)
    assert not {clip.group for clip in kept} & {clip.group for clip in held_out}
    assert {clip.label for clip in held_out} == set(range(51))


def test_finds_real_clips_under_their_official_names(real_clips, tmp_path):
    """The lists cut down to the clips there are; the videos where the archive unpacks to."""
    lists = real_clips / "annotations" / "hmdb51" / "testTrainMulti_7030_splits"
    (tmp_path / "hmdb51_org").symlink_to(real_clips / "hmdb51_samples")
    present = {path.name for path in (real_clips / "hmdb51_samples").glob("*/*.avi")}
    for split in (1, 2, 3):
        for name in ("cartwheel", "wave"):
            file = f"{name}_test_split{split}.txt"
            lines = (lists / file).read_text().splitlines(keepends=True)
            kept = "".join(line for line in lines if line.rpartition(".avi")[0] + ".avi" in present)
            write(tmp_path / "testTrainMulti_7030_splits", {file: kept})
    found = {clip.path for split in ("01", "02", "03") for clip in clips(tmp_path, split)}
    assert {path.name for path in found} == present
    assert all(path.is_file() for path in found)


@pytest.mark.parametrize(
    ("lists", "videos"),
    [
        ("annotations/hmdb51", "hmdb51"),
        ("annotations/hmdb51/testTrainMulti_7030_splits", "hmdb51"),
        ("hmdb51/testTrainMulti_7030_splits", "hmdb51"),
        ("testTrainMulti_7030_splits", "hmdb51_org"),
        ("hmdb51/annotations", "hmdb51/videos"),
        ("hmdb51", "hmdb51/hmdb51_org"),
    ],
)
def test_finds_every_layout_and_reads_odd_names(tmp_path, lists, videos):
    place(tmp_path, lists, videos)
    assert [(c.id, c.label, c.group, c.subset) for c in clips(tmp_path)] == [
        (f"kick_ball/{VIDEO}", 0, "Art #1_(a;b)_&_[c]_it's!!", "train"),
        ("kick_ball/Film_kick_ball_f_cm_np1_fr_goo_1.avi", 0, "Film", "test"),
        ("kick/A_kick_ball_match_kick_f_cm_np1_fr_goo_0.avi", 1, "A_kick_ball_match", "test"),
        ("kick/B_kick_u_nm_np1_ba_goo_0.avi", 1, "B", "train"),
    ]
    assert all(clip.path == tmp_path / videos / clip.id for clip in clips(tmp_path))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "\nB_kick_u_0.avi\n",
            r"kick_test_split1\.txt:2: 'B_kick_u_0\.avi'; expected 'video\.avi'",
        ),
        ("B_kick_u_0.avi 3\n", r"kick_test_split1\.txt:1: .*expected .* 0, 1 or 2"),
        ("B_kick_u_0.avi 1\nB_kick_u_0.avi 1\n", r"split1\.txt:2: B_kick_u_0\.avi is listed alr"),
        ("B_u_nm_0.avi 1\n", r"split1\.txt:1: B_u_nm_0\.avi names no film; expected 'Film_kick_"),
    ],
)
def test_tells_a_bad_line_by_file_and_number(tmp_path, text, told):
    place(tmp_path, kick=text)
    assert re.search(told, complaint(lambda: clips(tmp_path)))


def test_tells_how_many_videos_are_absent_and_from_where(tmp_path):
    place(tmp_path)
    (tmp_path / "hmdb51" / "kick_ball" / VIDEO).unlink()
    told = complaint(lambda: clips(tmp_path))
    assert "1 of the 4 videos in" in told
    assert f"absent from {tmp_path / 'hmdb51'}, such as kick_ball/{VIDEO}" in told


def test_tells_where_it_looked(tmp_path):
    assert "no list *_test_split1.txt; looked for annotations/hmdb51, " in complaint(
        lambda: clips(tmp_path)
    )
    place(tmp_path, videos="elsewhere")
    assert "no videos; looked for hmdb51, hmdb51/videos, hmdb51_org" in complaint(
        lambda: clips(tmp_path)
    )
