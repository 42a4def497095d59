"""A component's options held against its signature: names, types, ranges, what is missing."""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from inspect import Parameter
from typing import Any

from harness.config.convert import convert
from harness.config.document import Document
from harness.config.schema import components, plain
from harness.errors import Errors, UserError
from harness.registry import Registry, hint

# Kinds made of their options alone: making one says whether it takes them.
MADE_OF_OPTIONS = ("operator", "algorithm", "crop", "distortion", "mix", "strategy")


def bind(table: Registry, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options as their annotated types; UserError with a line for each that does not fit."""
    takes, errors, bound = table.options(name), Errors(), dict[str, Any]()
    for key, value in options.items():
        with errors.collected():
            if key not in takes:
                raise UserError(f"{key}: {_unknown(table, name, key, takes)}")
            bound[key] = _typed(key, takes[key].annotation, value)
    for key, parameter in takes.items():
        if key not in options and parameter.default is Parameter.empty:
            errors.add(UserError(f"{table.kind} {name!r} needs the option {key!r}"))
    errors.tell()
    return bound


def unknown_options(section: Any, document: Document) -> Iterator[UserError]:
    """Of every component of a section, without importing any of them."""
    for path, table, component in components(section):
        takes = table.option_names(component.name)
        for key in component.options:
            if takes is not None and key not in takes:
                yield document.error((*path, key), _unknown(table, component.name, key, takes))


def _unknown(table: Registry, name: str, key: str, takes: Iterable[str]) -> str:
    return f"{table.kind} {name!r} has no such option; {hint(key, list(takes))}"


def _typed(key: str, annotation: Any, value: Any) -> Any:
    try:
        return convert(annotation, value)
    except UserError as error:
        raise UserError(f"{key}: {error}") from None


def written_out(experiment: Any) -> dict[str, Any]:
    """The experiment's tree with every option of every component in it, defaults included.

    Needs the components themselves, and so torch.
    """
    complete = deepcopy(experiment)
    for _, table, component in components(complete):
        options = table.options(component.name).items()
        defaults = {key: o.default for key, o in options if o.default is not Parameter.empty}
        component.options = defaults | component.options
    tree: dict[str, Any] = plain(complete)
    return tree


def check_options(experiment: Any, document: Document) -> None:
    """Bind the options of every component of an experiment; all errors at once.

    Those out of range, too, where a component is made of its options alone.
    """
    errors = Errors()
    for path, table, component in components(experiment):
        try:
            component.options = bind(table, component.name, component.options)
            if table.kind in MADE_OF_OPTIONS:
                table[component.name](**component.options)
        except UserError as error:
            errors.add(document.error_below(path, str(error)))
    errors.tell()
