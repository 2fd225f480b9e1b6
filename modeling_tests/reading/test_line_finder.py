# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Pictures that are not exactly strips: the line is found first, or said to be unreadable."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixel_ar.cli.main import main
from pixel_ar.reading.reader import StripReader
from pixel_ar.rendering.renderer import StripRenderer

TEXT = "The quick brown fox jumps over 13 lazy dogs."
READERS = {name: StripReader([name]) for name in ("fixed-5x8", "unifont-16")}


def drawn(name: str, text: str = TEXT) -> Image.Image:
    renderer = StripRenderer([name])
    packed = np.frombuffer(renderer.render_bytes(text), np.uint8).reshape(-1, renderer.height // 8)
    return Image.fromarray(((1 - np.unpackbits(packed, axis=1).T) * 255).astype(np.uint8))


def bordered(image: Image.Image, left: int, top: int, right: int, bottom: int) -> Image.Image:
    sheet = Image.new("L", (image.width + left + right, image.height + top + bottom), 255)
    sheet.paste(image, (left, top))
    return sheet


def zoomed(image: Image.Image, scale: float, resample: Image.Resampling) -> Image.Image:
    return image.resize((int(image.width * scale), int(image.height * scale)), resample)


def inverted(image: Image.Image) -> Image.Image:
    return Image.fromarray(255 - np.asarray(image))


def through_jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    return Image.open(io.BytesIO(buffer.getvalue()))


def lower(image: Image.Image) -> Image.Image:
    return bordered(image, 0, 1, 0, 0).crop((0, 0, image.width, image.height))


NEAREST, BILINEAR, BICUBIC = Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
WAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": lambda image: image,
    "inverted": inverted,
    "one row lower": lower,
    "twice": lambda image: zoomed(image, 2, NEAREST),
    "with a border": lambda image: bordered(image, 9, 7, 3, 5),
    "half again, repeated": lambda image: zoomed(image, 1.5, NEAREST),
    "half again, smooth": lambda image: zoomed(image, 1.5, BILINEAR),
    "inverted, three times, with a border": lambda image: inverted(
        bordered(zoomed(image, 3, NEAREST), 11, 4, 2, 6)
    ),
    "turned": lambda image: bordered(zoomed(image, 3, NEAREST), 20, 20, 20, 20).rotate(
        0.5, BICUBIC, fillcolor=255
    ),
    "JPEG with a margin": lambda image: through_jpeg(bordered(image, 10, 10, 10, 10)),
    "JPEG twice as large": lambda image: through_jpeg(bordered(zoomed(image, 2, NEAREST), 10, 10, 10, 10)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", READERS)
def test_lines_are_found(name: str, way: str) -> None:
    assert READERS[name].read_picture(WAYS[way](drawn(name))).text == TEXT


def test_what_is_no_text_is_said_to_be_unreadable() -> None:
    noise = (np.random.default_rng(0).random((40, 200)) < 0.7).astype(np.float32)
    with pytest.warns(UserWarning, match="of the ink is not that of any text drawn with fixed-5x8"):
        assert READERS["fixed-5x8"].read_picture(noise).unreadable > 0.5
    with pytest.warns(UserWarning, match="a guess"):
        READERS["fixed-5x8"].read_picture(drawn("unifont-16"))


def test_pictures_without_text_and_wrong_ones() -> None:
    reader = READERS["fixed-5x8"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reader.read_picture(np.ones((30, 50), np.float32)).text == ""
    with pytest.raises(ValueError, match=r"shape \[R, C\] or \[R, C, 3\], got \[4, 4, 4\]"):
        reader.read_picture(np.ones((4, 4, 4)))
    with pytest.raises(ValueError, match="NaN"):
        reader.read_picture(np.full((16, 16), np.nan))


def test_the_command_line_finds_lines_and_tells_guesses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "line.png"
    inverted(bordered(zoomed(drawn("fixed-5x8"), 2, NEAREST), 5, 6, 7, 8)).save(path)
    assert main(["read", str(path)]) == 0
    assert capsys.readouterr().out.strip() == TEXT
    Image.fromarray((np.random.default_rng(0).random((40, 200)) * 255).astype(np.uint8)).save(path)
    assert main(["read", str(path)]) == 3
    assert "is a guess" in capsys.readouterr().err
