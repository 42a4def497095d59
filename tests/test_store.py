"""Records: what is written is what is read, whole or not at all, without secrets."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.files import write_json
from harness.results.record import Record
from harness.results.secrets import HIDDEN, redact
from harness.results.store import load, load_all, save, save_scores, set_aside

RECORD = Record(
    key="0123456789abcdef",
    status="done",
    plan="demo",
    arm="conv",
    dataset="moving_shapes/bind",
    split="01",
    seed=1,
    protocol="p",
    data_hash="d",
    config={"train": {"epochs": 2}},
    metrics={"test/top1": 0.5},
    command="harness run x.yaml",
    started="2026-01-01T00:00:00+00:00",
    seconds=1.5,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(arm=TEXT, seed=st.integers(0, 2**31), value=st.floats(allow_nan=False, allow_infinity=False))
def test_a_record_survives_the_disk(tmp_path_factory, arm, seed, value):
    folder = tmp_path_factory.mktemp("cell")
    record = replace(RECORD, arm=arm, seed=seed, metrics={"test/top1": value})
    assert save(record, folder)
    assert load(folder / "record.json") == record


def test_the_first_writer_wins(tmp_path):
    assert save(RECORD, tmp_path)
    assert not save(replace(RECORD, seconds=9.0), tmp_path)
    assert load(tmp_path / "record.json").seconds == 1.5
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]


def test_a_number_that_is_none_becomes_null(tmp_path):
    save(replace(RECORD, metrics={"val/loss": float("nan")}), tmp_path)
    assert load(tmp_path / "record.json").metrics == {"val/loss": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "record schema 2, this version reads 1; upgrade"),
        ({"schema": None}, "record schema None, this version reads 1; move its folder away"),
        ({"status": "splendid"}, "not a valid record: splendid"),
        ({"surprise": 1}, "not a valid record: surprise"),
        ({"seed": "0", "metrics": [0.5]}, "not a valid record: metrics, seed: edited by hand?"),
    ],
)
def test_a_record_that_is_not_one_is_refused_by_name(tmp_path, change, message):
    write_json(tmp_path / "record.json", asdict(RECORD) | change)
    with pytest.raises(UserError, match="record.json") as error:
        load(tmp_path / "record.json")
    assert message in str(error.value)


def test_a_truncated_record_is_refused(tmp_path):
    save(RECORD, tmp_path)
    path = tmp_path / "record.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match="not a readable record"):
        load(path)


def test_records_set_aside_are_kept_but_not_read(tmp_path):
    for _ in range(2):
        save(RECORD, tmp_path / "demo" / RECORD.key)
        set_aside(tmp_path / "demo" / RECORD.key)
    save(RECORD, tmp_path / "demo" / RECORD.key)
    assert len(load_all(tmp_path)) == 1
    assert len(list(tmp_path.glob("demo/*/record.json"))) == 3


def test_scores_are_plain_arrays(tmp_path):
    logits = np.arange(6.0).reshape(2, 3)
    save_scores(tmp_path, {"test/logits": logits, "test/video_ids": np.array(["a", "b"])})
    with np.load(tmp_path / "scores.npz", allow_pickle=False) as scores:
        np.testing.assert_array_equal(scores["test/logits"], logits)
        assert scores["test/video_ids"].tolist() == ["a", "b"]


def test_no_secret_reaches_a_record(tmp_path, monkeypatch):
    monkeypatch.setenv("MY_SERVICE_TOKEN", "tok-123456789")
    secret = replace(
        RECORD,
        command="harness sweep s.yaml --storage postgresql://me:hunter2@host/db",
        config={"wandb": {"api_key": "swordfish"}, "note": "uses tok-123456789 twice"},
    )
    save(secret, tmp_path)
    text = (tmp_path / "record.json").read_text()
    assert not [word for word in ("hunter2", "swordfish", "tok-123456789") if word in text]
    assert json.loads(text)["command"].endswith(f"postgresql://me:{HIDDEN}@host/db")


@given(st.dictionaries(st.sampled_from(["lr", "keys", "tokenizer", "secretary", "name"]), TEXT))
def test_innocent_configurations_are_left_alone(config):
    assert redact(config) == config
