# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""`pixel-ar selftest`."""

from argparse import Namespace

from ..selfcheck import selftest
from .files import Output
from .loading import resolve


def run_selftest(args: Namespace) -> int:
    """`pixel-ar selftest`: whether checkpoints give here what they gave where they were made; 1 if not."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    out = Output(None, args.json)
    passed = True
    for name in args.model:
        checks = selftest(resolve(name))
        passed &= all(check.passed for check in checks)
        for check in checks:
            out.add(f"{name}: {check}", {"checkpoint": name, **vars(check)})
    out.close()
    return 0 if passed else 1


__all__ = ["run_selftest"]
