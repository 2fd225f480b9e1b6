# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""That a deprecated call made by the package fails a test, however it is announced, and that nothing else does."""

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from tools.deprecations import PACKAGE, watch_deprecations
from tools.paths import EXAMPLES, ROOT

pytest_plugins = ("pytester",)


@pytest.fixture(autouse=True)
def not_in_the_summary() -> Iterator[None]:
    """The warnings of these tests are their own."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        yield


LIBRARY = '''
import functools
import logging
import warnings


def renamed(function):
    """As transformers announces renamed arguments: two of its own frames lie between the call and the warning."""
    @functools.wraps(function)
    def wrapper(**arguments):
        warnings.warn("`old` is deprecated and will be removed; use `new`", FutureWarning, stacklevel=2)
        return function(**arguments)
    return wrapper


@renamed
def inner(old):
    return old


def warned(old):
    return inner(old=old)


def logged(old):
    logging.getLogger("transformers.a_library").warning("`old` is deprecated; use `new`")
    return old


def quiet(old):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return inner(old=old)


def calls(function, old):
    return function(old)
'''


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A library that calls its own argument deprecated."""
    (tmp_path / "a_library.py").write_text(LIBRARY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "a_library", raising=False)
    return importlib.import_module("a_library")


def code_in(folder: Path, source: str, library: ModuleType) -> Callable[[int], int]:
    """The function `run` of `source`, as if its file lay in `folder`."""
    names: dict[str, Callable[[int], int]] = {}
    exec(compile(source, str(folder / "pretended.py"), "exec"), {"library": library}, names)
    return names["run"]


@pytest.mark.parametrize("announcement", ["warned", "logged"])
@pytest.mark.parametrize("folder", [PACKAGE / "models", EXAMPLES, Path("transformers_modules/a_checkpoint")])
def test_a_deprecated_call_of_the_package_is_found(
    folder: Path, announcement: str, library: ModuleType
) -> None:
    run = code_in(folder, f"\ndef run(old): return library.{announcement}(old)", library)
    with watch_deprecations() as found:
        assert run(1) == 1
    assert len(found) == 1
    assert found[0].startswith(f"{folder / 'pretended.py'}:2") and "`old` is deprecated" in found[0]


@pytest.mark.parametrize("announcement", ["warned", "logged"])
def test_a_call_back_from_a_library_is_still_the_package(announcement: str, library: ModuleType) -> None:
    """As a trainer calls our model, which calls what is deprecated."""
    run = code_in(PACKAGE, f"def run(old): return library.{announcement}(old)", library)
    with watch_deprecations() as found:
        library.calls(run, 1)
    assert len(found) == 1


@pytest.mark.parametrize("announcement", ["warned", "logged"])
def test_calls_of_a_test_are_its_own(announcement: str, library: ModuleType) -> None:
    run = code_in(ROOT / "modeling_tests", f"def run(old): return library.{announcement}(old)", library)
    with watch_deprecations() as found, warnings.catch_warnings():
        run(1)
    assert not found


def test_messages_of_the_package_to_its_users_are_left_alone(library: ModuleType) -> None:
    source = "def run(old):\n import warnings\n warnings.warn('ours', FutureWarning, stacklevel=2)"
    run = code_in(PACKAGE, source, library)
    with watch_deprecations() as found, pytest.warns(FutureWarning, match="ours"):
        run(1)
    assert not found


def test_what_is_suppressed_or_expected_is_left_alone(library: ModuleType) -> None:
    with watch_deprecations() as found:
        code_in(PACKAGE, "def run(old): return library.quiet(old)", library)(1)
        with pytest.warns(FutureWarning):
            code_in(PACKAGE, "def run(old): return library.warned(old)", library)(1)
    assert not found


def test_a_message_said_once_in_a_process_is_seen_by_every_test(library: ModuleType) -> None:
    from transformers.utils import logging

    logger = logging.get_logger("transformers.a_library")
    library.once = lambda old: logger.warning_once("`old` is deprecated") or old  # type: ignore[attr-defined]
    library.once.__code__ = library.once.__code__.replace(co_filename=str(library.__file__))
    run = code_in(PACKAGE, "def run(old): return library.once(old)", library)
    for _ in range(2):
        with watch_deprecations() as found:
            run(1)
        assert len(found) == 1


@pytest.mark.parametrize("announcement", ["warned", "logged"])
@pytest.mark.parametrize("where", ["test", "fixture"])
def test_such_a_test_fails(pytester: pytest.Pytester, announcement: str, where: str) -> None:
    """The hooks of conftest.py, in a run of pytest of their own."""
    pytester.makeconftest("from tools.deprecations import pytest_runtest_call, pytest_runtest_setup")
    pytester.makepyfile(a_library=LIBRARY)
    body = {"test": ("fine", "run"), "fixture": ("run", "fine")}[where]
    pytester.makepyfile(
        f"""
        import pytest, a_library
        fine = lambda old: old
        names = dict(library=a_library)
        source = "def run(old): return library.{announcement}(old)"
        exec(compile(source, {str(PACKAGE / "pretended.py")!r}, "exec"), names)
        run = names["run"]

        @pytest.fixture
        def one():
            return {body[0]}(1)

        def test_call(one):
            assert {body[1]}(one) == 1

        def test_other():
            pass
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, **({"failed": 1} if where == "test" else {"errors": 1}))
    result.stdout.fnmatch_lines(["*calls of what is deprecated:*", "*pretended.py:1*`old` is deprecated*"])
