"""`harness board`: records to a leaderboard and its page."""

import sys

from harness.cli import options as o


def command(
    file: o.File,
    set_: o.Set = None,
    runs: o.Runs = o.RUNS_DEFAULT,
    format: o.Format = None,
    output: o.Output = None,
) -> None:
    """Rank the recorded runs; the page goes to `out/NAME.html` beside the file.

    Example: `harness board leaderboards/demo.yaml --format md -o board.md`
    """
    from harness.cli.output import check_format, emit
    from harness.files import write_atomic
    from harness.report.board import read_board
    from harness.report.page import page
    from harness.results.store import load_all

    check_format(format)
    built = read_board(file, load_all(runs), set_ or [])
    path = file.parent / "out" / f"{built.file.name}.html"
    write_atomic(path, page(built).encode())
    emit(built.table(), format, output)
    print(f"page: {path}", file=sys.stderr)
