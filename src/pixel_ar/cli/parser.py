# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""The arguments of `pixel-ar`. Standard library alone: the launcher reads them before PyTorch is loaded."""

import argparse
import math
from collections.abc import Callable
from importlib import metadata
from typing import NoReturn

DEFAULT_MODEL = "pixel-ar-tiny"
DEFAULT_CLASSIFIER = "pixel-ar-language"
# What one picture, one batch and one line may ask for.
MAX_WIDTH, MAX_SEQUENCES, MAX_NEW_PATCHES = 65_536, 256, 1_000_000


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage is a `--help` away."""

    def error(self, message: str) -> NoReturn:
        """Ends with exit code 2."""
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _number(
    kind: type, low: float, high: float | None = None, open_low: bool = False
) -> Callable[[str], float]:
    """An argparse type for numbers in a range."""

    def parse(value: str) -> float:
        try:
            number = kind(value)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{value!r:.40} is not a number") from None
        is_low = low < number if open_low else low <= number
        if not is_low or (high is not None and number > high) or math.isinf(number):
            border = f"above {low}" if open_low else f"at least {low}"
            limit = "" if high is None else f" and at most {high}"
            raise argparse.ArgumentTypeError(f"must be {border}{limit}, got {value:.40}")
        return number

    return parse


def _add_output(parser: argparse.ArgumentParser, what: str, default: str | None = None) -> None:
    shown = " (default: %(default)s)" if default else ""
    parser.add_argument("-o", "--output", metavar="FILE", default=default, help=f"{what}{shown}")
    parser.add_argument("--force", action="store_true", help="overwrite an output file that exists")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_glyphs(parser: argparse.ArgumentParser, replaces: bool) -> None:
    way = "in place of the preset's, or after those of --model" if replaces else "after those of the model"
    parser.add_argument(
        "--atlas",
        metavar="NAME",
        action="append",
        default=[],
        help=f"glyph atlas, bundled or .npz file, {way}; repeatable",
    )
    parser.add_argument(
        "--font",
        metavar="FILE",
        action="append",
        default=[],
        help="font file for what the atlases lack; repeatable",
    )
    parser.add_argument(
        "--missing",
        choices=("error", "warn", "hexbox"),
        help="for characters that no atlas and no font covers",
    )


def _add_model(parser: argparse.ArgumentParser, default: str = DEFAULT_MODEL) -> None:
    parser.add_argument(
        "--model",
        default=default,
        metavar="FOLDER",
        help="checkpoint: a folder, the name of a bundled one, or a Hub id (default: %(default)s)",
    )


def _add_processor(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--preset", help="settings to draw with (default: fixed-8)")
    group.add_argument("--model", metavar="FOLDER", help="draw as this checkpoint does")
    _add_glyphs(parser, replaces=True)


def _add_render(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = "Draw text as a strip, or with --width as a page of several lines."
    parser = commands.add_parser("render", help="draw text as a strip or page", description=text)
    parser.add_argument("text", metavar="TEXT", nargs="?", help="the text; - is standard input")
    parser.add_argument(
        "--file", metavar="FILE", help="read the text from this UTF-8 file; - is standard input"
    )
    parser.add_argument("--scale", type=_number(int, 1, 64), default=1, help="side of a pixel (default: 1)")
    parser.add_argument(
        "--width",
        type=_number(int, 1, MAX_WIDTH),
        metavar="PATCHES",
        help="wrap the text to lines of so many patches",
    )
    _add_output(parser, "image; - is standard output", "strip.png")
    _add_processor(parser)


def _add_read(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = (
        "Read the text of strips or pages, at their own size or enlarged by a whole number. Pictures made by this "
        "command say how they were drawn; for others give --preset, --model or --atlas. Exit code 3: a picture could "
        "not be read."
    )
    parser = commands.add_parser("read", help="read the text of strips or pages", description=text)
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="- is standard input")
    parser.add_argument("--confidence", action="store_true", help="also print how sure the reader is")
    parser.add_argument(
        "--page", action="store_true", help="the images are pages, as render --width draws them"
    )
    parser.add_argument(
        "--prior",
        metavar="FILE",
        help="read with this character prior (CharacterPrior.fit(texts).save(FILE))",
    )
    parser.add_argument(
        "--language",
        metavar="TAG",
        action="append",
        help="of letters drawn alike, read those of this language, such as uk or sr-Latn; repeatable",
    )
    _add_output(parser, "write the text to this file in place of standard output")
    _add_processor(parser)


def _add_generate(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = "Continue a prompt as pixels, print the text while it is read from them, and write the strip as a picture."
    parser = commands.add_parser("generate", help="continue a prompt as pixels", description=text)
    parser.add_argument("prompt", metavar="PROMPT", help="- is standard input")
    _add_model(parser)
    parser.add_argument(
        "--max-new-patches",
        type=_number(int, 1, MAX_NEW_PATCHES),
        default=64,
        metavar="N",
        help="default: 64",
    )
    parser.add_argument("--temperature", type=_number(float, 0, open_low=True), help="default: 0.7")
    parser.add_argument("--top-p", type=_number(float, 0, 1, open_low=True), metavar="P")
    parser.add_argument("--top-k", type=_number(int, 1), metavar="K")
    parser.add_argument("--greedy", action="store_true", help="always the most likely byte; no sampling")
    parser.add_argument("--seed", type=_number(int, 0, 2**63 - 1), help="for the same strip every time")
    parser.add_argument(
        "--num-return-sequences",
        type=_number(int, 1, MAX_SEQUENCES),
        default=1,
        metavar="N",
        help="default: 1",
    )
    _add_output(parser, "picture", "strip.png")
    _add_glyphs(parser, replaces=False)


def _add_score(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = (
        "Print the negative log-likelihood of texts under a model: nats and bits per character. A text is scored from "
        "its first patch on, given an EOS patch before it, up to and with the EOS patch after it; its characters are "
        "those drawn (after normalisation), the EOS patch not counted. A line of --file that cannot be scored is "
        "reported and the rest goes on; the exit code is 2 then."
    )
    parser = commands.add_parser("score", help="log-likelihood of texts", description=text)
    parser.add_argument("text", metavar="TEXT", nargs="*", help="- is standard input, a text per line")
    parser.add_argument(
        "--file", metavar="FILE", help="score each line of this UTF-8 file; - is standard input"
    )
    _add_model(parser)
    _add_output(parser, "write the lines to this file in place of standard output")
    _add_glyphs(parser, replaces=False)


def _add_classify(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = (
        "Print the class of texts and its probability: with the default model, the language. Of a text that is longer "
        "than the model's context the beginning is classified, and stderr says so."
    )
    parser = commands.add_parser("classify", help="language, or another class, of texts", description=text)
    parser.add_argument("text", metavar="TEXT", nargs="*", help="- is standard input, a text per line")
    parser.add_argument(
        "--file", metavar="FILE", help="classify each line of this UTF-8 file; - is standard input"
    )
    parser.add_argument(
        "--top", type=_number(int, 1), default=1, metavar="N", help="the likeliest N classes (default: 1)"
    )
    _add_model(parser, DEFAULT_CLASSIFIER)
    _add_output(parser, "write the lines to this file in place of standard output")
    _add_glyphs(parser, replaces=False)


def _add_info(commands: "argparse._SubParsersAction[Parser]") -> None:
    parser = commands.add_parser("info", help="describe a checkpoint", description="Describe a checkpoint.")
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", default=DEFAULT_MODEL, help="default: %(default)s"
    )
    _add_output(parser, "write the description to this file in place of standard output")


def _add_selftest(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = (
        "Check checkpoints against the figures stored beside them: bits per character, what the model writes, reading "
        "back, and the cache. Exit code 1 if one fails."
    )
    parser = commands.add_parser("selftest", help="check a checkpoint on this machine", description=text)
    parser.add_argument(
        "model", metavar="FOLDER", nargs="*", default=[DEFAULT_MODEL], help=f"default: {DEFAULT_MODEL}"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _add_convert(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = (
        "Convert a checkpoint of PIXAR, PixelGPT or Pix2Struct to a folder that loads through the Auto classes, or a "
        "page model of this package to one of Pix2Struct. Nothing is written unless every tensor fits."
    )
    parser = commands.add_parser("convert", help="convert a published checkpoint", description=text)
    parser.add_argument("source", metavar="SRC", help="folder of the checkpoint")
    parser.add_argument("target", metavar="DST", help="new folder")
    direction = parser.add_mutually_exclusive_group(required=True)
    direction.add_argument(
        "--from", dest="kind", choices=("pixar", "pixelgpt", "pix2struct"), help="whose it is"
    )
    direction.add_argument("--to", choices=("pix2struct",), help="whose it shall become")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--font", metavar="FILE", help="the font that the model was trained on (not shipped)")
    group.add_argument("--atlas", metavar="NAME", help="draw with a bundled atlas that it was not trained on")
    group.add_argument("--no-processor", action="store_true", help="convert the model alone")


def _add_estimate(commands: "argparse._SubParsersAction[Parser]") -> None:
    text = (
        "Say what training a model costs, without making it: parameters, FLOPs, memory of each device with DDP, FSDP "
        "and tensor parallelism, patches per second at a stated utilisation, and days for the published runs."
    )
    parser = commands.add_parser("estimate", help="what training a model costs", description=text)
    parser.add_argument(
        "--config",
        default=DEFAULT_MODEL,
        metavar="NAME",
        help="preset of PixelARConfig, checkpoint, or config.json (default: %(default)s)",
    )
    parser.add_argument("--gpus", type=_number(int, 1, 1_000_000), default=1, metavar="N", help="default: 1")
    parser.add_argument(
        "--seq",
        type=_number(int, 2, 1_000_000),
        metavar="T",
        help="patches of a strip (default: the model's most)",
    )
    parser.add_argument(
        "--batch",
        type=_number(int, 1, 1_000_000),
        default=8,
        metavar="B",
        help="strips per device (default: 8)",
    )
    parser.add_argument(
        "--precision",
        choices=("mixed", "bf16", "float32"),
        default="mixed",
        help="mixed: float32 weights, multiplied in bf16 (default)",
    )
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw", help="default: adamw")
    parser.add_argument(
        "--checkpointing", action="store_true", help="compute activations again in the backward pass"
    )
    parser.add_argument(
        "--tflops",
        type=_number(float, 0, open_low=True),
        default=989.0,
        help="what a device can do at most (default: %(default)s, an H100's dense bf16)",
    )
    parser.add_argument(
        "--utilisation",
        type=_number(float, 0, 1, open_low=True),
        default=0.4,
        metavar="U",
        help="share of it that training reaches; an assumption (default: %(default)s)",
    )
    parser.add_argument(
        "--patches",
        type=_number(float, 1),
        metavar="N",
        help="of the whole run (default: the published one's)",
    )
    parser.add_argument(
        "--render-rate",
        type=_number(float, 0, open_low=True),
        metavar="C",
        help="characters per second that one process packs and draws (default: what one core was measured at)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def build_parser() -> Parser:
    """The parser of the whole command."""
    parser = Parser(prog="pixel-ar", description="Language models that read and write text as pixels.")
    try:
        version = metadata.version("pixel-ar")
    except metadata.PackageNotFoundError:
        version = "(not installed)"
    parser.add_argument("--version", action="version", version=f"pixel-ar {version}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        _add_render,
        _add_read,
        _add_generate,
        _add_score,
        _add_classify,
        _add_convert,
        _add_info,
        _add_selftest,
        _add_estimate,
    ):
        add(commands)
    return parser


def parse(argv: "list[str] | None" = None) -> argparse.Namespace:
    """Parses arguments and refuses those that contradict each other; ends the process with code 2 for bad ones."""
    parser = build_parser()
    args = parser.parse_args(argv)
    wrong = _contradiction(args)
    if wrong:
        parser.exit(2, f"{parser.prog} {args.command}: error: {wrong}\n")
    return args


def _contradiction(args: argparse.Namespace) -> str | None:
    if args.command == "convert" and args.to is not None and (args.font or args.atlas):
        return "--font and --atlas belong to --from; with --to, leave them out."
    if args.command == "render" and (args.file is None) == (args.text is None):
        return "give either TEXT or --file."
    if args.command == "generate":
        given = [
            f"--{name.replace('_', '-')}"
            for name in ("temperature", "top_p", "top_k", "seed")
            if getattr(args, name) is not None
        ]
        if args.greedy and given:
            return f"--greedy takes no chances, so that {', '.join(given)} has no use; leave one of them out."
        if args.greedy and args.num_return_sequences > 1:
            return "--greedy writes one strip; leave out --num-return-sequences, or --greedy."
    if args.command == "read" and args.json and args.confidence:
        return "--json has the confidences already; leave out --confidence."
    if getattr(args, "json", False) and getattr(args, "output", None) == "-":
        return "--json and -o - both want standard output; leave one of them out."
    stdin = [
        name
        for name in ("text", "file", "prompt", "images")
        for value in _listed(getattr(args, name, None))
        if value == "-"
    ]
    if len(stdin) > 1:
        return "standard input (-) can be read once."
    return None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


__all__ = ["DEFAULT_MODEL", "Parser", "build_parser", "parse"]
