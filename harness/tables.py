"""Every table of components, by the name that `harness show` gives it."""

from inspect import Parameter

from harness.augment import CROPS, DISTORTIONS, MIXES
from harness.backbones import BACKBONES
from harness.convs import ALGORITHMS, OPERATORS
from harness.datasets import DATASETS
from harness.flow import FLOWS
from harness.fusion import FUSIONS
from harness.optim import OPTIMIZERS, SCHEDULES
from harness.parallel import STRATEGIES
from harness.planning import PRUNERS, SAMPLERS
from harness.registry import Registry
from harness.report.formats import ColumnSpec, Table, Value

TABLES: dict[str, tuple[Registry, ...]] = {
    "backbones": (BACKBONES,),
    "fusions": (FUSIONS,),
    "convs": (OPERATORS, ALGORITHMS),
    "datasets": (DATASETS,),
    "flows": (FLOWS,),
    "crops": (CROPS,),
    "distortions": (DISTORTIONS,),
    "mixes": (MIXES,),
    "optimizers": (OPTIMIZERS,),
    "schedules": (SCHEDULES,),
    "strategies": (STRATEGIES,),
    "samplers": (SAMPLERS,),
    "pruners": (PRUNERS,),
}


def components_table(name: str) -> Table:
    """Name, kind, what it is, and its options with their defaults."""
    rows: list[dict[str, Value]] = [
        {
            "name": entry,
            "kind": table.kind,
            "options": ", ".join(_option(p) for p in table.options(entry).values()),
            "summary": _summary(table[entry]),
        }
        for table in TABLES[name]
        for entry in table
    ]
    titles = {"name": "name", "kind": "kind", "options": "options", "summary": "what it is"}
    return Table("", tuple(ColumnSpec(key=k, title=t) for k, t in titles.items()), rows)


def _option(parameter: Parameter) -> str:
    if parameter.default is Parameter.empty:
        return f"{parameter.name} (required)"
    return f"{parameter.name}={parameter.default}"


def _summary(component: object) -> str:
    """The first sentence of the component's docstring, or of its module's."""
    import sys

    module = sys.modules[getattr(component, "__module__", "")]
    text = (getattr(component, "__doc__", None) or module.__doc__ or "").strip()
    return text.split("\n\n")[0].replace("\n", " ").replace("`", "").split(". ")[0].rstrip(".")
