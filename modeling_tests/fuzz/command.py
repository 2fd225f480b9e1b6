# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The campaign from the shell: `make fuzz`, or with PYTHONPATH=modeling_tests:

python -m fuzz --n 3000 --seed 1                    # cases over all parts, by their shares
python -m fuzz --parts fonts,folders --n 500
python -m fuzz --case fonts:17 --seed 1             # one case again, with its traceback

Exit code 1 if there is a finding. Everything attacked is made in temporary folders; nothing is downloaded.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from fuzz.campaign import Tally, report, run_part, table
from fuzz.case import FINDINGS, Part, random_of
from fuzz.registry import PARTS


def counts(parts: Sequence[Part], total: int, first: int) -> dict[str, int]:
    """Cases of each part: by shares, but its named attacks at least where these are not passed over."""
    shares = sum(part.share for part in parts)
    return {
        part.name: max(round(total * part.share / shares), part.attacks if first == 0 else 0, 1)
        for part in parts
    }


def repeat(part: Part, number: int, seed: int, folder: Path) -> None:
    """Runs one case here, without limits, and lets its error through."""
    part.prepare()
    case = part.make(random_of(seed, part.name, number), number, folder)
    print(f"{part.name}:{number} {case.title}")
    os.chdir(folder)
    case.run()
    print("no error")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the campaign, or one case of it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.split("\n")[0])
    parser.add_argument(
        "--n", type=int, default=3000, metavar="N", help="cases over all parts (default: 3000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of: %(default)s")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="begin at case K of each part")
    parser.add_argument("--seconds", type=float, help="end each part after so many seconds at the latest")
    parser.add_argument("--output", type=Path, metavar="JSON", help="write all figures and findings here")
    parser.add_argument("--case", metavar="PART:NUMBER", help="run one case again and show its error")
    args = parser.parse_args(argv)
    names = args.parts.split(",") if args.case is None else [args.case.partition(":")[0]]
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; there are: {', '.join(PARTS)}")
    if args.case is not None:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            try:
                repeat(PARTS[names[0]], int(args.case.partition(":")[2]), args.seed, Path(folder))
            except BaseException:
                traceback.print_exc()
                return 1
        return 0
    tallies: dict[str, Tally] = {}
    try:
        for name, count in counts([PARTS[name] for name in names], args.n, args.first).items():
            tally = tallies[name] = Tally()
            until = None if args.seconds is None else time.monotonic() + args.seconds
            for result in run_part(PARTS[name], range(args.first, args.first + count), args.seed, until):
                tally.add(result)
            print(f"{name}: {sum(tally.outcomes.values())} cases", file=sys.stderr, flush=True)
    finally:
        # Also of a campaign that was stopped.
        print(table(tallies))
        if args.output is not None:
            args.output.write_text(json.dumps(report(tallies, args.seed), indent=1) + "\n", encoding="utf-8")
    return int(any(tally.outcomes[name] for tally in tallies.values() for name in FINDINGS))


__all__ = ["main"]
