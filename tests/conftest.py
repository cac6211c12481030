"""What all tests share: which engine they run, what may be skipped, and the captures by others.

Tests run the compiled engine of this checkout, and stop at once where there is none or an old one. With `--uncompiled`
the same modules are loaded as the Python that they are: `pytest --uncompiled -m core`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator, Iterator, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType

import pytest

# What pytest itself reads pyproject.toml with.
tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORPUS = os.environ.get("VERIFY_CORPUS") or os.path.join(os.path.dirname(ROOT), "shared", "corpus")
"""Captures by others with their reference counts: expected.jsonl and the files that it names."""

CORE = {
    "test_captures",
    "test_causes",
    "test_corpus",
    "test_decide",
    "test_diagnose",
    "test_endings",
    "test_facts",
    "test_formats",
    "test_frames",
    "test_framing",
    "test_fuzz",
    "test_h2",
    "test_lineage",
    "test_networks",
    "test_media",
    "test_peers",
    "test_pitfalls",
    "test_relays",
    "test_repetition",
    "test_sightings",
    "test_tables",
    "test_tally",
    "test_tls",
    "test_tunnels",
    "test_words",
    "test_usual",
}
"""Modules that hand bytes to the engine and look at the report: each of their tests is marked `core`."""


class SourceOnly(MetaPathFinder):
    """Finds the modules of `verifier` as sources only, as if nothing compiled lay beside them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is None or not fullname.startswith("verifier."):
            return None
        for folder in path:
            found = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(fullname)
            if found:
                return found
        return None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--uncompiled", action="store_true", help="run the engine as plain Python")


def pytest_configure(config: pytest.Config) -> None:
    # A shell that starts this in the background has it ignore Ctrl-C, and all that it starts: the tests of Ctrl-C need
    # it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    uncompiled = config.getoption("uncompiled")
    if uncompiled:
        sys.meta_path.insert(0, SourceOnly())
    for name in engine():
        problem = not_plain(name) if uncompiled else not_current(name)
        if problem:
            pytest.exit(problem, returncode=pytest.ExitCode.USAGE_ERROR)


def pytest_report_header(config: pytest.Config) -> str:
    return f"engine: {'plain Python' if config.getoption('uncompiled') else 'compiled'}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem in CORE:
            item.add_marker(pytest.mark.core)


def engine() -> Iterator[str]:
    """The compiled modules' names, from where they are declared."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        for module in tomllib.load(file)["tool"]["setuptools"]["ext-modules"]:
            if module["sources"][0].endswith(".py"):
                yield module["name"]


def not_plain(name: str) -> str:
    """What is wrong with a module that shall be plain Python; empty where nothing is."""
    file = import_module(name).__file__
    return "" if file == source(name) else f"{name} should be plain Python, and comes from {file}"


def not_current(name: str) -> str:
    """What is wrong with a module that shall be compiled from this checkout; empty where nothing is."""
    try:
        file = import_module(name).__file__ or ""
    except ImportError as error:
        return f"{name} lacks a part of the engine ({error}); run: make build"
    stem = source(name).removesuffix(".py")
    if not file.startswith(f"{stem}.") or not file.endswith(tuple(EXTENSION_SUFFIXES)):
        return f"{name} is not compiled here, it comes from {file}; run: make build (or: pytest --uncompiled -m core)"
    built = os.path.getmtime(file)
    if any(os.path.exists(path) and os.path.getmtime(path) > built for path in (f"{stem}.py", f"{stem}.pxd")):
        return f"{name} has changed since it was compiled; run: make build"
    return ""


def source(name: str) -> str:
    return os.path.join(ROOT, *name.split(".")) + ".py"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a program that is missing is a failure, so that no test stays skipped unseen."""
    report = yield
    if os.environ.get("CI") and report.skipped and "not installed" in str(report.longrepr):
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session")
def corpus() -> str:
    """The folder of the captures by others. They are not part of the project."""
    if not os.path.isdir(CORPUS):
        pytest.skip(f"no captures at {CORPUS}: VERIFY_CORPUS names their folder")
    return CORPUS
