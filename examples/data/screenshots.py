#!/usr/bin/env python
# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Screenshots of HTML files with the boxes of all they show, for screenshot parsing.

A browser without a window lays each file out and says where its elements and texts stand; it looks up no host, so pages
show what lies on this machine. It is Chromium's, of Debian's package chromium-headless-shell:

    python examples/data/screenshots.py saved/*.html --output_dir runs/screens --size 320 480

`pixel_ar.training.ScreenshotPages(runs/screens)` is the data set.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SECONDS = 60
# Walks the page and leaves its tree in a script element, where --dump-dom shows it.
WALK = """
const box = (thing) => { const b = thing.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; };
const walk = (node) => {
  if (node.nodeType == Node.TEXT_NODE) {
    const range = document.createRange();
    range.selectNodeContents(node);
    return {text: node.data, box: box(range)};
  }
  if (node.nodeType != Node.ELEMENT_NODE) return null;
  if (["SCRIPT", "STYLE", "NOSCRIPT", "TEMPLATE"].includes(node.tagName)) return null;
  if (!node.checkVisibility({visibilityProperty: true, opacityProperty: true})) return null;
  const found = {tag: node.tagName.toLowerCase(), box: box(node)};
  if (node.tagName == "IMG") {
    return {...found, alt: node.alt, source: (node.getAttribute("src") || "").split("/").pop().slice(0, 80)};
  }
  if (["INPUT", "TEXTAREA"].includes(node.tagName) && node.type != "password") {
    return {...found, children: [{text: node.value || node.placeholder || "", box: box(node)}]};
  }
  return {...found, children: [...node.childNodes].map(walk).filter((child) => child)};
};
addEventListener("load", () => {
  const tree = document.createElement("script");
  tree.id = "page-tree";
  tree.type = "application/json";
  tree.textContent = JSON.stringify(walk(document.body)).replace(/</g, "\\u003c");
  document.body.appendChild(tree);
});
"""
TREE = re.compile(r'<script id="page-tree" type="application/json">(.*?)</script>', re.DOTALL)


def find_browser(given: str | None = None) -> str | None:
    """The path of a browser: the one that is named, or the first that is installed."""
    return next((path for name in ([given] if given else BROWSERS) if (path := shutil.which(name))), None)


def run_browser(browser: str, page: Path, size: tuple[int, int], *options: str) -> str:
    """What the browser prints about a file.

    Raises:
        SystemExit: if it fails.
    """
    command = [
        browser,
        "--headless",
        "--disable-gpu",
        "--hide-scrollbars",
        "--force-device-scale-factor=1",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--window-size={size[1]},{size[0]}",
        # Its sandbox refuses to start for root.
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
        *options,
        page.as_uri(),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (subprocess.SubprocessError, OSError) as error:
        raise SystemExit(f"{browser} failed on {page.name}: {error}") from None
    return done.stdout


def shoot(browser: str, source: Path, image: Path, size: tuple[int, int]) -> dict[str, Any]:
    """Writes the screenshot of an HTML file, and returns its tree.

    Raises:
        SystemExit: if the browser fails, or the page keeps its tree for itself.
    """
    content = source.read_text(encoding="utf-8", errors="replace")
    # Pictures and styles are found from where the file lies.
    base = f'<base href="{source.resolve().parent.as_uri()}/">'
    head = re.search(r"<head[^>]*>", content, re.IGNORECASE) or re.match(
        r"\s*(<!doctype[^>]*>)?", content, re.IGNORECASE
    )
    place = head.end() if head else 0
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        page.write_text(
            f"{content[:place]}<meta charset=utf-8>{base}<script>{WALK}</script>{content[place:]}",
            encoding="utf-8",
        )
        found = TREE.search(run_browser(browser, page, size, "--dump-dom"))
        if found is None:
            raise SystemExit(f"{source} does not let its elements be read (a content security policy?)")
        run_browser(browser, page, size, f"--screenshot={image.resolve()}")
    tree: dict[str, Any] = json.loads(found[1])
    return tree


def main() -> None:
    """Shoots all files."""
    parser = argparse.ArgumentParser(
        description="Screenshots of HTML files with the boxes of what they show."
    )
    parser.add_argument("files", nargs="+", type=Path, help="HTML")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument(
        "--size", type=int, nargs=2, default=(480, 640), help="rows and columns of the window"
    )
    parser.add_argument("--browser", help="its name or path; default: what is installed")
    options = parser.parse_args()
    browser = find_browser(options.browser)
    if browser is None:
        raise SystemExit(
            f"no browser found ({options.browser or ', '.join(BROWSERS)}); install chromium-headless-shell, or name "
            "one with --browser"
        )
    options.output_dir.mkdir(parents=True, exist_ok=True)
    with (options.output_dir / "pages.jsonl").open("w", encoding="utf-8") as file:
        for number, source in enumerate(options.files):
            name = f"{number:06d}.png"
            tree = shoot(browser, source, options.output_dir / name, tuple(options.size))
            row = {"image": name, "source": source.name, "tree": tree}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(f"{len(options.files)} pages: {options.output_dir}")


if __name__ == "__main__":
    main()
