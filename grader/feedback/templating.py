"""Jinja as our templates need it: a card calls a few thousand functions and puts out as many values.

Jinja asks of whatever a template calls whether it wants the context passed, and wraps anew what
is HTML already. Nothing that our templates call wants the context.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from types import CodeType
from typing import Any

from jinja2 import Environment, Template
from jinja2.runtime import Context
from markupsafe import Markup, escape


class _Context(Context):
    """Calls a function with the arguments that the template gives, and nothing else."""

    def call(
        self,
        function: Callable[..., Any],
        /,
        *args: Any,
        _loop_vars: object = None,
        _block_vars: object = None,
        **kwargs: Any,
    ) -> Any:
        return function(*args, **kwargs)


def _escaped(value: object) -> str:
    return value if type(value) is Markup else escape(value)


class _Template(Template):
    """Leaves HTML as it is where a value is put out."""

    @classmethod
    def from_code(
        cls,
        environment: Environment,
        code: CodeType,
        globals: MutableMapping[str, Any],  # noqa: A002 - Jinja's name
        uptodate: Callable[[], bool] | None = None,
    ) -> Template:
        template = super().from_code(environment, code, globals, uptodate)
        template.root_render_func.__globals__["escape"] = _escaped
        return template


class Templates(Environment):
    """An environment whose templates render so."""

    context_class = _Context
    template_class = _Template
