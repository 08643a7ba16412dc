"""Who may import whom (imports are read, not run), and what `cvl --help` may load."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from cvl.readers import READERS

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "cvl"
BOTTOM = ("contract", "errors", "params", "formats")
# What the bottom may use beside the standard library: train.py needs it inside every image.
BOTTOM_THIRD_PARTY = {"params": {"yaml"}, "formats": {"yaml", "PIL"}}
HOST_THIRD_PARTY = {"urllib3", "requests", "click", "docker", "jsonschema", "packaging", "PIL", "rich", "yaml"}
PURE = ("plan", "rules")
ACTING = {"subprocess", "socket", "shutil", "tempfile", "docker", "signal", "threading", "urllib"}
HEAVY = {"docker", "jsonschema", "rich", "PIL", "torch", "numpy", "requests", "urllib3", "asyncio"}


@cache
def package_modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def statements(tree: ast.AST) -> list[ast.Import | ast.ImportFrom]:
    """The imports that run: those for the type checker alone bind nothing."""
    found: list[ast.Import | ast.ImportFrom] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.append(node)
        found += statements(node)
    return found


@cache
def imports(path: Path) -> frozenset[str]:
    """Dotted names that the file imports; of `from package import name` the module `package.name` if there is one."""
    found = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            continue
        base = node.module or ""
        if node.level:
            folder = path.relative_to(REPOSITORY).parent.parts
            base = ".".join([*folder[: len(folder) - node.level + 1], *base.split(".")]).rstrip(".")
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            found.add(inner if inner in package_modules() else base)
    return frozenset(found)


def own(names: frozenset[str]) -> set[str]:
    return {name for name in names if name == "cvl" or name.startswith("cvl.")}


def third_party(names: frozenset[str]) -> set[str]:
    return {name.split(".")[0] for name in names - own(names)} - sys.stdlib_module_names


def area(module: str) -> str:
    """`cvl.readers.csv` lies in `readers`, `cvl.plan` in `plan`."""
    return module.split(".")[1] if "." in module else ""


def modules_of(*areas: str) -> list[str]:
    return [name for name in package_modules() if area(name) in areas]


def modules_outside(*areas: str) -> list[str]:
    return [name for name in package_modules() if area(name) not in areas]


def areas_imported(module: str) -> set[str]:
    return {area(name) for name in own(imports(package_modules()[module]))}


def test_the_walk_found_every_area() -> None:
    assert {"kit", "engines", "readers", *BOTTOM, *PURE} <= {area(name) for name in package_modules()}


@pytest.mark.parametrize("module", modules_of(*BOTTOM))
def test_the_bottom_imports_the_bottom_and_the_standard_library(module: str) -> None:
    assert areas_imported(module) <= {*BOTTOM}
    assert third_party(imports(package_modules()[module])) <= BOTTOM_THIRD_PARTY.get(area(module), set())


@pytest.mark.parametrize("module", modules_outside(*BOTTOM, "kit"))
def test_the_host_side_never_imports_the_kit_and_only_what_is_installed_with_it(module: str) -> None:
    assert "kit" not in areas_imported(module)
    assert third_party(imports(package_modules()[module])) <= HOST_THIRD_PARTY


@pytest.mark.parametrize("module", modules_of("kit"))
def test_the_kit_imports_only_the_bottom(module: str) -> None:
    assert areas_imported(module) <= {"kit", *BOTTOM}


@pytest.mark.parametrize("module", modules_of("engines"))
def test_an_engine_works_from_the_plan_alone(module: str) -> None:
    assert not areas_imported(module) & {"manifest", "catalogue", "commands", "cli"}
    assert "click" not in third_party(imports(package_modules()[module]))


@pytest.mark.parametrize("module", modules_of("readers"))
def test_a_reader_never_imports_another_reader(module: str) -> None:
    others = {"cvl.readers", *READERS.values()} - {module}
    assert module == "cvl.readers" or not imports(package_modules()[module]) & others


@pytest.mark.parametrize("module", modules_outside("commands", "cli", "__main__"))
def test_nothing_below_imports_the_command_line(module: str) -> None:
    assert not areas_imported(module) & {"commands", "cli"}


@pytest.mark.parametrize("module", modules_of(*PURE))
def test_deciding_is_apart_from_acting(module: str) -> None:
    names = imports(package_modules()[module])
    assert not {name.split(".")[0] for name in names} & ACTING
    assert not areas_imported(module) & {"engines", "runs", "report"}


def test_no_two_modules_import_each_other() -> None:
    graph = {name: own(imports(path)) - {name} for name, path in package_modules().items()}
    graphlib.TopologicalSorter(graph).prepare()


def test_importing_cvl_imports_nothing() -> None:
    assert ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body == []


def example_files() -> list[Path]:
    return sorted(path for path in REPOSITORY.glob("examples/*/**/*.py") if "outputs" not in path.parts)


def test_there_are_examples() -> None:
    assert any(path.name == "train.py" for path in example_files())


@pytest.mark.parametrize("path", example_files(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_an_example_imports_the_kit_the_bottom_and_its_own_folder(path: Path) -> None:
    names = imports(path)
    assert {area(name) for name in own(names)} <= {"kit", *BOTTOM}
    assert "examples" not in third_party(names)


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, cvl.cli\ntry: cvl.cli.main()\nfinally: print('\\nloaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, "--help"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.rpartition("\nloaded ")[2].split()
    assert "cvl.cli" in loaded
    assert not HEAVY & set(loaded)
