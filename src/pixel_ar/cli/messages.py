# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Errors of the library in the words of who stands at the command line."""

import re
import sys

from ..text.characters import MissingGlyphError, UnsupportedScriptError, describe

# What an argument of Python is called here. The first that fits is used for each place.
_WORDS = (
    (re.compile(r"\btext\[0\] (?=needs)"), "the text "),
    (re.compile(r"\b(?:text|prompt|images)\[0\]:? ?"), ""),
    (re.compile(r"missing='hexbox'"), "--missing hexbox"),
    (re.compile(r"pass truncation=True to cut it, a larger max_patches, or split it"), "shorten or split it"),
    (re.compile(r"max_patches is (\d+)"), r"the model reads \1"),
    (re.compile(r"[;,] leave it out, or pass add_start=True to begin with an EOS patch"), ""),
    (re.compile(r"(?:pass|set) patch_size[^;.]*"), "choose another --atlas"),
    (re.compile(r"atlases=\('[^)]*\)"), "--font FILE"),
    (re.compile(r"\(atlases=\(\.\.\., 'font\.ttf'\)\)"), "(--font FILE)"),
)


def in_words_of_the_command_line(error: BaseException) -> str:
    """The message of an error, with options in place of arguments."""
    if isinstance(error, MissingGlyphError):
        shown = ", ".join(describe(char) for char in error.characters[:5])
        more = f" and {len(error.characters) - 5} more" if len(error.characters) > 5 else ""
        return (
            f"no glyph for {shown}{more} in {', '.join(error.atlases)}. Ways out: --missing hexbox draws each as a box "
            "with its code; --font FILE adds a font that has it; or take it out of the text."
        )
    if isinstance(error, UnsupportedScriptError):
        return (
            f"{describe(error.character)} ({error.script}) needs shaping, which this checkpoint or preset does not do; "
            "take it out of the text, or draw with --preset unifont-16."
        )
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    message = str(error) or type(error).__name__
    for pattern, words in _WORDS:
        message = pattern.sub(words, message)
    return message


def report_line(command: str, name: str, error: ValueError, is_only: bool) -> int:
    """Says what is wrong with one of several texts, so that the others go on.

    Args:
        command: of the command line, such as `"score"`.
        name: of the text.
        error: what came of it.
        is_only: whether there are no others.

    Returns:
        The exit code.

    Raises:
        ValueError: the same, with the text's name, where there are no others.
    """
    message = f"{name}: {in_words_of_the_command_line(error)}"
    if is_only:
        raise ValueError(message) from None
    print(f"pixel-ar {command}: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


__all__ = ["in_words_of_the_command_line", "report_line"]
