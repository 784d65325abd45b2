"""Texts of matplotlib's figures, laid out once; a quarter of a figure's time goes there.

``tight_layout`` and the drawing lay out every text three or four times. What comes of it depends on
little: its characters, their font, a few settings; it is kept by these. Where a font or a character
is missing matplotlib warns each time: such texts are left to it, as is what is not as known here.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import math
import types
import weakref
from collections.abc import Callable, MutableMapping
from typing import Any, Final

_MOST: Final = 4096
"""How many layouts are kept before all are dropped."""
_SETTINGS: Final = (
    *(f"font.{name}" for name in ("family", "style", "variant", "weight", "stretch", "size")),
    *(f"font.{name}" for name in ("serif", "sans-serif", "cursive", "fantasy", "monospace")),
    *("font.enable_last_resort", "text.hinting", "text.kerning_factor"),
)
"""What fonts and their measures depend on beside what a text itself says."""


def quicken_texts() -> None:
    """Have matplotlib keep the fonts that it found and the layouts of texts, where that can."""
    for step in (_draw_glyphs_swiftly, lambda: _Layouts().patch()):
        with contextlib.suppress(Exception):  # another matplotlib
            step()


def part_of(usual: Callable[..., Any], function: Any) -> Callable[..., Any]:
    """Have matplotlib take `function` for part of itself: its warnings name whoever called it."""
    code = function.__code__.replace(co_filename=usual.__code__.co_filename)
    names = {**function.__globals__, "__name__": usual.__module__}
    made = types.FunctionType(
        code, names, code.co_name, function.__defaults__, function.__closure__
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _draw_glyphs_swiftly() -> None:
    """Have a text's glyphs drawn without setting up their font for each of them.

    Raises
    ------
    AttributeError, TypeError, ValueError
        If they are drawn in another way than is known here.
    """
    np: Any = importlib.import_module("numpy")
    agg: Any = importlib.import_module("matplotlib.backends.backend_agg")
    mode: Any = importlib.import_module("matplotlib.ft2font").RenderMode
    hinting: Callable[[], Any] = agg.get_hinting_flag
    usual = agg.RendererAgg._draw_text_glyphs_and_boxes
    known = ["self", "gc", "x", "y", "angle", "glyphs", "boxes"]
    if list(inspect.signature(usual).parameters) != known:
        raise TypeError("it takes other parameters")

    def draw(
        renderer: Any, gc: Any, x: float, y: float, angle: float, glyphs: Any, boxes: Any
    ) -> None:
        glyphs = list(glyphs)
        if boxes != [] or any(slant or extend != 1 for *_, slant, extend, _, _ in glyphs):
            usual(renderer, gc, x, y, angle, glyphs, boxes)
            return
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        turn = (0x10000 * np.array([[cos, -sin], [sin, cos]])).round().astype(int)
        flags, smooth = hinting(), gc.get_antialiased()
        drawing, height = mode.NORMAL if smooth else mode.MONO, renderer.height
        draw_image = renderer._renderer.draw_text_image
        last = sized = None
        for font, size, glyph, _, _, dx, dy in glyphs:
            if font is not last or size != sized:  # another's size may be that of its fallbacks
                font.set_size(size, renderer.dpi)
                last, sized = font, size
            right, up = dx * cos - dy * sin, dx * sin + dy * cos
            font._set_transform(turn, [round(0x40 * (x + right)), round(0x40 * (height - y + up))])
            bitmap = font._render_glyph(glyph, flags, drawing)
            buffer = bitmap.buffer
            if not smooth:
                buffer *= 0xFF
            bottom = int(height) - bitmap.top + buffer.shape[0]
            draw_image(buffer, bitmap.left, bottom, 0, gc)

    def drawn() -> bytes:
        renderer = agg.RendererAgg(60, 30, 100)
        properties = importlib.import_module("matplotlib.font_manager").FontProperties()
        for angle, smooth, words in ((0, True, "a1a"), (30, True, "$a^1$"), (70, False, "1a")):
            gc = renderer.new_gc()
            gc.set_antialiased(smooth)
            renderer.draw_text(gc, 3, 20, words, properties, angle, ismath="$" in words)
        return bytes(renderer.buffer_rgba())

    before = drawn()
    agg.RendererAgg._draw_text_glyphs_and_boxes = part_of(usual, draw)
    try:
        same = drawn() == before
    except Exception:
        same = False
    if not same:
        agg.RendererAgg._draw_text_glyphs_and_boxes = usual
        raise ValueError("its glyphs look otherwise")


class _Layouts:
    """What was found and laid out under the present settings."""

    def __init__(self) -> None:
        self.rc: Any = importlib.import_module("matplotlib").rcParams
        self.text = importlib.import_module("matplotlib.text")
        self.manager: Any = self.text.fontManager
        backend = importlib.import_module("matplotlib.backends.backend_agg")
        self.renderer: Any = backend.RendererAgg
        self.bbox: Any = self.text.Bbox
        self.kinds = (self.text.Text, self.text.Annotation)
        self.settings: list[Any] = []
        self.changes = 0
        self.seen: MutableMapping[Any, int] = weakref.WeakKeyDictionary()
        self.fonts: dict[Any, list[Any] | None] = {}
        self.layouts: dict[Any, tuple[Any, ...]] = {}
        self.characters: dict[Any, frozenset[int]] = {}
        self.usual_fonts: Callable[..., list[Any]] = type(self.manager)._find_fonts_by_props
        self.usual_layout: Callable[..., Any] = self.text.Text._get_layout
        self.usual_drawing: Callable[..., None] = self.renderer.draw_text
        self.hinting: Callable[[], Any] = backend.get_hinting_flag
        self.glyphs: MutableMapping[Any, dict[Any, list[Any]]] = weakref.WeakKeyDictionary()

    def patch(self) -> None:
        """Take the place of matplotlib's own functions.

        Raises
        ------
        AttributeError, KeyError, TypeError
            If they are not those that are known here.
        """
        fonts = ["prop", "fontext", "directory", "fallback_to_default", "rebuild_if_missing"]
        drawn = ["gc", "x", "y", "s", "prop", "angle", "ismath", "mtext"]
        for function, names in (
            (self.usual_fonts, fonts),
            (self.usual_layout, ["renderer"]),
            (self.usual_drawing, drawn),
        ):
            if list(inspect.signature(function).parameters) != ["self", *names]:
                raise TypeError(f"{function} takes other parameters")
        label = self.text.Text(0, 0, "1")
        self.settings = self._settings_now()
        self._key(label, 100.0, 100.0)
        if not self._covers(self._found(label._fontproperties), "1"):
            raise KeyError("no font has a digit")
        renderer = self.renderer(30, 30, 100)
        if not self._glyphs_of(renderer, "1", label._fontproperties, label):
            raise KeyError("a digit has no glyph")

        def find(manager: Any, prop: Any, *rest: Any, **options: Any) -> list[Any]:
            if manager is self.manager and not rest and not options and hasattr(prop, "_family"):
                self._refresh()
                if (found := self._found(prop)) is not None:
                    return list(found)
            return self.usual_fonts(manager, prop, *rest, **options)

        laid_out = part_of(self.usual_layout, _Layouts._laid_out)

        def lay_out(text: Any, renderer: Any) -> Any:
            return laid_out(self, text, renderer)

        def draw_text(
            renderer: Any,
            gc: Any,
            x: float,
            y: float,
            s: Any,
            prop: Any,
            angle: float,
            ismath: Any = False,
            mtext: Any = None,
        ) -> None:
            glyphs = None if ismath else self._glyphs_of(renderer, s, prop, mtext)
            if glyphs is None:
                self.usual_drawing(renderer, gc, x, y, s, prop, angle, ismath, mtext)
            else:
                renderer._draw_text_glyphs_and_boxes(gc, x, y, angle, glyphs, [])

        type(self.manager)._find_fonts_by_props = find
        self.renderer.draw_text = part_of(self.usual_drawing, draw_text)
        self.text.Text._get_layout = part_of(self.usual_layout, lay_out)

    def _laid_out(self, text: Any, renderer: Any) -> Any:
        words = text._text
        if (
            type(text) not in self.kinds
            or type(renderer) is not self.renderer
            or type(words) is not str
            or "$" in words
            or text._wrap
            or text._usetex
        ):
            return self.usual_layout(text, renderer)
        self._refresh()
        if self.seen.setdefault(renderer, self.changes) != self.changes:
            return self.usual_layout(text, renderer)  # it goes on by what it measured before
        key = self._key(text, text.get_figure(root=True).dpi, renderer.dpi)
        known = self.layouts.get(key)
        if known is None:
            if not self._covers(self._found(text._fontproperties), words):
                return self.usual_layout(text, renderer)
            box, lines, corner = self.usual_layout(text, renderer)
            known = self.layouts[key] = (box.extents.tolist(), tuple(lines), corner)
        edges, lines, corner = known
        return self.bbox.from_extents(*edges), list(lines), corner

    def _glyphs_of(self, renderer: Any, words: Any, prop: Any, text: Any) -> list[Any] | None:
        """Glyphs as they are drawn, found once for a picture; None where matplotlib should."""
        if type(renderer) is not self.renderer or type(words) is not str or text is None:
            return None
        self._refresh()
        options = {
            "flags": self.hinting(),
            "features": text.get_fontfeatures(),
            "language": text.get_language(),
        }
        if options["features"] is not None or options["language"] is not None:
            return None
        key = (words, *vars(prop).values(), options["flags"], self.changes)
        kept = self.glyphs.setdefault(renderer, {})
        if key not in kept:
            if not self._covers(self._found(prop), words):
                return None
            if len(kept) > _MOST:
                kept.clear()
            size = prop.get_size_in_points()
            kept[key] = [
                (item.ft_object, size, item.glyph_index, 0, 1, item.x, item.y)
                for item in renderer._prepare_font(prop)._layout(words, **options)
            ]
        return kept[key]

    def _key(self, text: Any, *resolutions: float) -> Any:
        return (
            text._text,
            *vars(text._fontproperties).values(),
            text.get_rotation(),
            text._rotation_mode,
            text._horizontalalignment,
            text._verticalalignment,
            text._multialignment,
            text._linespacing,
            *resolutions,
        )

    def _found(self, prop: Any) -> list[Any] | None:
        """Return the fonts of `prop`, or None if one is missing, of which matplotlib would tell."""
        key = tuple(vars(prop).values())
        if key not in self.fonts:
            found = []
            try:
                for family in prop.get_family():
                    single = prop.copy()
                    single.set_family(family)
                    found.append(self.manager.findfont(single, fallback_to_default=False))
            except ValueError:
                self.fonts[key] = None
            else:
                self.fonts[key] = found
        return self.fonts[key]

    def _covers(self, fonts: list[Any] | None, words: str) -> bool:
        """Whether the first font has all characters: of one that is missing matplotlib warns."""
        if not fonts:
            return False
        if fonts[0] not in self.characters:
            self.characters[fonts[0]] = frozenset(self.text.get_font(fonts[0]).get_charmap())
        return self.characters[fonts[0]].issuperset(map(ord, words.replace("\n", "")))

    def _refresh(self) -> None:
        """Drop all that was kept when a setting changed or a font was added."""
        now = self._settings_now()
        if len(self.layouts) > _MOST:
            self.layouts.clear()
        if now != self.settings:
            self.settings = [list(value) if type(value) is list else value for value in now]
            self.changes += 1
            self.fonts.clear()
            self.layouts.clear()

    def _settings_now(self) -> list[Any]:
        # Not `rcParams[name]`, which takes as long as the rest for so many.
        settings = [dict.__getitem__(self.rc, name) for name in _SETTINGS]
        settings.append(len(self.manager.ttflist))
        return settings
