"""What a label measures: ``val_acc``, ``Training loss``, «دقت اعتبارسنجی», ``testAccuracy``."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Collection, Iterable
from typing import Literal

import msgspec

from grader.checks.script import folded

Split = Literal["train", "validation", "test"]

HIGHER_IS_BETTER = frozenset({"accuracy", "top5_accuracy", "precision", "recall", "f1", "auc"})
"""Metrics that are fractions, and better when they are higher; all others are better lower."""


def _folded(names: str) -> frozenset[str]:
    return frozenset(folded(name) for name in names.split())


_SPLITS: dict[Split, frozenset[str]] = {
    "train": _folded("train training trn tr trainset آموزش آموزشی ترین"),
    "validation": _folded(
        "val valid validation validating dev eval evaluation valset اعتبارسنجی ارزیابی ولیدیشن"
    ),
    "test": _folded("test testing tst testset تست آزمون آزمایش آزمایشی"),
}
_METRICS: dict[str, frozenset[str]] = {
    "loss": _folded("loss losses cost nll logloss crossentropy خطا خطای زیان هزینه لاس"),
    "accuracy": _folded("acc accs accuracy accuracies دقت صحت"),
    "precision": _folded("precision prec"),
    "recall": _folded("recall"),
    "f1": _folded("f1 fscore f1score"),
    "auc": _folded("auc auroc rocauc"),
    "error": _folded("err"),
    "mse": _folded("mse"),
    "rmse": _folded("rmse"),
    "mae": _folded("mae"),
    "perplexity": _folded("perplexity ppl"),
}
_SPLIT_OF = {word: split for split, names in _SPLITS.items() for word in names}
_METRIC_OF = {word: metric for metric, names in _METRICS.items() for word in names}
_EPOCH = _folded("epoch epochs ep ایپاک ایپوک اپاک اپوک دوره")
_FILLER = _folded(
    "is was are of the a an on for in at to set data dataset value values score rate total avg "
    "average mean ave final current this now metric result results phase mode step so far after "
    "model network over images samples dataloader full running epoch per "
    "است بود برابر با در روی مجموعه داده ها های مقدار میانگین نهایی ی به تابع میزان کل "
)
_NOT_OF_THE_CURVE = _folded(
    "best max min maximum minimum highest lowest improved previous old worst target threshold "
    "بهترین بیشترین کمترین قبلی"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Label(msgspec.Struct, frozen=True):
    """What a label says.

    Attributes
    ----------
    split, metric
        None where the label does not say.
    joined
        Whether the label's split is part of the metric's own name (``val_loss``), so that it
        says nothing of the numbers that follow.
    """

    split: Split | None
    metric: str | None
    joined: bool = False


@functools.lru_cache(maxsize=4096)
def label_words(text: str) -> tuple[str, ...]:
    """Return the words of a label, folded, also those that camel case or underscores join."""
    found: list[str] = []
    for word in re.findall(r"[^\W_]+", folded(_CAMEL.sub(" ", text))):
        if found and found[-1] + word in _SPLIT_OF:  # «اعتبار سنجی»
            found[-1] += word
        else:
            found += _unglued(word)
    return tuple(found)


def _unglued(word: str) -> list[str]:
    """Split ``trainloss`` and ``acc1`` into the words they are made of."""
    if word in _SPLIT_OF or word in _METRIC_OF:
        return [word]
    for end in range(2, min(len(word) - 2, 12)):
        if word[:end] in _SPLIT_OF and word[end:] in _METRIC_OF:
            return [word[:end], word[end:]]
    letters = word.rstrip("0123456789")
    return [letters, word[len(letters) :]] if letters in _METRIC_OF and letters != word else [word]


def read_label(text: str) -> Label | None:
    """Read what the label right before a number, or at the head of a column, measures.

    Returns None when it names neither a metric nor a split, when something else stands between
    the metric and the number ("loss after lr"), or when it is no value of the curve ("best acc").
    """
    text = text[-200:]
    words = label_words(text)
    known = [place for place, word in enumerate(words) if word in _METRIC_OF]
    splits = [_SPLIT_OF[word] for word in words if word in _SPLIT_OF]
    if not (known or splits) or _NOT_OF_THE_CURVE.intersection(words):
        return None
    split = splits[-1] if splits else None
    after = words[known[-1] + 1 :] if known else words
    if any(not (w in _FILLER or w in _SPLIT_OF or w.isdigit()) for w in after):
        return None
    if not known:
        return Label(split, None)
    metric = _METRIC_OF[words[known[-1]]]
    if metric == "accuracy" and re.search(r"top\W?5|acc\w*@5", text, re.IGNORECASE):
        metric = "top5_accuracy"
    return Label(split, metric, joined=split is not None and _is_joined(text))


def _is_joined(text: str) -> bool:
    """Whether one unspaced name of `text` holds both a split and a metric."""
    for chunk in re.findall(r"[\w/-]+", text):
        words = label_words(chunk)
        if any(w in _SPLIT_OF for w in words) and any(w in _METRIC_OF for w in words):
            return True
    return False


def section_split(line: str) -> Split | None:
    """Return the split that a line without numbers heads: "Test Error:", "--- validation ---"."""
    words = label_words(line)
    splits = {_SPLIT_OF[w] for w in words if w in _SPLIT_OF}
    heads = len(splits) == 1 and all(
        w in _SPLIT_OF or w in _METRIC_OF or w in _FILLER or w in ("error", "errors") for w in words
    )
    return splits.pop() if heads and len(words) <= 5 else None


def is_known_word(word: str) -> bool:
    """Whether a folded word names a split, a metric or an epoch, or says nothing."""
    return word in _SPLIT_OF or word in _METRIC_OF or word in _FILLER or word in _EPOCH


def assumed_split(metric: str, named: Collection[tuple[Split | None, str]]) -> Split:
    """Return the split of a metric whose label names none.

    It is the training set, unless `named`, what stands beside it, tells the training set from
    another one, and this metric has no other value: then it is the other one (the ``accuracy``
    beside ``train_loss`` and ``valid_loss``).
    """
    others: list[Split] = [split for split, _ in named if split and split != "train"]
    elsewhere = any(split and split != "train" and other == metric for split, other in named)
    told_apart = others and any(split == "train" for split, _ in named)
    return others[0] if told_apart and not elsewhere else "train"


def split_in(text: str) -> Split | None:
    """Return the split that `text` names last, if it names any."""
    splits = [_SPLIT_OF[word] for word in label_words(text) if word in _SPLIT_OF]
    return splits[-1] if splits else None


def column_name(text: str) -> str:
    """Return the normal name of a column: ``epoch``, ``train_loss``, ``accuracy``, or its words."""
    words = label_words(text)
    if words and words[0] in _EPOCH and all(w in _EPOCH or w in _FILLER for w in words):
        return "epoch"
    label = read_label(text)
    if label is not None and label.metric is not None:
        return f"{label.split}_{label.metric}" if label.split else label.metric
    return "_".join(words)


def percent_notation(
    values: Iterable[float], *, signed: bool
) -> tuple[int, Literal["", "percent-without-sign", "percent-sign-on-fraction"]]:
    """Return what accuracies are divided by to be fractions, and what is assumed for it.

    Values with a percent sign are percents, unless none is above 1: people who print "0.85%"
    mean 85 %. Values without one are fractions, unless some is above 1.
    """
    top = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if top <= 1:
        return 1, "percent-sign-on-fraction" if signed else ""
    return 100, "" if signed else "percent-without-sign"


def as_fraction(value: float, divisor: int) -> float:
    """Return ``value / divisor`` as short as it was written: 85.1 % is 0.851."""
    return round(value / divisor, 12) if divisor != 1 else value
