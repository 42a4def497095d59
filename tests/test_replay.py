"""A cell's folder as one W&B run: every epoch once, the record's names, no secrets."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from left_cells import left, logged

from harness.errors import UserError
from harness.mirror.mode import media_of, wandb_mode
from harness.mirror.replay import epochs_of, replay, run_id


@given(st.lists(st.lists(st.integers(1, 9)), max_size=4))
def test_each_epoch_is_told_once_and_in_order(tmp_path_factory, starts):
    plan = tmp_path_factory.mktemp("plan")
    for epochs in starts:
        logged(plan, "k", *epochs)
    told = [epoch.number for epoch in epochs_of(plan / "k" / "log.jsonl")]
    assert told == sorted({epoch for epochs in starts for epoch in epochs})


def test_of_an_epoch_that_was_logged_twice_the_last_counts(tmp_path):
    log = tmp_path / "log.jsonl"
    lines = [
        {"event": "epoch", "epoch": 1, "metrics": {"a": value}, "time": f"2026-01-01T00:00:0{at}Z"}
        for at, value in enumerate([0.1, 0.2, float("nan")])
    ]
    log.write_text("\n".join(map(json.dumps, lines[:2])))
    [epoch] = epochs_of(log)
    assert epoch.metrics == {"a": 0.2}
    log.write_text("\n".join(map(json.dumps, lines)) + '\n{"event": "epo')
    [epoch] = epochs_of(log)
    assert epoch.metrics == {"a": None}
    assert epochs_of(tmp_path / "none.jsonl") == []


def test_a_run_is_what_the_record_says(tmp_path):
    run = replay(left(tmp_path / "left", "k1", status="failed", reason="out of memory"))
    assert (run.id, run.group, run.job_type, run.failed) == ("left-k1", "left", "search", True)
    assert run.name == "conv · ucf101 01 · seed 0 trial 3"
    assert run.tags == ["conv", "ucf101", "split 01", "failed"]
    assert run.config == {"train": {"epochs": 3}, "seed": 0, "trial": 3, "key": "k1"}
    assert run.summary["val/top1"] == 0.9
    assert run.summary["params"] == 1e6
    assert (run.summary["status"], run.summary["reason"]) == ("failed", "out of memory")


def test_what_it_was_made_from_is_known_by_its_hash(tmp_path):
    folder = left(tmp_path / "left", "k1")
    before = replay(folder).sha256
    assert replay(folder).sha256 == before
    logged(tmp_path / "left", "k1")
    assert replay(folder).sha256 == before
    logged(tmp_path / "left", "k1", 4)
    assert replay(folder).sha256 != before


def test_secrets_stay_here(tmp_path, monkeypatch):
    monkeypatch.setenv("STORE_PASSWORD", "hunter2hunter2")
    secret = "postgresql://me:hunter2hunter2@host/db"
    folder = left(
        tmp_path / "left", "k1", arm="hunter2hunter2", reason=secret,
        config={"storage": secret, "api_key": "abc", "note": ["hunter2hunter2"]},
    )  # fmt: skip
    assert "hunter2" not in repr(replay(folder))
    assert "abc" not in repr(replay(folder))


@pytest.mark.parametrize("plan", ["a/b", "a b", "ä", "x" * 200])
def test_ids_are_spelt_as_wandb_takes_them(plan):
    safe = run_id(plan, "k")
    assert safe.isascii()
    assert not set(safe) & set("/\\#?%: ")
    assert len(safe) < 128
    assert safe != run_id(plan + "_", "k")


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": "k" * 40}, "online"),
        ({"WANDB_API_KEY": "k" * 40, "WANDB_MODE": "disabled"}, "disabled"),
    ],
)
def test_online_is_for_those_who_are_logged_in(monkeypatch, tmp_path, environment, mode):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert wandb_mode("auto") == mode
    assert wandb_mode("offline") == "offline"
    with pytest.raises(UserError, match="did you mean 'online'"):
        wandb_mode("onlin")


def test_what_is_misspelt_is_said_before_anything_runs(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "ofline")
    with pytest.raises(UserError, match=r"WANDB_MODE='ofline': did you mean 'offline'\?"):
        wandb_mode("auto")
    with pytest.raises(UserError, match=r"--media 'clip': did you mean 'clips'\?"):
        media_of("confusion, clip")


def test_a_login_is_found_where_wandb_keeps_it(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine api.wandb.ai\n  login user\n  password " + "k" * 40 + "\n")
    netrc.chmod(0o600)
    assert wandb_mode("auto") == "online"
