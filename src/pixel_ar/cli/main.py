# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The command `pixel-ar`: arguments and errors. What the subcommands do: `cli.commands`.

Exit codes: 0 done; 2 bad input, with one line on stderr; 130 interrupted.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

DEFAULT_MODEL = "pixel-ar-tiny"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage is a `--help` away."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _number(
    kind: type, low: float, high: float | None = None, open_low: bool = False
) -> Callable[[str], float]:
    """An argparse type for numbers in a range."""

    def parse(value: str) -> float:
        try:
            number = kind(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{value!r} is not a number") from None
        if not (low < number if open_low else low <= number) or (high is not None and number > high):
            border = f"above {low}" if open_low else f"at least {low}"
            limit = "" if high is None else f" and at most {high}"
            raise argparse.ArgumentTypeError(f"must be {border}{limit}, got {value}")
        return number

    return parse


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="FOLDER",
        help="checkpoint: a folder, the name of a bundled one, or a Hub id (default: %(default)s)",
    )


def _add_processor(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--preset", default="fixed-8", help="settings to draw with (default: %(default)s)")
    group.add_argument("--model", metavar="FOLDER", help="draw as this checkpoint does")


def _add_render(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = "Draw text as a strip, or with --width as a page of several lines."
    parser = commands.add_parser("render", help="draw text as a strip or page", description=text)
    parser.add_argument("text", metavar="TEXT", nargs="?", help="the text; or use --file")
    parser.add_argument("--file", metavar="FILE", help="read the text from this UTF-8 file; - is stdin")
    parser.add_argument(
        "-o", "--output", metavar="PNG", default="strip.png", help="image (default: %(default)s)"
    )
    parser.add_argument("--scale", type=_number(int, 1, 64), default=1, help="side of a pixel (default: 1)")
    parser.add_argument(
        "--missing", choices=("error", "warn", "hexbox"), help="for characters no atlas covers"
    )
    parser.add_argument(
        "--width", type=_number(int, 1), metavar="PATCHES", help="wrap the text to lines of so many patches"
    )
    _add_processor(parser)


def _add_read(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = "Read the text of a strip or page, at its own size or enlarged by a whole number."
    parser = commands.add_parser("read", help="read the text of a strip or page", description=text)
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("--confidence", action="store_true", help="also print how sure the reader is")
    parser.add_argument("--page", action="store_true", help="the image is a page, as render --width draws it")
    parser.add_argument(
        "--prior",
        metavar="FILE",
        help="read with this character prior (CharacterPrior.fit(texts).save(FILE))",
    )
    _add_processor(parser)


def _add_generate(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = "Continue a prompt as pixels, read the text back, and write the strip as a picture."
    parser = commands.add_parser("generate", help="continue a prompt as pixels", description=text)
    parser.add_argument("prompt", metavar="PROMPT")
    _add_model(parser)
    parser.add_argument(
        "--max-new-patches", type=_number(int, 1), default=64, metavar="N", help="default: 64"
    )
    parser.add_argument(
        "--temperature", type=_number(float, 0, open_low=True), default=0.7, help="default: 0.7"
    )
    parser.add_argument("--top-p", type=_number(float, 0, 1, open_low=True), metavar="P")
    parser.add_argument("--top-k", type=_number(int, 1), metavar="K")
    parser.add_argument("--greedy", action="store_true", help="always the most likely byte; no sampling")
    parser.add_argument("--seed", type=_number(int, 0), help="for the same strip every time")
    parser.add_argument(
        "--num-return-sequences", type=_number(int, 1), default=1, metavar="N", help="default: 1"
    )
    parser.add_argument("--output", metavar="PNG", default="strip.png", help="picture (default: %(default)s)")


def _add_score(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = (
        "Print the negative log-likelihood of texts under a model: nats and bits per character. A text is scored from "
        "its first patch on, given an EOS patch before it, up to and with the EOS patch after it; its characters are "
        "those drawn (after normalisation), the EOS patch not counted."
    )
    parser = commands.add_parser("score", help="log-likelihood of texts", description=text)
    parser.add_argument("text", metavar="TEXT", nargs="*")
    parser.add_argument("--file", metavar="FILE", help="score each line of this UTF-8 file; - is stdin")
    _add_model(parser)


def _add_info(commands: "argparse._SubParsersAction[_Parser]") -> None:
    parser = commands.add_parser("info", help="describe a checkpoint", description="Describe a checkpoint.")
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", default=DEFAULT_MODEL, help="default: %(default)s"
    )


def _add_convert(commands: "argparse._SubParsersAction[_Parser]") -> None:
    text = (
        "Convert a checkpoint of PIXAR or PixelGPT to a folder that loads through the Auto classes. Nothing is written "
        "unless every tensor fits."
    )
    parser = commands.add_parser("convert", help="convert a published checkpoint", description=text)
    parser.add_argument("source", metavar="SRC", help="folder of the original checkpoint")
    parser.add_argument("target", metavar="DST", help="new folder")
    parser.add_argument(
        "--from", dest="kind", choices=("pixar", "pixelgpt"), required=True, help="whose it is"
    )
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--font", metavar="FILE", help="the font that the model was trained on (not shipped)")
    group.add_argument("--atlas", metavar="NAME", help="draw with a bundled atlas that it was not trained on")
    group.add_argument("--no-processor", action="store_true", help="convert the model alone")


def build_parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    from .. import __version__

    parser = _Parser(prog="pixel-ar", description="Language models that read and write text as pixels.")
    parser.add_argument("--version", action="version", version=f"pixel-ar {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_add_render, _add_read, _add_generate, _add_score, _add_convert, _add_info):
        add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: arguments without the program's name; default: those of the process.

    Returns:
        The exit code.
    """
    args = build_parser().parse_args(argv)
    # What a model writes may hold any character; a terminal that lacks one shows a question mark.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        # After parsing, so that a mistyped option does not wait for PyTorch.
        from .commands import COMMANDS

        COMMANDS[args.command](args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of our output (head, less) has seen enough; nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        print(f"pixel-ar {args.command}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
