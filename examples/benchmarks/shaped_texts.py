# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Text files of Arabic or Hindi from the message catalogues and help pages of Debian packages.

    apt-get download libreoffice-l10n-ar libreoffice-help-hi evolution-common
    for package in *.deb; do dpkg-deb -x "$package" packages; done
    python examples/benchmarks/shaped_texts.py packages ar arabic.txt
    python examples/benchmarks/shaped_texts.py packages hi hindi.txt

(LibreOffice: MPL-2.0; Evolution: LGPL and others. The text is measured, not redistributed.) Each message and each
paragraph stands there once: words come again less often than in running text.
"""

import argparse
import re
import struct
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

LETTERS = {"ar": ("\u0600", "\u06ff"), "hi": ("\u0900", "\u097f")}


def read_catalogue(path: Path) -> Iterator[str]:
    """The translations of a GNU message catalogue (.mo)."""
    data = path.read_bytes()
    if data[:4] != b"\xde\x12\x04\x95":
        raise ValueError(f"{path} is no message catalogue of this byte order")
    number, _, table = struct.unpack_from("<3I", data, 8)
    for index in range(number):
        length, start = struct.unpack_from("<2I", data, table + 8 * index)
        yield from data[start : start + length].decode("utf-8").split("\0")


class PageText(HTMLParser):
    """Collects the text of a help page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.hidden += tag in ("script", "style", "head")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style", "head")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.texts.append(data)


def is_written_in(text: str, code: str) -> bool:
    """Tell whether most letters are those of the language."""
    first, last = LETTERS[code]
    letters = [char for char in text if char.isalpha()]
    return sum(first <= char <= last for char in letters) * 2 > len(letters)


def main() -> None:
    parser = argparse.ArgumentParser(description="Text of Debian packages, a message or paragraph a line.")
    parser.add_argument("folder", type=Path, help="where the packages were unpacked")
    parser.add_argument("language", choices=sorted(LETTERS))
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    texts: list[str] = []
    for path in sorted(options.folder.glob(f"**/{options.language}/LC_MESSAGES/*.mo")):
        texts += [re.sub("[~_&]", "", text) for text in read_catalogue(path)]  # marks of keyboard shortcuts
    for path in sorted(options.folder.glob(f"**/help/{options.language}/**/*.html")):
        page = PageText()
        page.feed(path.read_text(encoding="utf-8", errors="replace"))
        texts += page.texts
    kept = dict.fromkeys(" ".join(text.split()) for text in texts if is_written_in(text, options.language))
    options.output.write_text("\n".join(kept) + "\n", encoding="utf-8")
    print(f"{len(kept)} texts, {sum(map(len, kept))} characters")


if __name__ == "__main__":
    main()
