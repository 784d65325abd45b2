"""The lines that training loops print: which epoch, which split, which metric, which value.

A :class:`Reader` is fed line after line. It knows epochs that stand in the line itself
(``Epoch 15/15.. Training loss: 0.491``), epochs that head the lines below them (Keras, PyTorch's
tutorials), progress bars that overwrite themselves, dictionaries, lists of values, Persian
labels, and several runs after one another or side by side.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from grader.checks.labels import (
    HIGHER_IS_BETTER,
    Label,
    Split,
    assumed_split,
    is_known_word,
    label_words,
    read_label,
    section_split,
    split_in,
)
from grader.checks.script import latin_digits

MAX_LINE = 1500
MAX_LINES = 100_000

Key = tuple[Split, str]


# --- one line -------------------------------------------------------------------------------------


class Measure(msgspec.Struct, frozen=True):
    """One value, or a printed list of values, with what its label said."""

    label: Label
    values: tuple[float, ...]
    percent: bool


class Line(msgspec.Struct, frozen=True):
    """What one line says.

    Attributes
    ----------
    epoch, total
        The epoch that the line names, and out of how many.
    step, steps
        A count that is no epoch: of batches, iterations, or a bare ``[12/20]``.
    bare
        Whether the count had no word: it is the epoch where nothing else is.
    progress
        Whether the line draws a progress bar.
    prefix
        What stands before the epoch, and names the run: ``[MobileNet] Epoch 3``.
    """

    text: str
    measures: tuple[Measure, ...]
    epoch: float | None = None
    total: int | None = None
    step: float | None = None
    steps: int | None = None
    bare: bool = False
    progress: bool = False
    prefix: str = ""


_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_OVERWRITTEN = re.compile(r"[\r\x08]+")
_LETTERS = str.maketrans(
    {"ي": "ی", "ى": "ی", "ك": "ک", "\u200c": " ", "٫": ".", "٪": "%", "−": "-"}
)
_MARKS = re.compile("[\u200d-\u200f\u202a-\u202e\u2066-\u2069\ufeff\u064b-\u0652]")
_WRAPPER = re.compile(r"\b(?:np\.|numpy\.|torch\.)?(?:float(?:16|32|64)|tensor|array)\(")
_TIME_STAMP = re.compile(r"\d{4}[-/]\d\d?[-/]\d\d?[ T]+\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?")
_EPOCH = re.compile(
    r"(?<!\w)(epochs?|ep|ایپاک|ایپوک|اپاک|اپوک|دوره)(?: ?ی)?[^\w\n]{0,6}(\d{1,6}(?:\.\d+)?)(?![\w.]*\d)"
    r"(?:\s{0,3}(?:/|of|از|out of)\s{0,3}(\d{1,6}))?",
    re.IGNORECASE,
)
_STEP = re.compile(
    r"(?<!\w)(?:step|iter|iteration|it|batch|گام|تکرار|مرحله)[^\w\n]{0,4}(\d{1,9})(?![\w.]*\d)"
    r"(?:\s{0,3}(?:/|of|از)\s{0,3}(\d{1,9}))?",
    re.IGNORECASE,
)
_COUNT = re.compile(r"^\s*[\[(]?\s*(\d{1,9})\s{0,3}/\s{0,3}(\d{1,9})(?![\d.])\s*[\])]?")
_LONE_COUNT = re.compile(r"^\s*(?:[\[(#]\s*(\d{1,6})\s*[\])]?|(\d{1,6})\s*:)(?=[\s:,\-|])")
_PROGRESS = re.compile(r"\d%\||it/s|s/it|/step|\[[=>.]{5,}|[━█▏▎▍▌▋▊▉]")
_TOP = re.compile(r"\btop[- ](\d)\b", re.IGNORECASE)
_SUMMARY = re.compile(r"train_runtime|total_flos")
_DIGITS = r"(?:\d{1,30}(?:\.\d{1,30})?|\.\d{1,30})(?:[eE][-+]?\d{1,3})?"
_NUMBER = re.compile(
    rf"(?<![\w.@])([-+]?(?:0,\d{{2,30}}|{_DIGITS}|nan|inf))(?![\w]|\.\d)(?:\s?/\s?(\d{{1,12}})(?![\w.]))?"
    r"(\)?\s?(?:%|percent|درصد))?",
    re.IGNORECASE,
)
_LIST = re.compile(r"\[((?:[-+\s,).%]|\d|[eE][-+]|nan|inf){3,})\]")


def lines_of(text: str) -> Iterator[tuple[str, bool]]:
    """Return the lines of a terminal's output, and of each whether another overwrote it.

    Carriage returns and runs of backspaces begin a line over the one before. Of the states of
    one progress bar only the last is returned.
    """
    count = 0
    for line in _ANSI.sub("", text).split("\n"):
        parts = [part[-MAX_LINE:] for part in _OVERWRITTEN.split(line) if part.strip()]
        places = [_place(part) for part in parts]
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            if last or places[number] != places[number + 1]:
                yield part, not last
                count += 1
        if count >= MAX_LINES:
            return


def _place(part: str) -> tuple[str, ...]:
    """Return what tells one state of a terminal line from the next that matters: its epoch."""
    if epoch := _EPOCH.search(part):
        return ("epoch", epoch[2])
    return ("bar",) if _PROGRESS.search(part) else ("text", part)


def read_line(line: str) -> Line:
    """Read one line."""
    text = _plain(line)
    epoch = _EPOCH.search(text)
    prefix, split = "", None
    if epoch:
        prefix, split = _prefix(text[: epoch.start()]), split_in(text[: epoch.start()])
        text = _blank(text, epoch)
    step = _STEP.search(text)
    bare = None
    if step:
        text = _blank(text, step)
    elif bare := _COUNT.search(text) or (None if epoch else _LONE_COUNT.search(text)):
        text = _blank(text, bare)
    count = step or bare
    measures = [] if _SUMMARY.search(text) else _measures(text, split)
    if epoch and epoch[1].lower() == "epochs" and not (epoch[3] or measures):
        epoch, prefix = None, ""  # "epochs: 20" is a setting
    return Line(
        text=line.strip(),
        measures=tuple(measures),
        epoch=float(epoch[2]) if epoch else None,
        total=int(epoch[3]) if epoch and epoch[3] else None,
        step=float(next(filter(None, count.groups()))) if count else None,
        steps=int(count[2]) if count and count.re is not _LONE_COUNT and count[2] else None,
        bare=bare is not None,
        progress=_PROGRESS.search(text) is not None,
        prefix=prefix,
    )


def _plain(line: str) -> str:
    text = _MARKS.sub("", latin_digits(line)).translate(_LETTERS)
    return _TOP.sub(r"top\1", _WRAPPER.sub("", _TIME_STAMP.sub(" ", text)))


def _blank(text: str, match: re.Match[str]) -> str:
    """Cut a match out, leaving a sign that no label reaches across."""
    return f"{text[: match.start()]} ; {text[match.end() :]}"


_START_WORDS = frozenset(
    {"start", "starting", "begin", "end", "finished", "info", "debug", "root", "main"}
    | {"شروع", "پایان", "نتایج", "در"}
)
_NUMBERED = {"fold", "run", "seed", "trial", "model", "experiment", "client", "اجرا", "مدل"}
_LETTER_NAME = re.compile("[A-Z]")
_LETTER = re.compile(r"[^\W\d_]")


def _prefix(text: str) -> str:
    """Return the name of a run that stands before the epoch, or ""."""
    if "{" in text or _measures(text, None):
        return ""
    kept: list[str] = []
    for token in text.split():
        token = token.strip("-|:[](){}#*>,.;=/_")
        words = label_words(token)
        said = (
            "=" in token
            or _LETTER_NAME.fullmatch(token)
            or any(not (is_known_word(w) or w in _START_WORDS) for w in words)
        )
        numbered = kept and kept[-1].lower() in _NUMBERED and token[:1].isdigit()
        if numbered or (said and not token[:1].isdigit() and _LETTER.search(token)):
            kept.append(token)
    name = " ".join(kept)
    return name if len(name) <= 60 else ""


def _measures(text: str, split: Split | None) -> list[Measure]:
    """Return the values in a line; a label that lacks a word takes it from those before it.

    `split` is the one that stands before the epoch ("Train Epoch: 3 …").
    """
    found = _printed_lists(text)
    text = _LIST.sub(_without_list, text)
    inherited: list[int] = []
    metric: str | None = None
    before = 0
    for number in _NUMBER.finditer(text):
        written = text[before : number.start()]
        if _LETTER.search(written.rpartition(";")[2]):  # else "loss after epoch 3: 0.5"
            written = written.rpartition(";")[2]
        value, percent = _value(number[1]), bool(number[3]) or "%" in written
        label = read_label(written)
        if label is not None and label.metric is None and metric:
            label = Label(label.split, metric)
        if label is not None and label.metric in HIGHER_IS_BETTER:
            if number[2] and int(number[2]) > 0:
                value, percent = value / int(number[2]), False
            if value > 100:  # "accuracy on the 10000 test images: 54 %"
                continue
        before = number.end()
        if label is None or (label.split and not label.joined):
            split = label.split if label else split
        if label is None or label.metric is None:
            continue
        metric = label.metric
        if label.split is None and split is not None:
            inherited.append(len(found))
            label = Label(split, metric)
        found.append((label, (value,), percent))
    own = {(x.split, x.metric) for i, (x, _, _) in enumerate(found) if i not in inherited}
    for place in inherited:
        label, values, percent = found[place]
        if (label.split, label.metric) in own:
            found[place] = (Label(None, label.metric), values, percent)
    return [Measure(*measure) for measure in found]


def _without_list(part: re.Match[str]) -> str:
    return " ; " if len(_NUMBER.findall(part[1])) > 1 else part[0]


def _printed_lists(text: str) -> list[tuple[Label, tuple[float, ...], bool]]:
    """Return the lists of values in a line: ``'loss': [0.5, 0.4]``."""
    found = []
    end = 0
    for part in _LIST.finditer(text):
        numbers = _NUMBER.findall(part[1])
        label = read_label(text[end : part.start()])
        end = part.end()
        if label and label.metric and len(numbers) > 1:
            found.append((label, tuple(_value(n) for n, _, _ in numbers), "%" in part[1]))
    return found


def _value(number: str) -> float:
    return float(number.replace(",", "."))


# --- many lines -----------------------------------------------------------------------------------


class Point(msgspec.Struct, frozen=True):
    """One value of a curve, with the line in which it stands."""

    value: float
    percent: bool
    line: str


class Run:
    """The values of one training run, by split and metric, then by epoch.

    Attributes
    ----------
    name, heading
        What stands before its epochs, and the line above the first; "" where there is none.
    parent
        The run after which this one, an evaluation or a printed list, stands and belongs to.
    flags
        What had to be assumed for a curve: ``split-assumed``, ``steps`` (counted in batches or
        iterations), ``epochs-counted`` (no epoch was printed, the lines were counted).
    """

    def __init__(self, name: str = "", heading: str = "", parent: Run | None = None) -> None:
        self.name = name
        self.heading = heading
        self.parent = parent
        self.points: dict[Key, dict[float, Point]] = {}
        self.flags: dict[Key, set[str]] = {}
        self.epoch: float | None = None
        self.total: int | None = None
        self.steps: int | None = None
        self.inline: set[Key] = set()
        self.by_count = False

    def record(self, key: Key, epoch: float, point: Point, *flags: str) -> None:
        """Keep a value; the last of an epoch counts."""
        self.points.setdefault(key, {})[epoch] = point
        self.flags.setdefault(key, set()).update(flags)

    def count(self, key: Key, point: Point, *flags: str) -> None:
        """Keep a value for which no epoch was printed as the next one."""
        self.record(key, len(self.points.get(key, ())) + 1.0, point, "epochs-counted", *flags)


_NAMES_A_RUN = re.compile(
    r"model|\brun\b|\blr\b|learning.?rate|optimi[sz]er|\bfold\b|\bseed\b|experiment|baseline|training|"
    r"fine.?tun|\bsgd\b|\badam|momentum|net\b|net[-_ ]?v?\d|dropout|\bl[12]\b|augment|"
    r"مدل|اجرا|نرخ|بهینه|آموزش|شبکه",
    re.IGNORECASE,
)


class Reader:
    """Reads the lines of a log, one after another, into runs."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self._named: dict[str, Run] = {}  # the latest run of each prefix
        self._last: Run | None = None  # the run whose epoch the next line belongs to
        self._counted: Run | None = None
        self._listed: Run | None = None
        self._section: Split | None = None
        self._heading = ""
        self._at_heading = False

    def feed(self, text: str, overwritten: bool = False) -> None:
        """Read one line; `overwritten` tells that the terminal showed another in its place."""
        line = read_line(text)
        lists = [m for m in line.measures if len(m.values) > 1]
        if lists:
            self._read_lists(lists, line)
        elif line.epoch is not None and (line.measures or not line.prefix):
            self._read_epoch(line, line.epoch, line.total)
        elif line.measures:
            self._read_values(line, overwritten)
        elif split := section_split(line.text):
            self._section = split
        elif not line.progress and _LETTER.search(line.text):
            self._heading, self._at_heading = line.text.strip(" -=*#_:>")[:80], True

    def _start(self, name: str = "", parent: Run | None = None) -> Run:
        run = Run(name, self._heading if self._at_heading else "", parent)
        self.runs.append(run)
        return run

    def _keys(self, line: Line, default: Split | None = None) -> list[tuple[Key, Point, str]]:
        """Return the values of a line by split and metric, and a flag where the split is assumed."""
        named = [(m.label.split, m.label.metric or "") for m in line.measures]
        found = []
        for measure in line.measures:
            metric = measure.label.metric or ""
            split = measure.label.split or self._section
            sure = split is not None
            split = split or default or assumed_split(metric, named)
            point = Point(measure.values[-1], measure.percent, line.text)
            found.append(((split, metric), point, "" if sure else "split-assumed"))
        return found

    def _read_epoch(self, line: Line, epoch: float, total: int | None) -> None:
        run = self._named.get(line.prefix)
        if run is None or self._restarts(run, line, epoch, total):
            run = self._named[line.prefix] = self._start(line.prefix)
        if run.epoch != epoch:
            run.epoch, run.inline, self._section = epoch, set(), None
        run.total = total or run.total
        run.by_count = line.epoch is None
        steps = "steps" if run.by_count and not line.bare else ""
        for key, point, flag in self._keys(line):
            run.record(key, epoch, point, *filter(None, (flag, steps)))
            run.inline.add(key)
        self._last, self._counted, self._at_heading = run, None, False

    def _restarts(self, run: Run, line: Line, epoch: float, total: int | None) -> bool:
        """Whether a line that names an epoch begins another run."""
        if run.epoch is None or epoch > run.epoch:
            return False
        if epoch < run.epoch or (total and run.total and total != run.total):
            return True
        if not line.measures:
            return total == 1 and bool(run.points) and not line.progress
        again = any(key in run.inline for key, _, _ in self._keys(line))
        return again and self._at_heading and bool(_NAMES_A_RUN.search(self._heading))

    def _read_values(self, line: Line, overwritten: bool) -> None:
        """Read values on a line that names no epoch."""
        run = self._last
        if run is not None and run.by_count and line.step is not None and not line.progress:
            self._read_epoch(line, line.step, line.steps)
        elif run is not None and run.epoch is not None:
            keys = self._keys(line)
            other_data = line.bare and line.steps and run.steps and line.steps != run.steps
            if not other_data and (overwritten or not any(key in run.inline for key, _, _ in keys)):
                if line.bare and line.steps and run.steps is None:
                    run.steps = line.steps
                for key, point, flag in keys:
                    run.record(key, run.epoch, point, *filter(None, (flag,)))
                return
            self._count(line, "test")
        elif line.step is not None and not (line.bare and line.progress):
            self._read_epoch(line, line.step, line.steps)
        elif not overwritten:
            self._count(line, "test" if line.progress else None)

    def _count(self, line: Line, default: Split | None) -> None:
        """Count a line as the next epoch of a run that prints none, or as an evaluation."""
        keys = self._keys(line, default)
        run = self._counted
        headed = self._at_heading and _NAMES_A_RUN.search(self._heading)
        if run is None or (headed and any(key in run.points for key, _, _ in keys)):
            run = self._counted = self._start(parent=self._last)
        for key, point, flag in keys:
            run.count(key, point, *filter(None, (flag,)))
        self._at_heading = False

    def _read_lists(self, lists: Sequence[Measure], line: Line) -> None:
        named = [(m.label.split, m.label.metric or "") for m in lists]
        for measure in lists:
            metric = measure.label.metric or ""
            sure = measure.label.split is not None
            key = (measure.label.split or assumed_split(metric, named), metric)
            if self._listed is None or key in self._listed.points:
                self._listed = self._start(parent=self._last)
            for value in measure.values:
                point = Point(value, measure.percent, line.text)
                self._listed.count(key, point, *(() if sure else ("split-assumed",)))
        self._at_heading = False
