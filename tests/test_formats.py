"""Tables as people read them: Markdown and the terminal."""

import html
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.console import Console

from harness.report.formats import MISSING, ColumnSpec, Table, markdown, plain, terminal

COLUMNS = (
    ColumnSpec(key="arm", title="arm"),
    ColumnSpec(key="top1", title="top-1", show=lambda v: f"{v:.1f}", better="higher", mark="mark"),
    ColumnSpec(key="ok", title="ok"),
)
ROWS = [
    {"arm": "conv_fusion", "top1": 87.25, "mark": "best", "ok": True},
    {"arm": "_a_ | `b`\n<c>", "top1": 9.0, "mark": "tied", "ok": None},
    {"arm": "光流", "top1": 1.0, "mark": None, "ok": False},
]


def printed(table: Table) -> str:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    console.print(terminal(table))
    return console.file.getvalue()


def test_markdown_is_aligned_and_escaped():
    expected = r"""### Fusions

| arm                    |  top-1 ↑ | ok  |
| ---------------------- | -------: | --- |
| conv_fusion            | **87.2** | yes |
| \_a\_ \| \`b\`<br>\<c> |    9.0 ≈ | -   |
| 光流                   |      1.0 | no  |

- ± is \*not\* sd
"""
    text = markdown(Table("Fusions", COLUMNS, ROWS, ("± is *not* sd",)))
    assert text.replace(MISSING, "-") == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("62.0 [95 %]", "62.0 [95 %]"),
        ("W&B, R&D", "W&B, R&D"),
        ("p < 0.05, 3 > 2", "p < 0.05, 3 > 2"),
        ("&lt;b&gt; &#60;", r"\&lt;b\&gt; \&#60;"),
        ("<script>x</script>", r"\<script>x\</script>"),
        ("<!-- x <?y", r"\<!-- x \<?y"),
        ("[a](http://b) ![c](d)", r"[a\](http://b) ![c\](d)"),
        ("[a][b] [c]: http://d", r"[a\][b] [c\]: http://d"),
        (r"a|b \| `c` *d* ~~e~~", r"a\|b \\\| \`c\` \*d\* \~\~e\~\~"),
    ],
)
def test_markdown_shows_text_as_it_is_and_escapes_no_more_than_it_must(text, shown):
    assert f"| {shown} " in markdown(Table("", COLUMNS[:1], [{"arm": text}]))


@given(st.text(alphabet="ab1 &;#<>[]()!|\\\\`*_~:/?-", max_size=30))
def test_what_markdown_renders_is_the_text(text):
    """In a cell and in a note: no link, no tag, no emphasis; a parser is the judge."""
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    text = " ".join(text.split())
    page = reader.render(markdown(Table("", COLUMNS[:1], [{"arm": f"x {text}"}], (f"x {text}",))))
    seen = html.escape(f"x {text}", quote=False).strip()
    assert f"<td>{seen}</td>" in page
    assert f"<li>{seen}</li>" in page


def test_columns_of_numbers_are_known_by_their_values():
    table = Table("", COLUMNS, ROWS)
    assert [table.numeric(column) for column in COLUMNS] == [False, True, False]


def test_plain_values():
    assert [plain(v) for v in (3, 0.123456, True, "x", None)] == [
        *("3", "0.1235", "yes", "x"),
        MISSING,
    ]


def test_terminal_takes_names_as_text():
    rows = [{"arm": "[red]x[/red] \x1b[2J", "top1": 1.0, "ok": None, "mark": "tied"}]
    text = printed(Table("[b]t[/b]", COLUMNS, rows, ("[i]note",)))
    assert "[b]t[/b]" in text
    assert "[red]x[/red] \N{REPLACEMENT CHARACTER}[2J" in text
    assert "1.0 ≈" in text
    assert "[i]note" in text
    assert "\x1b" not in text


def test_terminal_without_title_or_notes():
    assert "conv_fusion" in printed(Table("", COLUMNS, ROWS))
