"""Tables of named components, imported on first use.

A table maps a public name to "module:attribute". Listing it imports nothing, so
`harness show` and `--help` stay instant; looking a name up imports that one module.
A target may end in "@2": the component's revision, raised when its behaviour changes,
so that cells trained before the change are not mistaken for cells trained after it.

Installed packages add components through entry points of the group "harness.<kind>",
for example `[project.entry-points."harness.fusion"]`. A name in the table always wins.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from harness.errors import UserError


def hint(given: object, allowed: Mapping[str, object] | list[str]) -> str:
    """The end of an error about a wrong name.

    >>> hint("rot", ["root", "power"])
    "did you mean 'root'? (allowed: power, root)"
    """
    names = sorted(set(allowed))
    close = get_close_matches(str(given), names, n=1)
    listed = f"allowed: {', '.join(names)}" if names else "none are allowed here"
    return f"did you mean {close[0]!r}? ({listed})" if close else listed


@cache
def installed() -> Any:
    """The entry points of every package here, looked for once, since it takes 10 ms a table."""
    return entry_points()


class Registry(Mapping[str, Any]):
    """A read-only mapping from names to components of one kind.

    >>> maths = Registry("operation", root="math:sqrt", power="math:pow@2")
    >>> maths["root"](9.0), maths.revision("power")
    (3.0, 2)
    >>> maths["rot"]
    Traceback (most recent call last):
    ...
    harness.errors.UserError: no operation named 'rot'; did you mean 'root'? (allowed: power, root)
    """

    def __init__(self, kind: str, /, **targets: str) -> None:
        self.kind = kind
        self._own = targets

    def __repr__(self) -> str:
        return f"Registry({self.kind!r})"

    @cached_property
    def _targets(self) -> dict[str, str]:
        found = installed().select(group=f"harness.{self.kind}")
        return {entry.name: entry.value for entry in found} | self._own

    def _target(self, name: str) -> tuple[str, str]:
        if name not in self:
            raise UserError(f"no {self.kind} named {name!r}; {hint(name, self)}")
        target, _, revision = self._targets[name].partition("@")
        return target, revision

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = self._target(name)[0].partition(":")
        return getattr(import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._targets

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._targets))

    def __len__(self) -> int:
        return len(self._targets)

    def revision(self, name: str) -> int:
        """The component's revision; known without importing it."""
        return int(self._target(name)[1] or 1)

    def options(self, name: str) -> dict[str, Parameter]:
        """The options that YAML may give: the component's keyword-only parameters."""
        parameters = signature(self[name]).parameters
        return {k: p for k, p in parameters.items() if p.kind is Parameter.KEYWORD_ONLY}

    def default(self, name: str, option: str) -> Any:
        """An option's default, read from the source without importing it, since that may take
        torch; None where it has none, or is not a plain value.

        >>> Registry("optimizer", adamw="harness.optim.adamw:adamw").default("adamw", "lr")
        0.001
        """
        value = (_written(self._target(name)[0]) or {}).get(option)
        if value is None:
            return None
        try:
            return ast.literal_eval(value)
        except ValueError:  # a name or a call
            return None

    def constant(self, name: str, attribute: str) -> Any:
        """What a class has set an attribute to: read in the same way; imported where the source
        does not tell.
        """
        written = dict(_constants(_node(self._target(name)[0])))
        return written[attribute] if attribute in written else getattr(self[name], attribute, None)

    def option_names(self, name: str) -> list[str] | None:
        """What options there are, read in the same way; None where only an import can tell."""
        written = _written(self._target(name)[0])
        return None if written is None else list(written)


@cache
def _node(target: str) -> ast.stmt | None:
    """The function or class as it stands in the source, where there is one."""
    module, _, attribute = target.partition(":")
    spec = find_spec(module)
    if spec is None or not str(spec.origin).endswith(".py"):
        return None
    nodes = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8")).body
    return next((node for node in nodes if getattr(node, "name", "") == attribute), None)


def _constants(node: ast.stmt | None) -> Iterator[tuple[str, Any]]:
    """Of a class, what it sets to plain values."""
    for line in node.body if isinstance(node, ast.ClassDef) else ():
        if isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Constant):
            targets = line.targets if isinstance(line, ast.Assign) else [line.target]
            yield from ((ast.unparse(target), line.value.value) for target in targets)


@cache
def _written(target: str) -> dict[str, ast.expr | None] | None:
    """The keyword-only parameters of a function, or of a class that writes them out, with their
    defaults, as they stand in the source.
    """
    node = _node(target)
    if isinstance(node, ast.ClassDef) and node.decorator_list and not node.bases:
        return _fields(node)
    if isinstance(node, ast.ClassDef):
        node = next((n for n in node.body if getattr(n, "name", "") == "__init__"), None)
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        return None
    return {p.arg: d for p, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)}


def _fields(node: ast.ClassDef) -> dict[str, ast.expr | None] | None:
    """Of a dataclass whose fields are keyword-only."""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    if not all("dataclass(" in text and "kw_only=True" in text for text in decorators):
        return None
    fields = [line for line in node.body if isinstance(line, ast.AnnAssign)]
    given = [line for line in fields if not re.search("ClassVar|init=False", ast.unparse(line))]
    return {ast.unparse(line.target): line.value for line in given}
