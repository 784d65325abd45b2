"""Notebooks as they come, and the code in them."""

from __future__ import annotations

import json
from typing import Any

import nbformat
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from bench.fuzzing.target import Target, edited, spliced
from grader.notebook import Facts, Unreadable, describe, read_notebook, secrets_left
from grader.secrets import redact

_CODE = [
    "import numpy as np\nfrom torch import nn as n, optim\nx: int = np.zeros(3)\n",
    "%matplotlib inline\n!pip install torch\nfiles = !ls\nhelp?\n%%time\nx = 1\n",
    "class Net(nn.Module):\n    def __init__(self, *a, k=1, **b):\n        super().__init__()\n",
    "def f(x, /, y=(lambda z: z)(2)):\n    global g\n    return [i for i in x if (j := i)]\n",
    "try:\n    with open('x') as f, g() as (a, *b):\n        del a.b[c]\nexcept* E as e: pass\n",
    "match x:\n    case {'a': [1, *r], **k} | P(y=z) as w if w:\n        print(f'{x!r:>{y}}')\n",
    "async def a():\n    async for x in y: await z\nKEY = 'ghp_0123456789abcdefghijABCDEFGHIJ012345'\n",
    "password = 'hunter2!'\nurl = 'https://me:secret@host/?token=abcdefgh12345678'\n",
]
_KEYS = (
    "cells cell_type source outputs output_type data metadata id execution_count name text tags "
    "kernelspec language_info attachments ename evalue traceback worksheets nbformat input level "
    "nbformat_minor collapsed jupyter execution authors title display_name image/png language"
).split()


def samples() -> list[bytes]:
    """Sound notebooks of several formats, and text that is none."""
    cells = [new_code_cell(code, execution_count=n) for n, code in enumerate(_CODE)]
    cells[0].outputs = [
        new_output("stream", text="epoch 1\n"),
        new_output("error", ename="E", evalue="v", traceback=["\x1b[31mE\x1b[0m"]),
        new_output("display_data", {"text/plain": "x", "image/png": "iVBORw0KGgo="}),
        new_output("execute_result", {"application/json": {"a": [1]}}, execution_count=1),
    ]
    cells.append(new_markdown_cell("# عنوان\n$x^2$"))
    text = nbformat.writes(new_notebook(cells=cells))
    old = {
        "nbformat": 3,
        "metadata": {"name": "x"},
        "worksheets": [
            {"cells": [{"cell_type": "code", "input": ["x = 1", "y"], "outputs": [
                {"output_type": "pyout", "text": ["1"], "prompt_number": 1}]}]},
            {"cells": [{"cell_type": "heading", "level": 2, "source": "A"}]},
        ],
    }  # fmt: skip
    conflict = text.replace('"nbformat"', '<<<<<<< HEAD\n"nbformat"', 1) + "\n=======\n>>>>>>> b\n"
    return [
        text.encode(),
        json.dumps(old).encode(),
        json.dumps(json.loads(text)).encode("utf-16"),
        conflict.encode(),
        text.replace("عنوان", "Ù").encode("latin-1", "replace"),
        b"\xef\xbb\xbf" + text.encode(),
        b"<!doctype html><title>Sign in</title>",
        b"import torch\nprint(1)\n",
        b'{"nbformat": 4, "cells": [',
    ]


def documents() -> st.SearchStrategy[Any]:
    """JSON with the keys of notebooks and values of any kind."""
    keys = st.sampled_from(_KEYS) | st.text(st.characters(codec=None), max_size=3)
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | keys
        | st.sampled_from(["code", "markdown", "stream", "error", "a\n", "\0", "\ud800", "\ud83d"])
    )
    anything = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=8,
    )
    output = st.dictionaries(keys, anything, max_size=5)
    output |= st.fixed_dictionaries(
        {"output_type": st.sampled_from("stream error display_data pyout execute_result".split())},
        optional=dict.fromkeys(("data", "text", "ename", "traceback", "metadata"), anything),
    )
    cell = st.fixed_dictionaries(
        {"cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | anything},
        optional={
            "source": anything,
            "metadata": anything,
            "outputs": st.lists(output, max_size=3) | anything,
            "id": anything,
            "attachments": anything,
            "execution_count": anything,
        },
    )
    return st.fixed_dictionaries(
        {"cells": st.lists(cell | anything, max_size=4) | anything},
        optional=dict.fromkeys(("metadata", "nbformat", "worksheets"), anything),
    )


def _read(data: bytes) -> str:
    try:
        submission = read_notebook(data)
    except Unreadable as problem:
        for finding in problem.findings:
            describe(finding)
        return "refused"
    for finding in (*submission.findings, *secrets_left(submission.notebook)):
        describe(finding)
    nbformat.validate(submission.notebook)
    nbformat.writes(submission.notebook).encode()
    return "read"


def notebooks() -> Target:
    """Files that call themselves notebooks."""
    sound = samples()
    arbitrary = st.binary(max_size=300) | st.text(max_size=100).map(
        lambda text: text.encode("utf-16", "surrogatepass")
    )
    inputs = (
        arbitrary
        | edited(sound, st.binary(max_size=9))
        | spliced(sound)
        | documents().map(lambda document: json.dumps(document).encode())
    )
    return Target("notebook", inputs, _read)


def _analyse(source: str) -> str:
    facts = Facts([(0, source), (1, "y = x")])
    for name in facts.names:
        facts.cell_of(name)
        facts.definition(name)
        facts.modules_behind(name)
        facts.calls(name)
    assert facts.imports is not None
    redact(source)
    return "refused" if facts.syntax_errors else "read"


def sources() -> Target:
    """Code of cells, for the static facts."""
    pieces = st.sampled_from(
        [
            *"()[]{}:=\\\n\t\0%!?'\"@#;*",
            "\n  ",
            "lambda ",
            "async ",
            "f'{",
            "'''",
            "\ud800",
            "ی",
            "𝐱",
        ]
    )
    inputs = (
        st.text(st.characters(codec=None), max_size=60)
        | edited(_CODE, pieces | st.text(max_size=4))
        | spliced(_CODE)
        | st.builds(lambda piece, n: piece * n, pieces, st.integers(1, 3000))
    )
    return Target("source", inputs, _analyse)
