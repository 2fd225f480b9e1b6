# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Starts `pixel-ar`: reads the arguments before the package, and with it PyTorch, is loaded.

So `--help` and mistyped options do not wait, and Ctrl-C in the first seconds ends quietly.
"""

import importlib.util
import signal
import sys
from pathlib import Path
from types import ModuleType


def _load_parser() -> ModuleType:
    """The module `pixel_ar.cli.parser` without the packages it lies in."""
    package = importlib.util.find_spec("pixel_ar")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("pixel_ar is not installed")
    path = Path(package.origin).parent / "cli" / "parser.py"
    spec = importlib.util.spec_from_file_location("pixel_ar_command_parser", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    """Runs the command line of this process."""
    # A library that is interrupted while it is imported would print where.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    args = _load_parser().parse(sys.argv[1:])
    from pixel_ar.cli.main import run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
