"""A plan whose files change under way is refused with the difference."""

import pytest


@pytest.fixture
def launched(toy_here, tmp_path):
    assert toy_here("sweep", "pair.yaml").returncode == 0
    return tmp_path / "runs" / "pair" / "plan.yaml"


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_is_kept_is_the_file_and_its_arms(launched):
    text = launched.read_text()
    assert text.startswith("sweep:\n  name: pair\n  arms:\n  - base: tiny.yaml\n    name: good\n")
    assert "\narms:\n  tiny.yaml:\n" in text
    assert "extends" not in text
    assert str(launched.parent) not in text


@pytest.mark.parametrize(
    ("file", "old", "new", "difference"),
    [
        ("pair.yaml", "seeds: [0, 1]", "seeds: [0, 1, 2]", "\nharness: +  - 2\n"),
        ("tiny.yaml", "epochs: 2", "epochs: 3", "\nharness: -      epochs: 2\n"),
    ],
)
def test_another_sweep_or_arm_is_refused_until_the_user_says_so(
    toy_here, tmp_path, launched, file, old, new, difference
):
    before, note = launched.read_text(), "a launch is refused without --update"
    assert note not in toy_here("plan", "pair.yaml").stdout
    edit(tmp_path / file, old, new)
    assert (
        f"no longer the plan that runs in runs/pair: {note}" in toy_here("plan", "pair.yaml").stdout
    )
    done = toy_here("sweep", "pair.yaml")
    assert done.returncode == 2
    assert difference in done.stderr
    assert "go on with the new plan: --update" in done.stderr
    assert launched.read_text() == before
    assert toy_here("sweep", "pair.yaml", "--update").returncode == 0
    assert toy_here("sweep", "pair.yaml").returncode == 0


def test_comments_policy_and_the_command_line_are_no_change_of_plan(toy_here, tmp_path, launched):
    with (tmp_path / "pair.yaml").open("a") as file:
        file.write("policy: {retry: {oom: 2}}  # more patience\n")
    done = toy_here("sweep", "pair.yaml", "--set", "seeds=[0]", "--policy", "keep={best: 1}")
    assert done.returncode == 0
    assert "seeds:\n  - 0\n  - 1" in launched.read_text()


def test_an_ablation_is_kept_and_a_single_run_is_not(toy_here, tmp_path):
    (tmp_path / "abl.yaml").write_text(
        "extends: tiny.yaml\nname: abl\nablate: {replace: {model.fusion: [sum]}}\n"
    )
    assert toy_here("ablate", "abl.yaml").returncode == 0
    assert (
        "ablate:\n    replace:\n      model.fusion:\n      - sum"
        in (tmp_path / "runs/abl/plan.yaml").read_text()
    )
    edit(tmp_path / "abl.yaml", "[sum]", "[max]")
    assert toy_here("ablate", "abl.yaml").returncode == 2
    for fusion in ("sum", "max"):
        assert toy_here("run", "tiny.yaml", "--set", f"model.fusion={fusion}").returncode == 0
    assert not (tmp_path / "runs/tiny/plan.yaml").exists()
