"""Texts of matplotlib's figures, laid out once; a quarter of a figure's time goes there.

``tight_layout`` and the drawing lay out every text three or four times. What comes of it depends on
little: its characters, their font, a few settings; it is kept by these. Where a font or a character
is missing matplotlib warns each time: such texts are left to it, as is what is not as known here.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, MutableMapping
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
    for step in (_size_fonts_once, lambda: _Layouts().patch()):
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


class _SizedOnce:
    """A font that is not set to the size that it has: it would run its program for that again."""

    def __init__(self, font: Any) -> None:
        self._font = font
        self._sizes: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._font, name)

    def set_size(self, *sizes: Any) -> None:
        if sizes != self._sizes:
            self._font.set_size(*sizes)
            self._sizes = sizes


def _sized_once(glyphs: Iterable[Any]) -> Iterator[Any]:
    last = sized = None
    for font, *rest in glyphs:
        if sized is None or font is not last:  # another's size may be that of its fallbacks, too
            last, sized = font, _SizedOnce(font)
        yield sized, *rest


def _size_fonts_once() -> None:
    """Have a text's glyphs drawn without setting their font's size for each of them.

    Raises
    ------
    AttributeError, TypeError, ValueError
        If they are drawn in another way than is known here.
    """
    agg = importlib.import_module("matplotlib.backends.backend_agg")
    usual = agg.RendererAgg._draw_text_glyphs_and_boxes
    if list(inspect.signature(usual).parameters)[-2:] != ["glyphs", "boxes"]:
        raise TypeError("it takes other parameters")

    def draw(
        renderer: Any, gc: Any, x: float, y: float, angle: float, glyphs: Any, boxes: Any
    ) -> None:
        usual(renderer, gc, x, y, angle, _sized_once(glyphs), boxes)

    def drawn() -> bytes:
        renderer = agg.RendererAgg(60, 30, 100)
        properties = importlib.import_module("matplotlib.font_manager").FontProperties()
        for angle, words in ((0, "a1a"), (30, "$a^1$")):
            gc = renderer.new_gc()
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
        self.renderer: Any = importlib.import_module("matplotlib.backends.backend_agg").RendererAgg
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

    def patch(self) -> None:
        """Take the place of matplotlib's own functions.

        Raises
        ------
        AttributeError, KeyError, TypeError
            If they are not those that are known here.
        """
        fonts = ["prop", "fontext", "directory", "fallback_to_default", "rebuild_if_missing"]
        for function, names in ((self.usual_fonts, fonts), (self.usual_layout, ["renderer"])):
            if list(inspect.signature(function).parameters) != ["self", *names]:
                raise TypeError(f"{function} takes other parameters")
        label = self.text.Text(0, 0, "1")
        self.settings = self._settings_now()
        self._key(label, 100.0, 100.0)
        if not self._covers(self._found(label._fontproperties), "1"):
            raise KeyError("no font has a digit")

        def find(manager: Any, prop: Any, *rest: Any, **options: Any) -> list[Any]:
            if manager is self.manager and not rest and not options and hasattr(prop, "_family"):
                self._refresh()
                if (found := self._found(prop)) is not None:
                    return list(found)
            return self.usual_fonts(manager, prop, *rest, **options)

        laid_out = part_of(self.usual_layout, _Layouts._laid_out)

        def lay_out(text: Any, renderer: Any) -> Any:
            return laid_out(self, text, renderer)

        type(self.manager)._find_fonts_by_props = find
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
