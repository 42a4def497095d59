"""Where the marks of a figure stand: plain geometry in SVG units, drawn by the page's template.

Two figures: every run as a dot beside its arm's mean and interval, a panel for each data set; and
the score against a cost on a logarithmic axis, the arms that no other beats on both joined.
"""

from dataclasses import dataclass

from harness.report.axes import Axis, linear, logarithmic
from harness.report.board import Board, Row
from harness.report.columns import Quantity
from harness.report.statistics import Estimate, average

WIDTH = 560  # SVG units; the page scales a panel to its column
NAMES, EDGE = 176, 14  # room for the names of the arms, and beyond the end of an axis
PITCH = 23  # from one arm to the next
SCATTER = 330  # height of a scatter
LETTER = 6.2  # width of a letter of a label
LETTERS = 24  # longest name in a figure
COSTS = ("macs", "params")


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One arm of a dot plot: its runs, its mean, the ends of its interval."""

    row: int
    name: str
    y: float
    mean: float
    interval: tuple[float, float] | None
    runs: tuple[tuple[float, str], ...]
    mark: str
    text: str


@dataclass(frozen=True, kw_only=True)
class DotPlot:
    """All arms on one data set; `chance` is where guessing stands, if within the axis."""

    title: str
    axis: Axis
    strips: tuple[Strip, ...]
    bottom: float
    chance: float | None
    chance_text: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """One arm of a scatter, with the place of its label."""

    row: int
    name: str
    x: float
    y: float
    label: tuple[float, float, str]
    text: str


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """Score against cost; `front` joins the arms that no other beats on both."""

    title: str
    x: Axis
    y: Axis
    points: tuple[Point, ...]
    front: tuple[tuple[float, float], ...]


def short(name: str) -> str:
    """A name cut to its room in a figure; the whole one is in the table and in the mark's text."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def main_metric(board: Board) -> list[Quantity]:
    """The metric that the board ranks by, or its first one, on each data set."""
    metrics = [quantity for quantity in board.columns if quantity.dataset]
    names = [quantity.name for quantity in metrics]
    name = board.file.rank_by if board.file.rank_by in names else next(iter(names), None)
    return [quantity for quantity in metrics if quantity.name == name]


def dot_plots(board: Board) -> list[DotPlot]:
    """A panel for each data set of the main metric that has a value."""
    return [
        _dot_plot(board, quantity)
        for quantity in main_metric(board)
        if any(row.cells[quantity.key].n for row in board.rows)
    ]


def _dot_plot(board: Board, quantity: Quantity) -> DotPlot:
    kind, key = quantity.kind, quantity.key
    runs = [value for row in board.rows for _, value in row.cells[key].values]
    reach = max(runs) - min(runs)
    ends = [end for row in board.rows for end in _interval(row.cells[key]) or ()]
    shown = [min(max(end, min(runs) - reach), max(runs) + reach) for end in ends]
    chance = board.chance.get(quantity.over) if kind.guessable else None
    near = [chance] if chance is not None and min(runs) - chance < reach else []
    axis = linear([*runs, *shown, *near], NAMES, WIDTH - EDGE, kind)
    present = [(index, row) for index, row in enumerate(board.rows) if row.cells[key].n]
    strips = [
        _strip(index, row, PITCH * (place + 0.5), axis, quantity)
        for place, (index, row) in enumerate(present)
    ]
    return DotPlot(
        title=f"{quantity.over}, {kind.title}",
        axis=axis,
        strips=tuple(strips),
        bottom=PITCH * len(strips) + 2,
        chance=axis(near[0]) if near else None,
        chance_text="" if chance is None else f"chance {kind.show(chance)}",
    )


def _strip(index: int, row: Row, y: float, axis: Axis, quantity: Quantity) -> Strip:
    cell, kind = row.cells[quantity.key], quantity.kind
    ends = _interval(cell)
    return Strip(
        row=index,
        name=short(row.name),
        y=y,
        mean=axis(cell.mean or 0.0),
        interval=(axis(ends[0]), axis(ends[1])) if ends else None,
        runs=tuple(
            (axis(value), f"seed {seed}: {kind.show(value)}") for seed, value in cell.values
        ),
        mark=cell.mark or "",
        text=f"{row.name}: {kind.with_interval(cell.mean, cell.half_width, cell.n)}",
    )


def scatters(board: Board) -> list[Scatter]:
    """The mean of the main metric over the data sets, against each cost that tells arms apart."""
    metric = main_metric(board)
    costs = [q for q in board.columns if not q.dataset and q.name in COSTS]
    return [found for cost in costs if (found := _scatter(board, metric, cost)) is not None]


def _scatter(board: Board, metric: list[Quantity], cost: Quantity) -> Scatter | None:
    found = [
        (index, row, price, score)
        for index, row in enumerate(board.rows)
        if (price := row.cells[cost.key].mean) and price > 0
        if (score := _score(row, metric)).mean is not None
    ]
    if len({price for _, _, price, _ in found}) < 2:
        return None
    kind = metric[0].kind
    scores = [score.mean or 0.0 for *_, score in found]
    x = logarithmic([price for _, _, price, _ in found], 44, WIDTH - EDGE, cost.kind)
    bottom, top = (SCATTER - 34, 10) if kind.better != "lower" else (10, SCATTER - 34)
    y = linear(scores, bottom, top, kind)
    places = [(x(price), y(score)) for (_, _, price, _), score in zip(found, scores, strict=True)]
    labels = place_labels(places, [short(row.name) for _, row, _, _ in found])
    points = [
        Point(
            row=index,
            name=short(row.name),
            x=place[0],
            y=place[1],
            label=label,
            text=f"{row.name}: {kind.show(score.mean or 0.0)}, {cost.kind.show(price)}",
        )
        for (index, row, price, score), place, label in zip(found, places, labels, strict=True)
    ]
    over = f"mean over {len(metric)} data sets" if len(metric) > 1 else metric[0].over
    return Scatter(
        title=f"{kind.title}, {over}, against {cost.kind.title}",
        x=x,
        y=y,
        points=tuple(points),
        front=front(places),
    )


def _score(row: Row, metric: list[Quantity]) -> Estimate:
    return average([row.cells[quantity.key] for quantity in metric])


def front(places: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The points that none beats on both axes, from the left: small x and small y are good.

    >>> front([(1.0, 9.0), (2.0, 5.0), (3.0, 7.0), (4.0, 1.0)])
    ((1.0, 9.0), (2.0, 5.0), (4.0, 1.0))
    """
    kept: list[tuple[float, float]] = []
    for place in sorted(places):
        if not kept or place[1] < kept[-1][1]:
            kept.append(place)
    return tuple(kept)


def place_labels(
    places: list[tuple[float, float]], names: list[str]
) -> list[tuple[float, float, str]]:
    """For each point the (x, y, anchor) of its name: the side that covers least, point by point."""
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in places]
    labels: dict[int, tuple[float, float, str]] = {}
    for index in sorted(range(len(places)), key=lambda i: places[i]):
        sides = _sides(*places[index], LETTER * len(names[index]))
        labels[index] = min(sides, key=lambda side: _trouble(sides[side], taken))
        taken.append(sides[labels[index]])
    return [labels[index] for index in range(len(places))]


Box = tuple[float, float, float, float]


def _sides(x: float, y: float, width: float) -> dict[tuple[float, float, str], Box]:
    """The places of a label around a point, the preferred ones first, and the room each takes."""
    anchors = [
        *((x + 8, y + 4, "start"), (x - 8, y + 4, "end")),
        *((x, y - 8, "middle"), (x, y + 16, "middle")),
        *((x + 6, y - 5, "start"), (x + 6, y + 13, "start")),
        *((x - 6, y - 5, "end"), (x - 6, y + 13, "end")),
    ]
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}
    boxes = {}
    for at, base, anchor in anchors:
        left = at - share[anchor] * width
        boxes[at, base, anchor] = (left, base - 9, left + width, base + 2)
    return boxes


def _trouble(box: Box, taken: list[Box]) -> int:
    """How many boxes it covers; more than any of them where it leaves the figure."""
    outside = box[0] < 0 or box[2] > WIDTH or box[1] < 0
    return outside * len(taken) + sum(
        box[0] < x1 and x0 < box[2] and box[1] < y1 and y0 < box[3] for x0, y0, x1, y1 in taken
    )


def _interval(cell: Estimate) -> tuple[float, float] | None:
    if cell.mean is None or cell.half_width is None:
        return None
    return cell.mean - cell.half_width, cell.mean + cell.half_width
