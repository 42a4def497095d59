"""The page: whole in one file, safe with hostile names, and alive in a real browser."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import pytest
from fake_records import AWKWARD, HOSTILE, comparison, record
from hypothesis import given
from hypothesis import strategies as st

from harness.report.axes import linear, logarithmic
from harness.report.board import BoardFile, board
from harness.report.columns import COLUMNS, METRICS
from harness.report.figures import LETTER, WIDTH, dot_plots, place_labels, scatters, short
from harness.report.page import page
from harness.results.record import Record

TITLE = "Where two streams should meet"
COSTS = ["test/top1", "params", "macs", "seconds/fit"]


def rendered(records: list[Record], **options: object) -> str:
    return page(board(records, BoardFile(name="fusions", title=TITLE, **options)))


class Reader(HTMLParser):
    """Elements with their attributes, and the text that people see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += data


def test_it_is_well_formed_and_shows_all():
    reader = Reader(rendered(comparison()))
    assert reader.open == []
    shown = (
        TITLE,
        HOSTILE,
        AWKWARD,
        "9 arms",
        "54 runs",
        "2 not finished",
        "chance 1.0",
        "1f3a6d22",
    )
    for text in (*shown, "out of memory", "stopped by Ctrl-C", "harness run experiments/conv.yaml"):
        assert text in reader.text
    assert "1 record is left out: trained again since" in reader.text
    assert "no time is claimed for conv_fusion_winograd" in reader.text
    assert "60 test videos, 1 unreadable and left out" in reader.text


def test_names_stay_names():
    reader = Reader(rendered(comparison()))
    assert [tag for tag, _ in reader.elements].count("script") == 1
    allowed = {"data-row", "data-value", "data-first", "title", "style", "class", "id", "href"}
    for tag, attributes in reader.elements:
        assert not any(name.startswith("on") for name in attributes), tag
        if tag in ("tr", "td", "th", "a"):
            assert set(attributes) <= allowed | {"scope", "aria-sort"}


def test_nothing_is_asked_of_the_network():
    text = rendered(comparison())
    for tag, attributes in Reader(text).elements:
        assert not set(attributes) & {"src", "srcset", "action", "data", "poster", "xlink:href"}
        assert (attributes.get("href") or "#").startswith("#"), tag
        assert tag not in ("link", "base", "iframe", "object", "embed", "img")
    assert not re.search(r"https?://|url\(|@import|fetch\(|XMLHttpRequest", text)


def hash_of(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def test_the_policy_allows_the_pages_own_script_alone():
    text = rendered(comparison())
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    policy = next(a["content"] for _, a in Reader(text).elements if "http-equiv" in a)
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {hash_of(script)}"
    )


def test_the_same_board_gives_the_same_bytes():
    assert rendered(comparison()) == rendered(comparison())


def test_boards_with_little_to_show():
    failed = record(status="failed", reason="", metrics={}, cost={})
    assert "no reason was recorded" in rendered([failed])
    assert "Every run" not in rendered([failed])
    assert "Score against cost" not in rendered([record(top1=0.5)])
    assert "cannot be told" in rendered([record(top1=1.0), record(arm="b", top1=1.0)])
    assert "Every run" not in rendered([record(top1=0.5)], columns=["params"], rank_by="params")
    assert "incomplete" in rendered(
        [*comparison(), record(arm="part", protocol="p-ucf-8c41f0a2d9b3")]
    )


def test_figures_hold_every_arm_and_every_run():
    made = board(comparison(), BoardFile(name="x"))
    plots, clouds = dot_plots(made), scatters(made)
    assert [len(plot.strips) for plot in plots] == [9, 9]
    assert sum(len(strip.runs) for plot in plots for strip in plot.strips) == 52
    assert [len(cloud.points) for cloud in clouds] == [9, 9]
    assert plots[0].chance is None
    assert plots[0].chance_text == "chance 1.0"
    leader = min(clouds[0].points, key=lambda point: point.y)
    assert leader.name == "fast3d_temporal"
    assert (leader.x, leader.y) == clouds[0].front[-1]


def test_chance_is_drawn_where_it_is_near():
    records = [
        record(seed=s, metrics={"test/top1": v, "chance": 0.5}) for s, v in enumerate((0.45, 0.6))
    ]
    plot = dot_plots(board(records, BoardFile(name="x")))[0]
    assert plot.chance == plot.axis(0.5)


shares = st.lists(st.floats(0, 1), min_size=1, max_size=9)


@given(shares)
def test_a_linear_axis_holds_its_values_between_round_ticks(values):
    axis = linear(values, 10.0, 210.0, METRICS["top1"])
    assert all(10 <= axis(value) <= 210 for value in values)
    assert all(10 <= at <= 210 for at, _ in axis.ticks)
    assert len(axis.ticks) <= 7
    assert [float(text) for _, text in axis.ticks] == sorted(float(text) for _, text in axis.ticks)


@given(st.lists(st.floats(1e-3, 1e15), min_size=1, max_size=9))
def test_a_logarithmic_axis_keeps_the_order(values):
    axis = logarithmic(values, 0.0, 500.0, COLUMNS["macs"])
    assert [axis(value) for value in sorted(values)] == sorted(axis(value) for value in values)
    assert 0 < axis(min(values)) <= axis(max(values)) < 500


def test_ticks_read_well():
    assert [text for _, text in linear([0.68, 0.87], 0.0, 1.0, METRICS["top1"]).ticks] == [
        *("70", "75", "80", "85")
    ]
    assert [text for _, text in logarithmic([1.8e9, 1.4e10], 0.0, 1.0, COLUMNS["macs"]).ticks] == [
        *("2 G", "5 G", "10 G")
    ]


def test_labels_keep_clear_of_each_other():
    places = [(100.0, 100.0), (108.0, 104.0), (95.0, 112.0), (500.0, 20.0), (548.0, 200.0)]
    names = ["conv_fusion", "bilinear", "gated", "fast3d_temporal", "late_average"]
    labels = place_labels(places, names)
    boxes = []
    for (x, y, anchor), name in zip(labels, names, strict=True):
        left = x - {"start": 0, "middle": 0.5, "end": 1}[anchor] * LETTER * len(name)
        boxes.append((left, y - 9, left + LETTER * len(name), y + 2))
    assert all(box[0] >= 0 and box[2] <= WIDTH for box in boxes)
    for a, b in combinations(boxes, 2):
        assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]


def test_long_names_are_cut_in_figures():
    assert short("x" * 24) == "x" * 24
    assert short("x" * 40) == "x" * 23 + "…"


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--virtual-time-budget=2000",
)
CLICKS = """{
const values = (column) => [...document.querySelectorAll("#board tbody tr")].map(
  (row) => row.cells[column].dataset.value ?? null);
const headings = [...document.querySelectorAll("#board thead th")];
const seen = headings.map((heading, column) => [0, 1].map(() => {
  heading.querySelector("button").click();
  const sorted = headings.filter((h) => h.hasAttribute("aria-sort"));
  return [heading.getAttribute("aria-sort"), sorted.length, values(column)];
}));
const result = document.createElement("pre");
result.id = "result";
result.textContent = JSON.stringify(seen);
document.body.append(result);
}"""


def in_browser(text: str, folder: Path) -> str:
    """The page as a browser leaves it after its scripts ran."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        pytest.skip("install chromium to try the page in a real browser")
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    command = [
        browser,
        *QUIET,
        f"--user-data-dir={folder / 'profile'}",
        "--dump-dom",
        file.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def in_order(values: list[str | None], order: str) -> bool:
    present = [value for value in values if value is not None]
    if values[len(present) :] != [None] * (len(values) - len(present)):
        return False
    try:
        keys = [float(value) for value in present]
    except ValueError:
        return True  # how words sort is the browser's own affair
    return keys == sorted(keys, reverse=order == "descending")


def test_every_column_sorts_in_a_browser_with_missing_last(tmp_path):
    part = record(arm="part", protocol="p-ucf-8c41f0a2d9b3", top1=0.5, cost={})
    text = rendered([*comparison(), part], columns=COSTS)
    text = text.replace("script-src ", f"script-src {hash_of(CLICKS)} ")
    left = in_browser(text.replace("</body>", f"<script>{CLICKS}</script></body>"), tmp_path)
    found = re.search(r'<pre id="result">(.*?)</pre>', left, re.DOTALL)
    assert found, left[-2000:]
    seen = json.loads(html.unescape(found[1]))
    assert len(seen) == 2 + 2 + 3 + 1
    for twice in seen:
        assert {order for order, _, _ in twice} == {"ascending", "descending"}
        for order, marked, values in twice:
            assert marked == 1
            assert len(values) == 10
            assert in_order(values, order), (order, values)
    assert [twice[0][0] for twice in seen] == [
        *("descending", "ascending", "descending", "descending"),
        *("ascending", "ascending", "ascending", "descending"),
    ]
    assert sum(values.count(None) for _, _, values in seen[3]) == 2


def test_a_hostile_name_does_nothing_in_a_browser(tmp_path):
    left = in_browser(rendered(comparison()), tmp_path)
    assert f"<title>{TITLE}</title>" in left
    assert html.escape(HOSTILE, quote=False).replace("'", "&#39;") in left.replace("'", "&#39;")
