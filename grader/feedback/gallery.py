"""A card that has everything: each verdict and each kind of evidence on one page.

Designers look at it and snapshot tests render it; nothing is ever graded with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from grader.feedback.card import Occasion
from grader.feedback.gallery_notebook import CELLS
from grader.feedback.html import render_card
from grader.report import (
    CheckResult,
    Criterion,
    Notice,
    PartResult,
    Provenance,
    QuestionResult,
    Report,
    Score,
    Seconds,
    Text,
    Verdict,
)


def render_gallery(
    languages: Sequence[str] = ("fa", "en"), *, templates: Path | None = None
) -> str:
    """Return the gallery card as one HTML file, with a course's own `templates` where there are some."""
    occasion = msgspec.structs.replace(OCCASION, templates=templates)
    return render_card(specimen(), languages=languages, occasion=occasion)


OCCASION = Occasion(
    course={"fa": "یادگیری عمیق", "en": "Deep Learning"},
    due=datetime(2024, 12, 31, 20, 29, tzinfo=UTC),
    handed_in=datetime(2025, 1, 1, 9, 12, tzinfo=UTC),
    graded=datetime(2025, 1, 4, 6, 30, tzinfo=UTC),
)


def text(fa: str, en: str) -> Text:
    """Return a sentence in both languages."""
    return {"fa": fa, "en": en}


def shown(values: Any, dtype: str | None = "float64") -> dict[str, Any]:
    """Return a scalar, vector or matrix as the evidence shows a value."""
    if not isinstance(values, list):
        return {"text": str(values), "shape": [], "dtype": dtype, "values": values}
    rows = values if isinstance(values[0], list) else [values]
    lines = ["[" + " ".join(f"{value:g}" for value in row) + "]" for row in rows]
    shape = [len(values), len(values[0])] if isinstance(values[0], list) else [len(values)]
    body = "[" + "\n ".join(lines) + "]" if len(shape) == 2 else lines[0]
    return {"text": body, "shape": shape, "dtype": dtype, "values": values}


def compared(answered: list[list[float]], expected: list[list[float]]) -> dict[str, Any]:
    """Return answer, expected value and their difference as evidence."""
    places = [
        ([i, j], a, e, abs(a - e))
        for i, (row, right) in enumerate(zip(answered, expected, strict=True))
        for j, (a, e) in enumerate(zip(row, right, strict=True))
    ]
    wrong = [place for place in places if place[3] > 1e-6]
    worst = max(places, key=lambda place: place[3])
    as_place = [
        {"index": index, "answered": a, "expected": e} for index, a, e, _ in (wrong[0], worst)
    ]
    size = len(expected[0])
    return {
        "answered": shown(answered),
        "expected": shown(expected),
        "difference": {
            "max_abs": worst[3],
            "max_rel": max(d / abs(e) for _, _, e, d in places if e),
            "wrong": len(wrong),
            "total": len(places),
            "first": as_place[0],
            "worst": as_place[1],
            "heatmap": [
                [place[3] for place in places[i : i + size]] for i in range(0, len(places), size)
            ],
            "atol": 1e-6,
            "rtol": 1e-6,
        },
    }


def check(
    name: str,
    verdict: Verdict,
    points: float,
    max_points: float,
    title: Text,
    message: Text,
    **more: Any,
) -> CheckResult:
    """Return one check."""
    return CheckResult(
        id=name,
        verdict=verdict,
        points=points,
        max_points=max_points,
        hidden=more.pop("hidden", False),
        title=title,
        message=message,
        **more,
    )


def part(
    name: str,
    title: Text,
    checks: list[CheckResult],
    verdict: Verdict | None = None,
    **more: Any,
) -> PartResult:
    """Return one part graded by machine; its points are those of its checks."""
    return PartResult(
        id=name,
        title=title,
        kind=more.pop("kind", "auto"),
        points=sum(c.points for c in checks),
        max_points=sum(c.max_points for c in checks),
        pending=more.pop("pending", 0),
        verdict=verdict or checks[0].verdict,
        checks=checks,
        **more,
    )


def question(
    name: str, label: Text, title: Text, parts: list[PartResult], *, bonus: bool = False
) -> QuestionResult:
    """Return one question; its points are those of its parts."""
    return QuestionResult(
        id=name,
        label=label,
        title=title,
        bonus=bonus,
        points=sum(p.points for p in parts),
        max_points=sum(p.max_points for p in parts),
        pending=sum(p.pending for p in parts),
        parts=parts,
    )


def specimen() -> Report:
    """Return a report with every verdict and every kind of evidence."""
    questions = [
        _values(), _shapes_and_choices(), _own_code(), _network(), _training(), _prose(), _extra(),
    ]  # fmt: skip
    ordinary = [q for q in questions if not q.bonus]
    points, bonus, penalty = (
        sum(q.points for q in ordinary),
        sum(q.points for q in questions if q.bonus),
        4.5,
    )
    return Report(
        assignment="gallery",
        title=text("شبکه‌های کانولوشنی", "Convolutional networks"),
        student="401105234",
        notebook="convnets (1).ipynb",
        score=Score(
            points=points,
            max_points=sum(q.max_points for q in ordinary),
            bonus=bonus,
            pending=sum(q.pending for q in ordinary),
            penalty=penalty,
            final=points + bonus - penalty,
        ),
        questions=questions,
        cells=CELLS,
        warnings=[
            Notice(
                id="chosen",
                text=text(
                    "در این تحویل دو نوت‌بوک بود؛ `convnets (1).ipynb` تصحیح شد، چون نامش به نام تکلیف نزدیک‌تر است.",
                    "There were two notebooks in this hand-in; `convnets (1).ipynb` was graded, as its "
                    "name is nearer to the assignment’s.",
                ),
            ),
            Notice(
                id="replaced-drive",
                text=text(
                    "اتصال به Google Drive اینجا ممکن نیست؛ خانه بی‌آنکه به بقیه آسیبی برساند کنار گذاشته شد.",
                    "Google Drive cannot be reached here; the cell was set aside without harm to the rest.",
                ),
                cell=1,
            ),
        ],
        provenance=Provenance(
            versions={"karnameh": "0.1.0", "python": "3.11.9", "numpy": "2.3.1", "torch": "2.13.0"},
            seeds={"assignment": 20241231, "student": 88172645},
            limits={"cell_seconds": 30, "submission_seconds": 300, "memory_mb": 2048},
            hashes={
                "notebook": "sha256:9f2c1c5b0c2f4f7d8a1e6b35d0c4a7f29e10d8b6",
                "checks": "sha256:41d07aa5b1ce9f60cc83e2f7b9912d5e63aa7c04",
            },
            kernel="forked",
            cage=["bubblewrap", "namespaces", "landlock", "seccomp", "rlimits"],
        ),
        seconds=Seconds(run=3.42, judge=1.18, total=4.73),
    )


def _values() -> QuestionResult:
    right: list[list[float]] = [[-2.0, 0.0, 2.0], [0.0, 3.0, -2.0], [2.0, -1.0, 0.0]]
    flipped = [row[::-1] for row in right[::-1]]
    back: list[list[float]] = [[1.0, -2, 1, 0], [-1, 3, -3, 1], [-1, 0, 3, -2], [1, -1, -1, 1]]
    unrotated: list[list[float]] = [[1.0, -2, 1, 0], [-1, 2, -1, 0], [0, 1, -3, 2], [0, -1, 2, -1]]
    weights = check(
        "test_gradient_with_respect_to_the_weights", "partial", 1.6, 4,
        text("گرادیان زیان نسبت به وزن‌های فیلتر", "The gradient of the loss with respect to the filter’s weights"),
        text(
            "`dW` همهٔ عددهای درست را دارد، اما ۱۸۰ درجه چرخیده است: به نظر می‌رسد `dY` پیش از حرکت روی `X` وارونه شده باشد. در لایهٔ کانولوشن پیش‌رو هم‌بستگی متقابل است؛ گرادیان وزن‌ها هم همین‌طور.",
            "`dW` has all the right numbers, turned by 180 degrees: it looks as if `dY` was flipped before it slid over `X`. The forward pass is a cross-correlation; so is the gradient of the weights.",
        ),
        hint=text(
            "$\\frac{\\partial L}{\\partial W_{ij}} = \\sum_{m,n} X_{i+m,\\,j+n}\\,\\frac{\\partial L}{\\partial Y_{mn}}$ را برای یک درایه با دست بنویسید و با `dW[0, 0]` بسنجید.",
            "Write $\\frac{\\partial L}{\\partial W_{ij}} = \\sum_{m,n} X_{i+m,\\,j+n}\\,\\frac{\\partial L}{\\partial Y_{mn}}$ out for one entry and compare it with `dW[0, 0]`.",
        ),
        misconception="flipped", found_by="alias:grad_W", cell=4,
        evidence={"kind": "values", "asked": "conv2d_weight_gradient(X, dY)",
                  "inputs": {"X": shown([[1.0, 2, 1, 0], [2, 1, 0, 1], [1, 0, 2, 1], [0, 1, 2, 1]]),
                             "dY": shown([[1.0, -1], [-1, 1]])}, **compared(flipped, right)},
    )  # fmt: skip
    hidden = check(
        "test_other_sizes[7x5]", "failed", 0, 1,
        text("همان تابع روی ورودی‌های دیگر", "The same function on other inputs"),
        text("روی ورودی‌هایی با اندازهٔ دیگر نیز همان اختلاف دیده می‌شود.", "The same difference shows on inputs of other sizes."),
        hidden=True, found_by="call:conv2d_weight_gradient", cell=4,
        evidence={"kind": "values", "asked": "conv2d_weight_gradient(X, dY)",
                  "answered": shown([[0.31, -1.27, 0.04], [2.2, 0.18, -0.9]]),
                  "difference": {"max_abs": 3.47, "max_rel": 2.1, "wrong": 6, "total": 6, "atol": 1e-6, "rtol": 1e-6}},
    )  # fmt: skip
    inputs = check(
        "test_gradient_with_respect_to_the_input", "failed", 0, 5,
        text("گرادیان زیان نسبت به ورودی", "The gradient of the loss with respect to the input"),
        text(
            "شکل `dX` درست است، ولی ۹ درایه از ۱۶ درایه فرق دارد. این همان نتیجه‌ای است که با فیلترِ نچرخیده به دست می‌آید.",
            "`dX` has the right shape, but 9 of its 16 entries differ. This is what comes of a filter that was not rotated.",
        ),
        hint=text("کانولوشن کامل با فیلترِ ۱۸۰ درجه چرخیده را با آنچه نوشته‌اید بسنجید.", "Compare what you wrote with a full convolution by the filter rotated by 180 degrees."),
        misconception="not-rotated", found_by="name", cell=5,
        evidence={"kind": "values", "asked": "dX", **compared(unrotated, back)},
    )  # fmt: skip
    large = [
        [abs(math.sin(i / 3) * math.cos(j / 4)) if i > 8 else 0.0 for j in range(32)]
        for i in range(24)
    ]
    features = check(
        "test_feature_map", "failed", 0, 2,
        text("نقشهٔ ویژگی یک تصویر ۲۴ در ۳۲", "The feature map of a 24 by 32 picture"),
        text("تا سطر نهم همه چیز درست است؛ از آنجا به بعد خروجی فرق می‌کند.", "All is right up to the ninth row; from there on the output differs."),
        found_by="name", cell=5,
        evidence={"kind": "values", "asked": "feature_map(image, W, padding=1)",
                  "answered": {"text": "[[ 0.12  0.40 ...  0.07]\n ...\n [ 0.91  nan ... -0.55]]", "shape": [24, 32], "dtype": "float32", "values": None},
                  "expected": {"text": "[[ 0.12  0.40 ...  0.07]\n ...\n [ 0.22  0.18 ... -0.31]]", "shape": [24, 32], "dtype": "float64", "values": None},
                  "difference": {"max_abs": 0.9989, "max_rel": 12.4, "wrong": 470, "total": 768,
                                 "first": {"index": [9, 0], "answered": 0.141, "expected": 0.0},
                                 "worst": {"index": [14, 0], "answered": 1.0, "expected": 0.0011}, "heatmap": large, "atol": 1e-5, "rtol": 1e-5}},
    )  # fmt: skip
    return question(
        "conv-gradients", text("نظری ۲", "Theory 2"), text("گرادیان کانولوشن با دست", "Convolution gradients by hand"),
        [
            part("weights", text("گرادیان وزن‌ها", "Gradient of the weights"), [weights, hidden]),
            part("input", text("گرادیان ورودی", "Gradient of the input"), [inputs]),
            part("features", text("نقشهٔ ویژگی", "Feature map"), [features]),
        ],
    )  # fmt: skip


def _shapes_and_choices() -> QuestionResult:
    shape = check(
        "test_hidden_state", "failed", 0, 3,
        text("شکل حالت‌های پنهان برای یک دستهٔ جمله", "The shape of the hidden states of a batch of sentences"),
        text("انتظار می‌رفت محور نخست گام‌های زمانی باشد؛ در پاسخ شما دو محور نخست جابه‌جا شده است.", "The first axis should be the time steps; in your answer the first two axes have changed places."),
        hint=text("پیش‌فرض `nn.RNN` برای `batch_first` چیست؟", "What is the default of `batch_first` in `nn.RNN`?"),
        found_by="name", cell=6,
        evidence={"kind": "shape", "asked": "hidden_states(batch).shape",
                  "answered": {"text": "(8, 12, 64)", "shape": [8, 12, 64], "dtype": "float32", "values": None},
                  "expected": {"text": "(12, 8, 64)", "shape": [12, 8, 64], "dtype": "float32", "values": None}},
    )  # fmt: skip
    choice = check(
        "test_where_softmax_is_called", "passed", 3, 3,
        text("softmax هنگام آزمون چند بار و روی چند کلاس فراخوانی می‌شود؟", "How often, and over how many classes, is softmax called at test time?"),
        text("درست است: یک بار و روی ۵ کلاس.", "Right: once, over 5 classes."),
        found_by="output:6", cell=6,
        evidence={"kind": "choice", "asked": "softmax_calls", "answered": shown(1, "int"), "expected": shown(1, "int"),
                  "notes": [text("عدد را از روی خروجی «۱ بار» خواندیم.", "The number was read from the output “۱ بار”.")]},
    )  # fmt: skip
    missing = check(
        "test_input_at_step_t", "missing", 0, 4,
        text("ورودی شبکه در گام t", "The input of the network at step t"),
        text("`inputs_at_step` هنوز `None` است؛ پاسخی برای تصحیح پیدا نشد.", "`inputs_at_step` is still `None`; there was no answer to grade."),
        hint=text("در هر گام دو چیز وارد سلول RNN می‌شود.", "At each step two things go into the RNN cell."),
        cell=6, evidence={"kind": "choice", "asked": "inputs_at_step"},
    )  # fmt: skip
    return question(
        "rnn", text("نظری ۳", "Theory 3"), text("شبکهٔ بازگشتی برای تحلیل احساس", "A recurrent network for sentiment"),
        [
            part("softmax", text("تعداد softmax", "How many softmaxes"), [choice]),
            part("shapes", text("شکل تنسورها", "Shapes of the tensors"), [shape]),
            part("inputs", text("ورودی هر گام", "Inputs of each step"), [missing]),
        ],
    )  # fmt: skip


def _own_code() -> QuestionResult:
    frames = [
        {"cell": 8, "line": 2, "source": "    Z = pad_and_convolve(X, K)", "function": "residual_block"},
        {"cell": 7, "line": 6, "source": "        out[i, j] = (padded[i:i+3, j:j+3] * K).sum()", "function": "pad_and_convolve"},
    ]  # fmt: skip
    raised = check(
        "test_residual_forward", "failed", 0, 4,
        text("خروجی بلوک باقی‌مانده روی تصویر داده‌شده", "The output of the residual block on the given picture"),
        text("تابع `pad_and_convolve` با ورودی ۵×۵ خطا داد: `padded` به اندازهٔ `X` است، پس پنجره از آن بیرون می‌زند.", "`pad_and_convolve` raised on a 5×5 input: `padded` is no larger than `X`, so the window runs past its edge."),
        hint=text("اندازهٔ `padded` پس از `np.pad` باید ۷×۷ باشد.", "After `np.pad`, `padded` should be 7×7."),
        found_by="name", cell=7,
        evidence={"kind": "exception", "asked": "residual_block(image, K)",
                  "exception": {"type": "ValueError", "message": "operands could not be broadcast together with shapes (3,2) (3,3)", "frames": frames}},
    )  # fmt: skip
    late = check(
        "test_pooling_is_fast_enough", "failed", 0, 2,
        text("ادغام بیشینه روی تصویر بزرگ", "Max pooling on a large picture"),
        text("پس از ۱۰ ثانیه هنوز پاسخی نیامده بود. احتمالاً حلقه‌ای تمام نمی‌شود.", "There was no answer after 10 seconds. A loop probably never ends."),
        found_by="name", cell=8, evidence={"kind": "timeout", "asked": "max_pool(image, size=2, stride=2)"},
    )  # fmt: skip
    through = check(
        "test_global_average", "passed", 4, 4,
        text("میانگین سراسری پس از ادغام", "The global average after pooling"),
        text("با توجه به خروجی خودتان در گام قبل، درست است.", "Given your own output of the step before, this is right."),
        found_by="follow-through", cell=8,
        evidence={"kind": "values", "asked": "global_average(pooled)", "answered": shown(261.25), "expected": shown(265.75), "follow_through": True},
    )  # fmt: skip
    fault = check(
        "test_picture_of_each_stage", "error", 0, 2,
        text("تصویر هر مرحله", "A picture of each stage"),
        text("بررسی ما هنگام خواندن تصویر از کار افتاد. این خطا از ماست؛ امتیازی کم نشد.", "Our check broke down while reading the picture. That is our fault; nothing was taken off."),
        evidence={},
    )  # fmt: skip
    same = text("بلوک باقی‌مانده", "Residual block")
    return question(
        "residual", text("عملی ۱", "Practical 1"), text("گذر پیش‌رو از یک بلوک باقی‌مانده", "Forward through a residual block"),
        [
            part("block", same, [raised]),
            part("pool", text("ادغام بیشینه", "Max pooling"), [late]),
            part("average", text("میانگین سراسری", "Global average"), [through]),
            part("pictures", text("تصویر مرحله‌ها", "Pictures of the stages"), [fault], kind="recorded"),
        ],
    )  # fmt: skip


def _network() -> QuestionResult:
    def layer(
        path: str,
        kind: str,
        shape: list[int],
        differs: bool = False,
        expected: Any = None,
        **options: Any,
    ) -> dict[str, Any]:
        return {"path": path, "type": kind, "options": options, "input_shape": None, "output_shape": shape, "expected": expected, "differs": differs}  # fmt: skip

    layers = [
        layer("features.0.0", "Conv2d", [2, 32, 16, 16], in_channels=3, out_channels=32, kernel_size=3, stride=2, padding=1, bias=False),
        layer("features.0.1", "BatchNorm2d", [2, 32, 16, 16], num_features=32),
        layer("features.0.2", "ReLU6", [2, 32, 16, 16], inplace=True),
        layer("features.1.dw", "Conv2d", [2, 32, 16, 16], True,
              {"type": "Conv2d", "options": {"groups": 32}, "output_shape": [2, 32, 16, 16]},
              in_channels=32, out_channels=32, kernel_size=3, stride=1, padding=1, groups=1, bias=False),
        layer("features.1.bn", "BatchNorm2d", [2, 32, 16, 16], num_features=32),
        layer("features.1.pw", "Conv2d", [2, 64, 16, 16], in_channels=32, out_channels=64, kernel_size=1, bias=False),
        layer("features.1.act", "ReLU6", [2, 64, 16, 16], True, {"type": "Identity", "options": {}, "output_shape": [2, 64, 16, 16]}),
        layer("classifier", "Linear", [2, 10], in_features=1024, out_features=10),
    ]  # fmt: skip
    structure = check(
        "test_depthwise_layers", "failed", 0, 6,
        text("ساختار بلوک‌های تفکیک‌پذیر در عمق", "The structure of the depthwise separable blocks"),
        text("کانولوشن `features.1.dw` همهٔ کانال‌ها را با هم می‌آمیزد: `groups` برابر ۱ است و باید با شمار کانال‌ها برابر باشد.", "The convolution `features.1.dw` mixes all channels: `groups` is 1, and should equal the number of channels."),
        hint=text("در کانولوشن عمقی هر فیلتر فقط یک کانال را می‌بیند.", "In a depthwise convolution each filter sees one channel only."),
        misconception="not-depthwise", found_by="alias:MobileNet", cell=10,
        evidence={"kind": "module", "asked": "MobileNetV1(num_classes=10)", "layers": layers},
    )  # fmt: skip
    count = check(
        "test_parameter_count", "failed", 0, 3,
        text("شمار پارامترهای مدل با ۱۰۰۰ کلاس", "The number of parameters with 1000 classes"),
        text("مدل شما ۱۸٬۳۴۲٬۶۳۲ پارامتر دارد و ۴٬۲۳۱٬۹۷۶ پارامتر انتظار می‌رفت؛ یعنی بیش از چهار برابر.", "Your model has 18,342,632 parameters, and 4,231,976 were expected: more than four times as many."),
        cell=10, evidence={"kind": "values", "asked": "parameter_count(MobileNetV1(1000))", "answered": shown(18342632, "int"), "expected": shown(4231976, "int"),
                           "difference": {"max_abs": 14110656, "max_rel": 3.334, "wrong": 1, "total": 1}},
    )  # fmt: skip
    return question(
        "mobilenet", text("عملی ۲", "Practical 2"), text("MobileNet نسخهٔ ۱ و ۲", "MobileNet V1 and V2"),
        [
            part("structure", text("ساختار", "Structure"), [structure]),
            part("parameters", text("شمار پارامترها", "Parameter count"), [count]),
        ],
    )  # fmt: skip


def _training() -> QuestionResult:
    epochs = list(range(1, 31))
    curves = [
        {"name": "train loss", "x": epochs, "y": [round(1.9 * math.exp(-e / 9) + 0.12, 4) for e in epochs]},
        {"name": "val loss", "x": epochs, "y": [round(1.7 * math.exp(-e / 7) + 0.45 + max(0, e - 12) * 0.018, 4) if e != 5 else "nan" for e in epochs]},
    ]  # fmt: skip
    recorded = check(
        "test_training_curves", "partial", 3, 5,
        text("منحنی‌های آموزش و اعتبارسنجی", "Training and validation curves"),
        text("زیان آموزش پیوسته کم می‌شود؛ زیان اعتبارسنجی از دور ۱۳ بالا می‌رود، ولی در تحلیل شما «بیش‌برازشی دیده نمی‌شود» آمده است.", "The training loss keeps falling; the validation loss rises from epoch 13 on, yet your analysis says there is no overfitting."),
        cell=11,
        evidence={"kind": "curves", "curves": curves, "claims": [
            {"what": text("بهترین مدل جدول", "The table’s best model"), "claimed": "MobileNetV2", "found": "MobileNetV2", "agrees": True},
            {"what": text("دور آغاز بیش‌برازش", "Epoch where overfitting begins"), "claimed": "none", "found": 13, "agrees": False},
        ]},
    )  # fmt: skip
    return question(
        "training", text("عملی ۳", "Practical 3"), text("آموزش و مقایسه", "Training and comparison"),
        [part("curves", text("منحنی‌ها", "Curves"), [recorded], kind="recorded")],
    )  # fmt: skip


def _prose() -> QuestionResult:
    read = check(
        "test_answer_is_there", "pending", 0, 0,
        text("چرا شبکه‌های ساده با عمق زیاد بدتر می‌شوند؟", "Why do plain networks get worse as they get deeper?"),
        text("پاسخ شما رسیده است و مصحح آن را می‌خواند.", "Your answer has arrived; a person will read it."),
        cell=3,
        evidence={"kind": "text", "answered": {"text": "چون گرادیان در لایه‌های اول **خیلی کوچک** می‌شود (vanishing gradient):\n\n$\\frac{\\partial L}{\\partial W_1} = \\prod_k J_k$\n\n- وزن‌ها دیگر به‌روز نمی‌شوند\n- خطای *آموزش* هم بالا می‌رود", "shape": None, "dtype": None, "values": None}},
    )  # fmt: skip
    waiting = PartResult(
        id="degradation", title=text("افت شبکه‌های عمیق", "Degradation of deep networks"), kind="rubric",
        points=0, max_points=5, pending=5, verdict="pending", checks=[read],
        criteria=[
            Criterion(id="vanishing", text=text("محو شدن گرادیان را توضیح می‌دهد", "Explains vanishing gradients"), max_points=3),
            Criterion(id="not-overfitting", text=text("آن را از بیش‌برازش جدا می‌کند", "Tells it apart from overfitting"), max_points=2),
        ],
    )  # fmt: skip
    marked = PartResult(
        id="init", title=text("مقداردهی آغازین", "Initialisation"), kind="rubric",
        points=4, max_points=5, pending=0, verdict="partial",
        criteria=[
            Criterion(id="symmetry", text=text("شکستن تقارن", "Breaking symmetry"), max_points=2, points=2),
            Criterion(id="he", text=text("چرا He برای ReLU مناسب‌تر است: $\\mathrm{Var}(w) = \\frac{2}{n_{in}}$", "Why He suits ReLU: $\\mathrm{Var}(w) = \\frac{2}{n_{in}}$"), max_points=3, points=2,
                      comment="نصف شدن واریانس با ReLU را هم می‌گفتید کامل می‌شد."),
        ],
    )  # fmt: skip
    return question(
        "depth",
        text("نظری ۱", "Theory 1"),
        text("شبکه‌های عمیق", "Deep networks"),
        [waiting, marked],
    )


def _extra() -> QuestionResult:
    right = check(
        "test_weights_of_the_maps", "passed", 5, 5,
        text("وزن هر نقشهٔ ویژگی، $\\alpha_k$", "The weight of each feature map, $\\alpha_k$"),
        text("درست است؛ روی ورودی‌های دیگر هم.", "Right, on other inputs as well."),
        found_by="value:alphas", cell=11,
        evidence={"kind": "values", "asked": "gradcam_weights(gradients)", "answered": shown([0.25, -0.5, 1.125]), "expected": shown([0.25, -0.5, 1.125])},
    )  # fmt: skip
    odd = check(
        "test_properties", "passed", 2, 2,
        text("ویژگی‌های نقشهٔ گرما", "Properties of the heat map"),
        text("هیچ مقدار منفی ندارد.", "It has no negative value."),
        evidence={"kind": "property", "lowest": 0.0, "asked": "(heatmap >= 0).all()", "answered": shown("True", "bool")},
    )  # fmt: skip
    return question(
        "gradcam", text("نظری ۴", "Theory 4"), text("Grad-CAM", "Grad-CAM"),
        [part("alpha", text("وزن نقشه‌ها", "Weights of the maps"), [right, odd])], bonus=True,
    )  # fmt: skip
