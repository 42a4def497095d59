"""Tables: laziness, hints, revisions, options, and components of installed packages."""

import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from harness import registry
from harness.errors import UserError
from harness.registry import Registry, hint
from harness.tables import TABLES


def test_listing_imports_nothing():
    table = Registry("thing", lazy="this_module_does_not_exist:f")
    assert list(table) == ["lazy"]
    assert "lazy" in table
    assert table.revision("lazy") == 1
    with pytest.raises(ModuleNotFoundError):
        table["lazy"]


def test_unknown_name_is_the_users_error_with_the_nearest_name():
    table = Registry("fusion", conv="math:sqrt", concat="math:pow")
    with pytest.raises(UserError, match=r"no fusion named 'cnov'; did you mean 'conv'\?"):
        table["cnov"]


def test_hint_lists_what_is_allowed_when_nothing_is_near():
    assert hint("zzz", ["a", "b", "a"]) == "allowed: a, b"
    assert hint("zzz", []) == "none are allowed here"


def test_options_are_the_keyword_only_parameters():
    table = Registry("thing", adamw="harness.optim.adamw:adamw@3")
    assert set(table.options("adamw")) == {"lr", "weight_decay", "betas", "eps"}
    assert table.revision("adamw") == 3


def test_a_constant_is_read_without_an_import_where_the_source_has_it(monkeypatch):
    table = Registry("fusion", sum="harness.fusion.sum:Sum", other="http.client:HTTPConnection")
    assert table.constant("other", "LEVEL") is None
    assert table.constant("other", "default_port") == 80  # written as another constant's name
    monkeypatch.setattr(registry, "import_module", None)
    assert (table.constant("sum", "LEVEL"), table.constant("other", "auto_open")) == ("map", 1)


def test_installed_packages_add_entries_but_never_replace_one(monkeypatch):
    points = [
        EntryPoint("mine", "math:sqrt@2", "harness.operation"),
        EntryPoint("root", "math:pow", "harness.operation"),
    ]
    monkeypatch.setattr(registry, "installed", lambda: EntryPoints(points))
    table = Registry("operation", root="math:sqrt")
    assert table["mine"](9.0) == table["root"](9.0) == 3.0
    assert table.revision("mine") == 2


@pytest.mark.parametrize("name", TABLES)
def test_every_entry_of_every_table_can_be_imported_and_described(name):
    for table in TABLES[name]:
        for entry in table:
            assert callable(table[entry])
            module = sys.modules[table[entry].__module__]
            assert module.__doc__, f"{entry}: its file must open with what it is"
            names = table.option_names(entry)  # read without the import
            assert names is None or names == list(table.options(entry))
