"""Saved outputs: training logs and tables."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import strategies as st

from bench.fuzzing.target import Target, edited, spliced
from grader.checks.curves import (
    better_than,
    falls,
    first_epoch_of_overfitting,
    gap,
    read_curves,
    read_tables,
    rises,
)
from grader.checks.recorded import curve_evidence

_SAMPLES = [
    "Epoch 1/10\n782/782 [====] - 3s - loss: 0.93 - accuracy: 85.1% - val_loss: 1.2\n",
    "epoch 1: train loss 0.5, test acc 0.85%\nepoch 2: train loss 0.4, test acc 0.9%\n" * 2,
    "[1, 2000] loss: 2.2\n[2, 2000] loss: 1.9\nAccuracy of the network: 55 %\n",
    "دوره ۱: خطای آموزش ۰٫۵، دقت ۸۵٪\nدوره ۲: خطای آموزش ۰٫۴، دقت ۸۷٪\n",
    "train_losses = [0.5, 0.4, nan, inf]\nval acc: [1, 2, 3]\n",
    " 50%|█████     | 5/10 [00:01<00:01, loss=0.3]\r100%|██████████| 10/10\n",
    "| model | acc | loss |\n|---|---|---|\n| A | 85.0 ± 0.1 | 0.3 |\n| B | 90% | nan |\n",
    "   epoch  loss   acc\n0  1      0.5    0.8\n1  2      0.4    0.9\n",
    "a,b,loss\n1,2,0.3\n2,3,0.1\n",
    "<table><tr><th>lr<th colspan=2>acc</tr><tr><td>0.1<td>0.5<td>x</table>",
    "Trial 3 finished with value: 0.5 and parameters: {'lr': 1e-3}\n{'eval_loss': 0.1}\n",
]
_PIECES = [
    "\r", "\b", "\n", "|", "  ", ",", ":", "=", "[", "]", "%", "/", "epoch ", "step ", "nan", "-inf",
    "1e999", "9" * 40, "loss", "val_", "acc", "\x1b[31m", "<td>", "<tr>", "<table>", "</table>",
    "colspan=99", "۳", "٫", "±", "│", "━", "&#x110000;", "&lt;", "e-400", "0,5",
]  # fmt: skip


def _read(outputs: Any) -> str:
    tables = read_tables(outputs)
    for table in tables:
        for name in (*table.columns, *table.names):
            table.column(name)
            table.numbers(name)
            with contextlib.suppress(KeyError):
                table.best(name, highest=True)
    curves = read_curves(outputs)
    for curve in curves:
        assert len(curve.epochs) == len(curve.values) > 0
        curve_evidence(curve)
        falls(curve)
        rises(curve, by=0.1)
        assert curve.best is not None
        with contextlib.suppress(ValueError):
            better_than(curve, curves[0])
        with contextlib.suppress(ValueError):
            gap(curve, curves[0])
        with contextlib.suppress(ValueError):
            first_epoch_of_overfitting(curve, curves[0])
    return "read" if tables or curves else "nothing found"


def logs() -> Target:
    """What a training printed."""
    pieces = st.sampled_from(_PIECES)
    text = (
        edited(_SAMPLES, pieces | st.text(max_size=4))
        | spliced(_SAMPLES)
        | st.lists(pieces, max_size=30).map("".join)
        | st.text(st.characters(codec=None), max_size=60)
        | st.builds(lambda piece, n: piece * n, pieces, st.integers(1, 3000))
    )
    output = text | st.fixed_dictionaries(
        {},
        optional={
            "text": text | st.lists(text | st.none(), max_size=2) | st.integers(),
            "name": st.sampled_from(["stdout", "stderr", 3, None]),
            "data": st.dictionaries(
                st.sampled_from(["text/plain", "text/html"]), text | st.none(), max_size=2
            ),
        },
    )
    return Target("log", text | st.lists(output, max_size=3), _read)
