# Copyright 2026 The pixel-ar authors.
# Licensed under the Apache License, Version 2.0; see the LICENSE file at the repository root.
"""Glyph atlases and the strip renderer: exact pixels, every code point, no surprise at the seams."""

import copy
import functools
import hashlib
import itertools
import json
import multiprocessing
import pickle
import unicodedata
import warnings
import zipfile
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pixel_ar.fonts.atlas as atlas
from pixel_ar.fonts.atlas import GlyphAtlas, bundled_atlases
from pixel_ar.fonts.hexbox import draw_hex_box, find_hex_boxes
from pixel_ar.rendering.renderer import StripRenderer
from pixel_ar.rendering.shaper import needs_shaping
from pixel_ar.rendering.strip import PackedStrip
from pixel_ar.text.characters import (
    MissingGlyphError,
    UnsupportedScriptError,
    describe,
    drawable_mask,
    unsupported_script,
)

ATLASES = ("fixed-5x8", "tiny5-8", "unifont-16")
FOLDER = Path(atlas.__file__).parent / "atlases"
# Any Unicode text, lone surrogates and controls included.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)


@functools.cache
def simple_characters(name: str) -> str:
    """The characters an atlas draws as they are."""
    codes = GlyphAtlas.load(name).code_points
    chars = map(chr, codes[drawable_mask(codes)].tolist())
    return "".join(char for char in chars if unicodedata.is_normalized("NFC", char))


FIXED_TEXT = st.text(st.sampled_from(simple_characters("fixed-5x8")), max_size=60)


# ---- atlases ----


def test_manifest_describes_the_shipped_files() -> None:
    manifest = json.loads((FOLDER / "atlases.json").read_text(encoding="utf-8"))["atlases"]
    assert tuple(manifest) == bundled_atlases() == ATLASES
    for name, entry in manifest.items():
        data = (FOLDER / entry["file"]).read_bytes()
        atlas = GlyphAtlas.load(name)
        assert hashlib.sha256(data).hexdigest() == entry["sha256"] and len(data) == entry["bytes"]
        assert (atlas.sha256, atlas.height, len(atlas)) == (
            entry["glyphs_sha256"],
            entry["height"],
            entry["glyphs"],
        )
        assert atlas.license == entry["license"]
        assert all(len(source["sha256"]) == 64 and source["version"] for source in entry["sources"])
        if atlas.license.startswith("OFL"):
            text = (FOLDER / f"LICENSE-{name.split('-')[0]}.txt").read_text(encoding="utf-8")
            assert "SIL OPEN FONT LICENSE Version 1.1" in text and "Copyright" in text
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 950_000


@pytest.mark.parametrize("name", ATLASES)
def test_atlas_covers_ascii_and_nothing_invisible(name: str) -> None:
    atlas = GlyphAtlas.load(name)
    assert all(chr(code) in atlas for code in range(32, 127))
    assert (
        "\n" not in atlas
        and "\u00ad" not in atlas
        and "\ue000" not in atlas
        and "" not in atlas
        and 65 not in atlas
    )
    for index, code in enumerate(atlas.code_points.tolist()):
        if not any(atlas.glyph(index)):
            assert unicodedata.category(chr(code)) == "Zs" or code == 0x2800, describe(chr(code))


@pytest.mark.parametrize("name", ATLASES)
def test_no_text_holds_an_eos_patch(name: str) -> None:
    """The longest run of full columns in any text: one glyph's end, another's begin, or within a glyph."""
    atlas = GlyphAtlas.load(name)
    columns = atlas.columns.reshape(-1, atlas.height // 8)
    is_full = (columns == 255).all(axis=1)
    offsets = atlas.offsets.astype(int)
    head, tail, inner = 0, 0, 0
    for start, stop in itertools.pairwise(offsets.tolist()):
        if is_full[start:stop].any():
            runs = "".join("#" if full else " " for full in is_full[start:stop])
            assert runs.strip("#"), "a glyph is all ink"
            head = max(head, len(runs) - len(runs.lstrip("#")))
            tail = max(tail, len(runs) - len(runs.rstrip("#")))
            inner = max(inner, max(map(len, runs.split())))
    assert max(inner, head + tail) < {8: 20, 16: 16}[atlas.height]


def test_save_and_load(tmp_path: Path) -> None:
    atlas = GlyphAtlas.load("tiny5-8")
    atlas.save(tmp_path / "a.npz")
    atlas.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    loaded = GlyphAtlas.load(tmp_path / "a.npz")
    assert loaded == atlas and loaded.sha256 == atlas.sha256 and loaded is not atlas
    assert loaded.license == "OFL-1.1" and "tiny5 5.3.0" in loaded.source
    assert GlyphAtlas.load("tiny5-8") is atlas, "bundled atlases are loaded once"
    with pytest.raises(ValueError, match="read-only"):
        atlas.columns[0] = 1


def test_load_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="fixed-5x8, tiny5-8, unifont-16"):
        GlyphAtlas.load("comic-sans")
    good = (FOLDER / "tiny5-8.npz").read_bytes()
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    cases = {"cut.npz": good[: len(good) // 2], "text.npz": b"no atlas", "empty.npz": b""}
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
    for name in (*cases, "other.npz"):
        with pytest.raises(ValueError, match=f"{name} is damaged"):
            GlyphAtlas.load(tmp_path / name)


def test_load_rejects_changed_glyphs(tmp_path: Path) -> None:
    changed = tmp_path / "changed.npz"
    with zipfile.ZipFile(FOLDER / "tiny5-8.npz") as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data[:-1] + bytes([data[-1] ^ 1]) if name == "columns.npy" else data)
    with pytest.raises(ValueError, match="sha256"):
        GlyphAtlas.load(changed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"height": 12}, "multiple of 8 from 8 to 4096, got 12"),
        ({"code_points": []}, "no glyphs"),
        ({"code_points": [66, 65]}, "ascend"),
        ({"code_points": [65, 0x110000]}, "U\\+110000"),
        ({"widths": [2, 0]}, "do not fit"),
        ({"columns": [1, 2, 3]}, "3 bytes of columns \\(expected 4\\)"),
    ],
)
def test_atlas_checks_its_arrays(changes: dict, message: str) -> None:
    arguments = {"name": "x", "height": 8, "code_points": [65, 66], "widths": [2, 2], "columns": [1, 2, 3, 4]}
    assert len(GlyphAtlas(**arguments)) == 2
    with pytest.raises(ValueError, match=message):
        GlyphAtlas(**{**arguments, **changes})


# ---- exact pixels ----


def test_pixels_are_those_of_pillow() -> None:
    """Golden bytes: Pillow 13, basic layout, 5x8.pcf of Debian xfonts-base, packed column by column."""
    renderer = StripRenderer()
    assert renderer.render_bytes("Hello, pixels!").hex() == (
        "7e10107e000c161a080000427e020000427e02000c12120c00000106040000000000001f1414080000125e0200120c0c12000c161a08"
        "0000427e0200000a1a140000007a0000"
    )
    for text, digest in (
        (
            "".join(map(chr, range(32, 127))),
            "4357242884a70b35eb9c787f61d085a81979f92fadbe48fb44501bb90b982eca",
        ),
        (
            "“Žluťoučký kůň” — Ελλάδα, Россия, 5 € ½ ↵",
            "ebe183d4ddc4e59b83f684e43bf35cc919bcb35c04bd6b56fa517e7d3269b7e1",
        ),
    ):
        assert hashlib.sha256(renderer.render_bytes(text)).hexdigest() == digest


def test_array_shows_the_letter() -> None:
    strip = StripRenderer().render("F")
    rows = ["".join(".#"[int(value == 0)] for value in row) for row in strip.to_array()]
    assert rows == [".....", "####.", "#....", "###..", "#....", "#....", "#....", "....."]
    assert strip.to_array().dtype == np.uint8 and set(np.unique(strip.to_array())) == {0, 255}
    assert strip.to_pil().size == (5, 8) and strip.to_pil().mode == "L"


@pytest.mark.parametrize("name", ATLASES)
def test_fast_paths_join_the_glyphs(name: str) -> None:
    renderer, atlas = StripRenderer([name]), GlyphAtlas.load(name)
    chars = simple_characters(name)
    rng = np.random.default_rng(0)
    for number in (0, 1, 300):
        for pool in (chars[:95], chars[:800], chars):
            text = "".join(pool[index] for index in rng.integers(0, len(pool), number))
            text = renderer.normalise(text)
            assert renderer.render_bytes(text) == b"".join(atlas.glyph(atlas.index(char)) for char in text)


@settings(max_examples=200, deadline=None)
@given(FIXED_TEXT, FIXED_TEXT)
def test_appended_text_never_changes_earlier_columns(first: str, second: str) -> None:
    renderer = StripRenderer()
    assert renderer.render_bytes(first + second) == renderer.render_bytes(first) + renderer.render_bytes(
        second
    )


def test_atlases_are_asked_in_order() -> None:
    fixed, tiny = GlyphAtlas.load("fixed-5x8"), GlyphAtlas.load("tiny5-8")
    only_tiny = next(char for char in simple_characters("tiny5-8") if char not in fixed)
    renderer = StripRenderer([fixed, tiny])
    assert renderer.render_bytes("a" + only_tiny) == fixed.glyph(fixed.index("a")) + tiny.glyph(
        tiny.index(only_tiny)
    )
    assert StripRenderer([tiny, fixed]).render_bytes("a") == tiny.glyph(tiny.index("a"))
    with pytest.raises(ValueError, match="fixed-5x8 8, unifont-16 16"):
        StripRenderer(["fixed-5x8", "unifont-16"])
    with pytest.raises(ValueError, match="at least one glyph atlas"):
        StripRenderer([])


# ---- every code point ----


@pytest.mark.parametrize("name", ATLASES)
@settings(max_examples=150, deadline=None)
@given(text=ANY_TEXT)
def test_any_text_has_a_defined_result(name: str, text: str) -> None:
    boxes = StripRenderer([name], missing="hexbox", unsupported="missing")
    strip = boxes.render(text)
    assert strip.columns == boxes.render_bytes(text) and strip.text == boxes.normalise(text)
    assert strip.num_columns == boxes.measure(text) == len(strip.columns) * 8 // strip.height
    assert boxes.normalise(strip.text) == strip.text
    assert strip.char_columns.shape == (len(strip.text) + 1,) and strip.char_columns.dtype == np.int32
    assert strip.char_columns[0] == 0 and strip.char_columns[-1] == strip.num_columns
    assert (np.diff(strip.char_columns) > 0).all(), "every character of the normalised text has columns"
    strict = StripRenderer([name], unsupported="error")
    missing = strict.coverage(text)
    if missing:
        with pytest.raises((MissingGlyphError, UnsupportedScriptError)) as caught:
            strict.render_bytes(text)
        named = getattr(caught.value, "characters", None) or (caught.value.character,)
        assert set(named) <= set(missing)
    else:
        assert strict.render_bytes(text) == strip.columns


@pytest.mark.parametrize("first", range(0, 0x110000, 0x4000))
def test_every_code_point_has_a_defined_result(first: int) -> None:
    """One by one up to U+3FFF; beyond, where most are alike, a sample."""
    renderer, boxes = (
        StripRenderer(["unifont-16"]),
        StripRenderer(["unifont-16"], "hexbox", unsupported="missing"),
    )
    for code in range(first, first + 0x4000, 1 if first < 0x4000 else 37):
        char = chr(code)
        drawn = renderer.normalise(char)
        try:
            width = renderer.measure(char)
        except MissingGlyphError as error:
            assert error.characters == tuple(sorted(set(drawn))) and f"U+{ord(drawn):04X}" in str(error)
        except UnsupportedScriptError as error:
            assert error.script in str(error) and error.character in drawn
        else:
            assert (width > 0) == bool(drawn) and not renderer.coverage(char)
        assert (boxes.measure(char) > 0) == bool(boxes.normalise(char))


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("a\nb", "a b"),
        ("a\r\nb\rc\vd\fe\x85f\u2028g\u2029h", "a b c d e f g h"),
        ("a\n\nb", "a  b"),
        ("a\tb", "a b"),
        ("soft\u00adhyphen zw\u200bsp\u200c\u200d\ufeff\u2060\ufe0f\u200e\u034f", "softhyphen zwsp"),
        ("e\u0301", "é"),
        ("e\u034f\u0301", "é"),
        ("\u1112\u1161\u11ab", "한"),
        ("\u212b", "Å"),
        ("", ""),
        ("plain", "plain"),
    ],
)
def test_normalise(text: str, normal: str) -> None:
    renderer = StripRenderer(["unifont-16"])
    assert renderer.normalise(text) == normal
    assert renderer.render(text).text == normal
    assert renderer.render_bytes(text) == renderer.render_bytes(normal)


def test_newline_and_tab_settings() -> None:
    assert StripRenderer(newline="symbol").normalise("a\r\nb\n") == "a↵b↵"
    assert StripRenderer(tab=4).normalise("a\tb") == "a    b"
    assert StripRenderer(normalize=None).normalise("e\u0301\n") == "e\u0301 "
    for setting, value in (
        ("newline", "break"),
        ("tab", 0),
        ("tab", True),
        ("tab", "wide"),
        ("missing", "ignore"),
        ("normalize", "NFKC"),
        ("unsupported", "draw"),
    ):
        with pytest.raises(ValueError, match=f"{setting} must be .*{value!r}"):
            StripRenderer(**{setting: value})
    with pytest.raises(TypeError, match="must be a str, got bytes"):
        StripRenderer().render_bytes(b"abc")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be a str, got NoneType"):
        StripRenderer().render(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("שלום", "Hebrew"),
        ("سلام", "Arabic"),
        ("\ufe8d", "Arabic"),
        ("ܫܠܡ", "Syriac"),
        ("ߒߞߏ", "N'Ko"),
        ("नमस्ते", "Devanagari"),
        ("বাংলা", "Bengali"),
        ("தமிழ்", "Tamil"),
        ("ไทย", "Thai"),
        ("ລາວ", "Lao"),
        ("བོད", "Tibetan"),
        ("မြန်မာ", "Myanmar"),
        ("ខ្មែរ", "Khmer"),
        ("ᠮᠣᠩ", "Mongolian"),
        ("\u1112", "Hangul conjoining Jamo"),
        ("x\u0304", "combining mark"),
        ("1\ufe0f\u20e3", "combining mark"),
        ("abc\u202edef", "right-to-left control"),
        ("\U0001e922", "Adlam"),
    ],
)
def test_unsupported_scripts_raise_their_name(text: str, script: str) -> None:
    for name in ATLASES:
        with pytest.raises(UnsupportedScriptError, match="U\\+") as caught:
            StripRenderer([name], missing="hexbox", unsupported="error").render_bytes(text)
        assert caught.value.script == script and script in str(caught.value)
        assert StripRenderer([name], missing="hexbox", unsupported="missing").measure(text) > 0


def test_right_to_left_and_marks_are_never_drawn_unshaped() -> None:
    """Whatever Python's own tables call right-to-left or a mark is refused or shaped, in all of Unicode."""
    refusing = StripRenderer(unsupported="error")
    for code in range(0x110000):
        char = chr(code)
        is_bidi = unicodedata.bidirectional(char) in ("R", "AL", "AN", "RLE", "RLO", "RLI")
        if is_bidi or (unicodedata.category(char)[0] == "M" and refusing.normalise(char)):
            assert unsupported_script(char), describe(char)
            assert needs_shaping(char), describe(char)
    assert all(unsupported_script(char) is None for char in "aЖΩ中あ한฿৳😀\u200b")


def test_missing_characters_are_named() -> None:
    with pytest.raises(MissingGlyphError) as caught:
        StripRenderer().render_bytes("ab 中文\x00\ud800")
    assert caught.value.characters == ("\x00", "中", "文", "\ud800")
    message = str(caught.value)
    for part in (
        "U+4E2D CJK UNIFIED IDEOGRAPH-4E2D",
        "U+0000 <control>",
        "U+D800 <lone surrogate>",
        "missing='hexbox'",
    ):
        assert part in message
    many = "".join(map(chr, range(0x4E00, 0x4E20)))
    with pytest.raises(MissingGlyphError, match="and 27 more"):
        StripRenderer().render_bytes(many)
    assert StripRenderer(unsupported="error").coverage("ab中\u0301\nc") == ["\u0301", "中"]
    assert StripRenderer().coverage("ab中\u0301\nc") == ["中"], "5x8 has the accent, to be laid over a letter"
    for error in (caught.value, UnsupportedScriptError("ש", "Hebrew")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)


def test_warn_warns_once() -> None:
    renderer = StripRenderer(missing="warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        first = renderer.render_bytes("中")
        renderer.render_bytes("文\ud800")
    assert len(caught) == 1 and "U+4E2D" in str(caught[0].message)
    assert first == StripRenderer(missing="hexbox").render_bytes("中")
    with pytest.warns(UserWarning, match="U\\+DC00"):
        StripRenderer(missing="warn").render("a\udc00b")
    assert StripRenderer(missing="hexbox").normalise("a\udc00b") == "a\ufffdb"


@pytest.mark.parametrize("height", [8, 16, 24])
def test_boxes_show_their_code(height: int) -> None:
    for code in [*range(0, 0x110000, 4099), 0x10FFFF, 0xFFFF, 0x10000]:
        box = draw_hex_box(chr(code), height, 5 if height == 8 else 8)
        found = find_hex_boxes(b"\x01" * (height // 8) + box, height, 5 if height == 8 else 8)
        expected = "\ufffd" if 0xD800 <= code <= 0xDFFF else chr(code)
        assert [char for _, _, char in found] == [expected] and found[0][0] == 1
        columns = np.frombuffer(box, np.uint8).reshape(-1, height // 8)
        assert not (columns == 255).all(axis=1).any(), "a box can never be taken for an EOS patch"
        assert len(columns) % (5 if height == 8 else 8) == 0


def test_a_megabyte_of_text() -> None:
    text = "The people, \u201cwell\u201d.\n" * 60_000
    strip = StripRenderer().render(text)
    assert strip.num_columns == 5 * len(text) and strip.char_columns[-1] == strip.num_columns


# ---- copies, threads, processes ----


def draw_samples(renderer: StripRenderer) -> bytes:
    """Draw through all paths of the renderer; runs in threads and other processes."""
    return b"".join(
        renderer.render_bytes(text) for text in ("plain ASCII", "naïve café — “x”", "中\x00😀", "a\nb")
    )


@pytest.mark.parametrize("name", ATLASES)
def test_copies_draw_the_same(name: str) -> None:
    renderer = StripRenderer([name], missing="hexbox", tab=3)
    expected = draw_samples(renderer)
    for other in (pickle.loads(pickle.dumps(renderer)), copy.deepcopy(renderer), copy.copy(renderer)):
        assert draw_samples(other) == expected and other.fingerprint() == renderer.fingerprint()
        assert other.policy == renderer.policy and other.atlases == renderer.atlases
    assert copy.deepcopy(renderer).atlases[0] is renderer.atlases[0], "atlases are shared, not copied"
    assert repr(renderer).startswith(f"StripRenderer(['{name}'], missing='hexbox'")


def test_fingerprint_tells_settings_and_glyphs_apart() -> None:
    renderers = [
        StripRenderer(),
        StripRenderer(tab=2),
        StripRenderer(["tiny5-8"]),
        StripRenderer(newline="symbol"),
    ]
    assert len({renderer.fingerprint() for renderer in renderers}) == 4
    assert StripRenderer().fingerprint() == StripRenderer([GlyphAtlas.load("fixed-5x8")]).fingerprint()


def test_threads_draw_the_same() -> None:
    expected = draw_samples(StripRenderer(["unifont-16"], "hexbox"))
    fresh = StripRenderer(["unifont-16"], "hexbox")
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(draw_samples, [fresh] * 32)) == {expected}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_draw_the_same(method: str) -> None:
    renderer = StripRenderer(["tiny5-8"], "hexbox")
    expected = draw_samples(renderer)
    with ProcessPoolExecutor(1, multiprocessing.get_context(method)) as pool:
        assert pool.submit(draw_samples, renderer).result() == expected


def test_strips_are_equal_if_their_pixels_are() -> None:
    renderer = StripRenderer()
    assert renderer.render("abc") == renderer.render("abc") != renderer.render("abd")
    assert isinstance(renderer.render(""), PackedStrip) and renderer.render("").to_array().shape == (8, 0)
