"""Copies stand out whatever was renamed, reordered or re-commented; honest work does not."""

from __future__ import annotations

import random
import re
from itertools import combinations

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from grader.notebook.similarity import (
    Code,
    code_of,
    compare,
    groups_of,
    standing_out,
    tokens_of,
)

SKELETON = [
    "import numpy as np\nimport torch\nfrom torch import nn\nX = np.linspace(-1, 1, 64).reshape(8, 8)",
    "def softmax(z):\n    # your code here\n    raise NotImplementedError",
    "def convolve(image, kernel):\n    # your code here\n    raise NotImplementedError",
]
SOFTMAX = [  # a short question has few right answers, and honest students share them
    "def softmax(z):\n    e = np.exp(z - z.max())\n    return e / e.sum()",
    "def softmax(z):\n    z = z - np.max(z)\n    return np.exp(z) / np.sum(np.exp(z))",
    "def softmax(scores):\n    shifted = np.exp(scores - scores.max())\n    return shifted / shifted.sum()",
]
CONVOLVE = [
    (
        "def convolve(image, kernel):\n    k = kernel.shape[0]\n    h, w = image.shape\n"
        "    out = np.zeros((h - k + 1, w - k + 1))\n    for i in range(h - k + 1):\n"
        "        for j in range(w - k + 1):\n"
        "            out[i, j] = (image[i:i + k, j:j + k] * kernel).sum()\n    return out"
    ),
    (
        "def convolve(image, kernel):\n"
        "    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)\n"
        "    return np.einsum('ijkl,kl->ij', windows, kernel)"
    ),
    (
        "def convolve(image, kernel):\n    x = torch.tensor(image)[None, None]\n"
        "    w = torch.tensor(kernel)[None, None]\n"
        "    return nn.functional.conv2d(x, w)[0, 0].numpy()"
    ),
]
STATEMENTS = [
    "{x} = torch.{f}({y}, dim={n})",
    "{x} = nn.{layer}({m}, {n})({y})",
    "{x}, {y} = {y}.{f}(), {x}[:{n}] * {m}",
    "for {x} in range({m}):\n    {y} = {y} + torch.{f}({x} / {n})",
    "if {x}.{f}() > {n}:\n    {y} = {x} - {m}",
    "with torch.no_grad():\n    {x} = {y}.{f}(keepdim=True) * 0.{n}",
    "{x} = [{y}.{f}(i) for i in ({n}, {m})]",
    "print('{x}', round(float({y}.{f}()), {n}))",
    "while {x}.{f}() < {m}:\n    {x} = {x} * {n} + {y}",
    "def {x}({y}):\n    return nn.functional.{f}({y}, p={n}) + {m}",
    "assert {x}.shape == ({n}, {m}), {y}.{f}()",
]
FUNCTIONS = "mean std var amax softmax log_softmax cumsum norm median sort flip relu tanh".split()
LAYERS = "Linear Conv1d Conv2d Bilinear Embedding LSTM GRU".split()
NAMES = "loss net batch history out best rate weights scores total".split()


def statements(chance: random.Random, count: int) -> list[str]:
    """Cells of a practical question, for which there are more ways than students."""
    return [
        "\n".join(
            chance.choice(STATEMENTS).format(
                x=chance.choice(NAMES),
                y=chance.choice(NAMES),
                f=chance.choice(FUNCTIONS),
                layer=chance.choice(LAYERS),
                n=chance.randrange(1, 9),
                m=chance.randrange(8, 128),
            )
            for _ in range(5)
        )
        for _ in range(count)
    ]


def honest(seed: int) -> list[str]:
    """What one student writes alone: few ways for short questions, many for the long one."""
    chance = random.Random(seed)
    short = [chance.choice(SOFTMAX), chance.choice(CONVOLVE)]
    return [SKELETON[0], *short, *statements(chance, 8)]


def code(sources: list[str]) -> Code:
    return code_of(new_notebook(cells=[new_code_cell(source) for source in sources]))


def renamed(sources: list[str]) -> list[str]:
    pattern = re.compile(
        rf"(?<![.\w])({'|'.join([*NAMES, 'image', 'kernel', 'scores', 'e'])})\b(?!\()"
    )
    return [pattern.sub(lambda m: f"my_{m[1]}_2", source) for source in sources]


def commented(sources: list[str]) -> list[str]:
    return [
        "\n".join(f"{line}  # step {n}" for n, line in enumerate(s.split("\n"))) + "\n\n# the end\n"
        for s in sources
    ]


def reordered(sources: list[str]) -> list[str]:
    return [sources[0], *reversed(sources[1:])]


def half(sources: list[str]) -> list[str]:
    own = honest(4242)
    return [*own[:7], *sources[7:]]


CLASS = {f"student{seed:02}": honest(seed) for seed in range(30)}


@pytest.mark.parametrize("disguise", [list, renamed, commented, reordered, half])
def test_a_copy_is_found_above_all_honest_pairs(disguise) -> None:
    hand_ins = {name: code(sources) for name, sources in CLASS.items()}
    hand_ins["copy"] = code(disguise(CLASS["student07"]))
    found = compare(hand_ins, [code(SKELETON)])
    assert {found[0].first, found[0].second} == {"student07", "copy"}
    assert found[0].share > 1.5 * found[1].share
    out = standing_out(found, len(hand_ins))
    assert [{pair.first, pair.second} for pair in out] == [{"student07", "copy"}]


def test_honest_hand_ins_do_not_stand_out_however_short_the_question_is() -> None:
    hand_ins = {name: code(sources) for name, sources in CLASS.items()}
    assert standing_out(compare(hand_ins, [code(SKELETON)]), len(hand_ins)) == []
    short = {name: code(sources[:3]) for name, sources in CLASS.items()}
    assert standing_out(compare(short, [code(SKELETON)]), len(short)) == []


def test_what_the_skeleton_gave_counts_for_nobody() -> None:
    untouched = {name: code(SKELETON) for name in "abc"}
    assert compare(untouched, [code(SKELETON)]) == []
    assert compare(untouched, []) != []


def test_earlier_terms_are_compared_with_this_one_and_not_with_each_other() -> None:
    hand_ins = {name: code(sources) for name, sources in CLASS.items()}
    past = {"2024/x": code(renamed(CLASS["student03"])), "2024/y": code(honest(999))}
    past["2024/z"] = past["2024/y"]  # a copy of another term is no matter of this one
    found = compare(hand_ins, [code(SKELETON)], past)
    out = standing_out(found, len(hand_ins) + len(past))
    assert [(pair.first, pair.second) for pair in out] == [("student03", "2024/x")]


def test_groups_are_those_whom_pairs_connect() -> None:
    hand_ins = {name: code(sources) for name, sources in CLASS.items()}
    hand_ins |= {"b": code(renamed(CLASS["student05"])), "c": code(commented(CLASS["student05"]))}
    out = standing_out(compare(hand_ins, [code(SKELETON)]), len(hand_ins))
    assert groups_of(out) == [["b", "c", "student05"]]
    assert len(out) == len(list(combinations("abc", 2)))


def test_code_that_is_no_python_is_read_as_far_as_it_goes() -> None:
    texts = [token.text for token in tokens_of("x = 1\n!ls\n%time y = 'a'\nz = (", 3)]
    assert texts[:3] == ["name", "=", "1"]
    assert '""' in texts
    assert list(tokens_of("%%bash\nls", 0)) == []
    lines = [(token.cell, token.line) for token in tokens_of("a\n\nb.c", 5)]
    assert lines == [(5, 0), (5, 2), (5, 2), (5, 2)]
    assert [t.text for t in tokens_of("b.c", 0)] == ["name", ".", "c"]
