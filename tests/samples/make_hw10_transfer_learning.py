"""Make the sample hand-ins of hw10_transfer_learning, such as a real class produces.

    python tests/samples/make_hw10_transfer_learning.py

writes ``submissions/hw10_transfer_learning``: what each sample is for, and what it should earn,
stands in ``tests/samples/hw10_transfer_learning.toml``. Students and ids are invented.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import hand_ins
import matplotlib as mpl
from hand_ins import (
    PDF,
    ROOT,
    cell_of,
    insert,
    own_notebook,
    picture,
    rewrite,
    stream,
    text_of,
    with_outputs,
    write_samples,
    write_zip,
)
from nbformat import NotebookNode
from nbformat.v4 import new_output

SLUG = "hw10_transfer_learning"
TARGET = ROOT / "submissions" / SLUG
TEXTS = Path(__file__).with_name(SLUG)

PROSE = {
    "scratch/why-low": "دقت اعتبارسنجی ۰٫۱۳ شد چون از هر مدل فقط ۱۲ تصویر داریم و شبکه تصویرها را حفظ می‌کند.",
    "extraction/freezing": "سریع‌تر و کم‌حافظه‌تر است ولی ویژگی‌ها ثابت می‌مانند. آماره‌ها باید با وزن‌ها سازگار بمانند.",
    "svm/comparison": "روی آموزش ۰٫۹۹ و روی آزمون ۰٫۷۳؛ بیش‌برازش در فضای پربُعد. از سر بهتر شد.",
    "tuning/analysis": "چون لایه‌های آخر با دادهٔ تازه سازگار می‌شوند. نرخ کم برای خراب نشدن وزن‌های خوب است.",
    "zeros/pattern": "صفرها پس از ReLU هستند و با عمق زیاد می‌شوند. فقط layer4 کمی عوض شده است.",
}

released = partial(hand_ins.released, SLUG, PROSE)


# ---- outputs -------------------------------------------------------------------------------------


def course_log(rows: Sequence[Sequence[float]]) -> NotebookNode:
    """Lines as PyTorch's tutorial on transfer learning prints them."""
    lines = []
    for epoch, (train_loss, train_acc, val_loss, val_acc) in enumerate(rows):
        lines += [f"Epoch {epoch}/{len(rows) - 1}", "-" * 10]
        lines.append(f"train Loss: {train_loss:.4f} Acc: {train_acc:.4f}")
        lines += [f"val Loss: {val_loss:.4f} Acc: {val_acc:.4f}", ""]
    return stream("\n".join(lines))


def approach(start: Sequence[float], end: Sequence[float], epochs: int) -> NotebookNode:
    """A log whose curves go from `start` to `end`, fast at first."""
    steps = [(epoch / (epochs - 1)) ** 0.7 for epoch in range(epochs)]
    pairs = list(zip(start, end, strict=True))
    return course_log([[a + (b - a) * step for a, b in pairs] for step in steps])


def zero_plot(before: Sequence[float], after: Sequence[float]) -> NotebookNode:
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(4, 2.5))
    axis.plot(before)
    axis.plot(after)
    return picture(figure)


BEFORE = (0.0, 0.0, 38.2, 21.4, 0.0, 0.0, 51.3, 0.0, 0.0, 47.9, 0.0, 62.1)
AFTER = (0.0, 0.0, 38.2, 21.4, 0.0, 0.0, 51.3, 0.0, 0.0, 48.8, 0.0, 66.5)


def frame() -> NotebookNode:
    """The table of zeros as pandas shows it."""
    columns = ("before fine-tuning", "after fine-tuning")
    head = "".join(f"<th>{column}</th>" for column in columns)
    rows = list(enumerate(zip(BEFORE, AFTER, strict=True)))
    body = "".join(f"<tr><th>{i}</th><td>{b}</td><td>{a}</td></tr>" for i, (b, a) in rows)
    html = (
        f'<table border="1" class="dataframe"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    lines = ["    " + "  ".join(columns)] + [f"{i}  {b}  {a}" for i, (b, a) in rows]
    return new_output("display_data", data={"text/plain": "\n".join(lines), "text/html": html})


# ---- samples -------------------------------------------------------------------------------------


def complete() -> NotebookNode:
    return with_outputs(released())


def own_structure() -> NotebookNode:
    """A notebook of the student's own, without tags; the numbers are those of Stanford Cars."""
    saved = {
        "scratch": [approach((5.29, 0.005, 5.27, 0.006), (4.71, 0.043, 4.80, 0.035), 20)],
        "head": [approach((5.21, 0.012, 5.10, 0.021), (4.55, 0.064, 4.48, 0.080), 5)],
        "svm": [stream("SVM train accuracy = 99.8%   test accuracy = 11.0%\n")],
        "tuned": [approach((5.15, 0.016, 4.95, 0.034), (3.42, 0.205, 3.51, 0.196), 5)],
        "zeros": [frame(), zero_plot(BEFORE, AFTER)],
    }
    notebook, kept = own_notebook(TEXTS / "own_structure.percent", saved)
    return with_outputs(notebook, *kept)


def torchvision() -> NotebookNode:
    """CIFAR-10 by torchvision on Colab, with a download key in the notebook; see its outputs."""
    lists = (f"{name}: {list(v)}" for name, v in (("before", BEFORE), ("after", AFTER)))
    saved = {
        "mount": [stream("Mounted at /content/drive\n")],
        "kaggle": [stream("403 - Forbidden\n")],
        "cifar": [stream("Files already downloaded and verified\n" * 2)],
        "scratch": [approach((2.30, 0.11, 2.28, 0.13), (1.75, 0.36, 1.81, 0.34), 20)],
        "head": [
            stream("161 25557032\n"),
            approach((0.92, 0.68, 0.75, 0.74), (0.55, 0.81, 0.62, 0.79), 5),
        ],
        "svm": [stream("train accuracy: 0.9312\ntest accuracy: 0.8134\n")],
        "tuned": [approach((0.80, 0.73, 0.52, 0.82), (0.12, 0.96, 0.31, 0.91), 5)],
        "zeros": [stream("\n".join(lists) + "\n"), zero_plot(BEFORE, AFTER)],
    }
    notebook, _ = own_notebook(TEXTS / "torchvision.percent", saved)
    for count, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "code":
            cell.execution_count = count
    return notebook


def frozen_in_name_only() -> NotebookNode:
    """The misspelt attribute, running statistics that drift, and an optimiser of the head alone."""
    notebook = released()
    rewrite(notebook, "feature-extractor", ("parameter.requires_grad", "parameter.require_grad"))
    cell_of(notebook, "counting").source = (
        "resnet_tensors = 161\nresnet_parameters = 25_557_032\n"
        "transfer_tensors = 165  # ۱۶۱ به‌اضافهٔ ۴\ntrainable_tensors = 165\n"
        "head_parameters = 2048 * 1024 + 1024 * 196"
    )
    cell_of(
        notebook, "training-mode"
    ).source = "def set_training_mode(model):\n    # وزن‌ها که منجمدند\n    model.train()"
    rewrite(notebook, "fine-tuning", (', {"params": pretrained, "lr": learning_rate / 4}', ""))
    cell_of(notebook, "tuned-tensors").source = "tuned_tensors = 30"
    return with_outputs(notebook)


def svm_slips() -> NotebookNode:
    """Logits for features, an SVM refitted to every batch, and its training accuracy reported."""
    notebook = released()
    cell_of(notebook, "features").source = (
        "def pooled_features(model, images):\n"
        "    model.eval()\n"
        "    with torch.no_grad():\n"
        "        return model(images).numpy()"
    )
    cell_of(notebook, "svm").source = (
        "def svm_accuracies(model, train_batches, test_batches):\n"
        "    svm = SVC(kernel='linear')\n"
        "    def features(images):\n"
        "        body = nn.Sequential(*list(model.children())[:-1])\n"
        "        return body(images).flatten(1).detach().numpy()\n"
        "    for images, labels in train_batches:\n"
        "        svm.fit(features(images), labels)\n"
        "    scores = []\n"
        "    for batches in (train_batches, test_batches):\n"
        "        scores.append(np.mean([svm.score(features(x), y) for x, y in batches]))\n"
        "    return tuple(scores)"
    )
    cell_of(notebook, "svm-run").outputs = [stream("svm accuracy: 0.998\n")]
    cell_of(notebook, "svm-claim").source = "svm_accuracy = 0.998"
    return with_outputs(notebook)


def zero_slips() -> NotebookNode:
    """Outputs counted after in-place ReLUs, fractions of nonzeros, and one network for both columns."""
    notebook = released()
    cell_of(notebook, "zero-percentages").source = (
        "def zero_percentages(model, image):\n"
        "    outputs = []\n"
        "    for m in model.modules():\n"
        "        if not list(m.children()):\n"
        "            m.register_forward_hook(lambda m, i, o: outputs.append(o))\n"
        "    model.eval()(image)\n"
        "    return [100 * (o == 0).float().mean().item() for o in outputs]"
    )
    rows = "\n".join(f"| {n} | {b} | {b} |" for n, b in enumerate(BEFORE, start=1))
    table = f"| layer | before | after |\n|---|---|---|\n{rows}\n"
    kept = cell_of(notebook, "zeros").outputs[1]
    cell_of(notebook, "zeros").outputs = [stream(table), kept]
    cell_of(notebook, "zeros-claim").source = 'sparser = "before"'
    return with_outputs(notebook)


def careless_claims() -> NotebookNode:
    """All code is right; the claims are not those of the saved outputs, whose pictures are gone."""
    notebook = released()
    cell_of(notebook, "svm-claim").source = 'svm_accuracy = "۹۸٫۸٪"'
    cell_of(notebook, "best-method").source = 'best_method = "tuned"'
    cell_of(notebook, "zeros-claim").source = 'sparser = "before"'
    cell_of(notebook, "zeros").outputs = cell_of(notebook, "zeros").outputs[:1]
    cell_of(notebook, "tuned").outputs = [
        approach((3.70, 0.09, 3.20, 0.22), (1.30, 0.55, 1.25, 0.55), 5)
    ]
    cell_of(notebook, "scratch").outputs = [
        approach((1.90, 0.52, 1.80, 0.48), (0.30, 0.93, 0.90, 0.78), 20)
    ]
    return with_outputs(notebook)


def interrupted() -> NotebookNode:
    """Misspelt names, a cell that asks for input, and one that restarts the runtime."""
    notebook = released()
    rewrite(notebook, "checkpoint", ("torch.save(state", "torch.svae(state"))
    rewrite(notebook, "features", ("model.avgpool", "modle.avgpool"))
    asking = insert(
        notebook,
        "checkpoint",
        "student_id = input('شماره دانشجویی: ')",
        "شماره دانشجویی: 400509988\n",
    )
    restart = insert(notebook, "zero-percentages", "# ری‌استارت رانتایم\nimport os\nos._exit(00)")
    return with_outputs(notebook, asking, restart)


def only_on_a_gpu() -> NotebookNode:
    """What trains and what makes features want ``cuda``; the rest is right."""
    notebook = released()
    rewrite(
        notebook,
        "train",
        ("        model.train()\n", "        model.cuda().train()\n"),
        ("model(images), labels)", "model(images.cuda()), labels.cuda())"),
    )
    rewrite(notebook, "features", ("    model.eval()", "    model.cuda().eval()"), ("model(images)", "model(images.cuda())"))  # fmt: skip
    return with_outputs(notebook)


def unfinished() -> NotebookNode:
    """Counts with Persian digits, checkpoints, freezing, and an answer that hedges; no outputs."""
    notebook, done = released(solution=False), released()
    for name in ("checkpoint", "feature-extractor", "zero-percentages"):
        cell_of(notebook, name).source = cell_of(done, name).source
    cell_of(notebook, "counting").source = (
        'resnet_tensors = "۱۶۱"\n'
        'resnet_parameters = "۲۵٬۵۵۷٬۰۳۲"\n'
        'transfer_tensors = "۱۶۳ یا ۱۶۵؟"\n'
        'trainable_tensors = "۴ تنسور"\n'
        'head_parameters = "2,299,076 پارامتر"'
    )
    return notebook


def empty() -> NotebookNode:
    return released(language="en", solution=False)


def renamed_copy() -> NotebookNode:
    """The notebook with the own structure, handed in again under other variable names."""
    notebook = own_structure()
    renames = {"FrozenBody": "TransferNet", "losses": "history", "rest": "others", "rows": "percents", "first": "begin"}  # fmt: skip
    for cell in notebook.cells:
        for old, new in renames.items():
            cell.source = re.sub(rf"\b{old}\b", new, cell.source)
        cell.source = cell.source.replace("۴۰۱۵۰۷۸۹۰", "۴۰۰۵۰۳۳۲۲")
    return notebook


SAMPLES: dict[str, Callable[[], NotebookNode]] = {
    "400501234/hw10_transfer_learning": complete,
    "401507890": own_structure,
    "99504567": torchvision,
    "98503344": frozen_in_name_only,
    "400506677/HW10": svm_slips,
    "401502211": zero_slips,
    "99508899": careless_claims,
    "400509988": interrupted,
    "401504455": only_on_a_gpu,
    "98506611/hw10_transfer_learning-final": unfinished,
    "99501122": empty,
}
"""Where each sample is kept, below submissions/hw10_transfer_learning and without .ipynb."""


def main() -> None:
    """Write all samples, and the zip as the assignment asks for it: notebook and PDF."""
    write_samples(TARGET, SAMPLES)
    files = {"HW10.ipynb": text_of(renamed_copy()).encode(), "HW10_theory.pdf": PDF}
    write_zip(TARGET / "HW10_400503322.zip", files, (2021, 12, 10, 22, 15, 0))


if __name__ == "__main__":
    main()
