"""Tables and figures of measured rows: means, worst layers, what people see and programs get."""

import json
import xml.etree.ElementTree as ET

import pytest

from harness.errors import UserError
from harness.report.formats import FORMATS
from harness.report.speed import convs_table, summary
from harness.report.speed_figure import draw


def row(layer, ratio, variant="small tile", **facts):
    ms = None if ratio is None else 2.0
    return {
        "layer": layer,
        "network": "resnet18",
        "apart": False,
        "direction": "forward",
        "batch": 1,
        "algorithm": "winograd",
        "variant": variant,
        "kernel": "native",
        "ms": ms,
        "ms_p25": 1.9,
        "ms_p75": 2.1,
        "baseline": "prepacked",
        "tile": "2x2",
        "baseline_ms": 4.0,
        "baseline_ms_p25": 3.9,
        "baseline_ms_p75": 4.1,
        "ratio": ratio,
        "limit": 2.25,
        "gflops": 150.0,
        "baseline_gflops": 80.0,
        "peak_gflops": 100.0,
        "max_error": 1e-6,
        "reason": None,
        "load": 0.1,
        "unavailable": "nnpack: failed <&",
        "cpu": "a CPU",
        "threads": 1,
        "core": 1,
        "clock": "thread CPU",
        "dtype": "float32",
        "memory_format": "channels_last",
        "torch": "2",
        "commit": "abc",
        **facts,
    }


def test_a_group_ends_in_its_geometric_mean_and_its_worst_layer():
    rows = [row("a", 1.0), row("b", 4.0), row("c", 9.0, apart=True), row("a", 3.0, "large tile")]
    mean, worst = summary(rows)
    assert mean["ratio"] == pytest.approx(2.0)
    assert (worst["layer"], worst["ratio"]) == ("resnet18: worst, a", 1.0)


def test_a_mean_with_a_ratio_missing_is_no_mean():
    [mean] = summary([row("a", 2.0), row("b", None, reason="busy"), row("c", 2.0)])
    assert (mean["ratio"], mean["reason"]) == (None, "1 of 3 have no ratio")


def test_at_batch_1_the_best_variant_of_each_layer_has_a_mean_too():
    rows = [row("a", 1.0), row("a", 4.0, "large tile"), row("b", 9.0), row("b", 2.0, "large tile")]
    footer = convs_table(rows).footer
    best = [line for line in footer if line["variant"] == "best variant"]
    assert [line["ratio"] for line in best] == [pytest.approx(6.0), 4.0]
    eight = convs_table([r | {"batch": 8} for r in rows]).footer
    assert all(line["variant"] != "best variant" for line in eight)


def test_the_best_variants_have_no_mean_where_a_layer_has_no_ratio():
    """A race on a busy machine must not leave the mean of the others."""
    rows = [row(name, 2.0, variant) for name in "ab" for variant in ("small tile", "large tile")]
    rows += [row("c", None, v, reason="busy") for v in ("small tile", "large tile")]
    rows += [row("d", None, reason="refused"), row("d", 3.0, "large tile")]
    [best] = [line for line in convs_table(rows).footer if line["variant"] == "best variant"]
    assert (best["ratio"], best["reason"]) == (None, "1 of 4 have no ratio")


def test_people_see_the_means_and_programs_get_every_value_of_a_row():
    table = convs_table([row("a", 1.0, **{"ms/eager": 5.0}), row("b", 4.0)])
    text = FORMATS["md"](table)
    assert "geometric mean" in text
    assert "2.00 (1.90\N{EN DASH}2.10)" in text
    assert "ms/eager" not in text
    rows = json.loads(FORMATS["json"](table))
    assert [r["layer"] for r in rows] == ["a", "b"]
    assert (rows[0]["ms/eager"], rows[1]["ms/eager"]) == (5.0, None)
    assert "ms/eager" in FORMATS["csv"](table).splitlines()[0]


def test_the_figure_is_well_formed_and_has_a_bar_for_each_ratio():
    rows = [row("a<&", 1.5), row("b", None, reason="no native kernel & so on")]
    svg = ET.fromstring(draw(rows))
    bars = [e for e in svg.iter() if e.tag.endswith("rect") and "height" in e.attrib]
    titles = [e.text for e in svg.iter() if e.tag.endswith("title")]
    assert any("1.50 times the speed of prepacked" in text for text in titles)
    assert any("no ratio" in text for text in titles)
    assert len(bars) == 4  # one in the legend, one ratio, two rates


def test_nothing_timed_is_nothing_to_draw():
    with pytest.raises(UserError, match="nothing to draw"):
        draw([row("a", None)])
