"""Make the sample hand-ins of hw2_regularization, such as a real class produces.

    python tests/samples/make_hw2_regularization.py

writes ``submissions/hw2_regularization``: what each sample is for, and what it should earn, stands
in ``tests/samples/hw2_regularization.toml``. Most samples are the released notebook with some cells
answered in another way; their outputs come from running them. Students and ids are invented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import hand_ins
import jupytext
import nbformat
from hand_ins import KERNEL, ROOT, cell_of, facts, insert, numbered, rewrite, stream, with_outputs
from nbformat import NotebookNode
from nbformat.v4 import new_output

from grader.checks.curves import Curve, read_curves, read_tables

SLUG = "hw2_regularization"
TARGET = ROOT / "submissions" / SLUG
REFERENCE = ROOT / "reference" / f"{SLUG}.py"
OUTPUTS: dict[str, Any] = json.loads(REFERENCE.with_suffix(".outputs.json").read_text())
OWN_STRUCTURE = Path(__file__).with_name(SLUG) / "own_structure.percent"

PROSE = {
    "overfitting/concepts": (
        "بیش‌برازش: خطای آموزش کم و خطای تست زیاد (واریانس زیاد). کم‌برازش: هر دو زیاد (بایاس زیاد). برای اولی داده‌ی "
        "بیشتر، منظم‌سازی، dropout و توقف زودهنگام؛ برای دومی مدل بزرگ‌تر و آموزش بیشتر."
    ),
    "overfitting/detecting": (
        "لاس آموزش پایین می‌رود ولی لاس اعتبارسنجی بعد از کمینه بالا می‌رود. یک نوسان کافی نیست. اگر با تست تصمیم "
        "بگیریم دیگر تست بی‌طرف نیست."
    ),
    "penalties/knn": "K زیاد یعنی میانگین نقطه‌های دورتر: اریبی زیاد، واریانس کم. در K=1 همسایه خود نقطه است.",
    "penalties/statements": "۱ درست چون ممکن است کم‌برازش شود. ۲ نادرست چون ظرفیت زیاد می‌شود. ۳ نادرست چون ساده‌تر می‌شود.",
    "penalties/which": "صفر دقیق کار L1 است، پخش یکنواخت کار L2، و وزن‌های بزرگ یعنی جریمه‌ای نبوده است.",
    "distillation/idea": "شبکه‌ی کوچک از خروجی نرم شبکه‌ی بزرگ یاد می‌گیرد تا سبک‌تر و تقریباً به همان خوبی باشد.",
    "distillation/training": (
        "اول معلم آموزش می‌بیند و ثابت می‌شود، بعد با دمای T برچسب نرم می‌سازد و دانش‌آموز با جمع دو هزینه آموزش می‌بیند."
    ),
    "optimisers/analysis": (
        "در نرخ ۱ هر دو واگرا می‌شوند و در ۰٫۱ هر دو سریع‌اند. در نرخ‌های کوچک‌تر momentum حدود ده برابر زودتر می‌رسد چون "
        "گرادیان‌های هم‌جهت جمع می‌شوند."
    ),
}


# ---- notebooks -----------------------------------------------------------------------------------


released = partial(hand_ins.released, SLUG, PROSE)


def without_pictures(notebook: NotebookNode) -> NotebookNode:
    """Leave out the saved pictures of training cells: the repository need not hold them ten times."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and facts(cell).get("name") != "predictions":
            cell.outputs = [o for o in cell.outputs if o.output_type != "display_data"]
    return notebook


# ---- samples -------------------------------------------------------------------------------------


def complete() -> NotebookNode:
    return with_outputs(released())


def other_conventions() -> NotebookNode:
    """Right throughout, in other forms: inverted dropout, averaging momentum, T squared, L2."""
    notebook = without_pictures(released())
    rewrite(notebook, "dropout", ("return layer_output * keep_mask if training else keep_probability * layer_output",
            "# inverted dropout\n    return layer_output * keep_mask / keep_probability if training else layer_output"))  # fmt: skip
    rewrite(
        notebook,
        "overfitting-answer",
        ("overfitting_epoch(train_losses, validation_losses)", '"۷"'),
    )
    rewrite(notebook, "knn-answers", ('"increases"', '"افزایش می‌یابد"'), ('"decreases"', '"کاهش می‌یابد"'),
            ("= 0", '= "۰٪"'))  # fmt: skip
    rewrite(notebook, "statements", ("statement_1 = True", 'statement_1 = "درست"'),
            ("statement_2 = False", 'statement_2 = "نادرست"'), ("statement_3 = False", 'statement_3 = "غلط"'))  # fmt: skip
    rewrite(notebook, "which-penalty", ('penalty_1 = "L2"', 'penalty_1 = "نرم دوم"'),
            ('penalty_2 = "L1"', 'penalty_2 = "L1 (lasso)"'), ('"none"', '"بدون جریمه"'),
            ('penalty_4 = "L1"', 'penalty_4 = "L1، یا شاید هیچ‌کدام"'))  # fmt: skip
    rewrite(notebook, "distillation", ("+ beta * kl", "+ beta * T**2 * kl"))
    rewrite(notebook, "update-rules", ("beta * v + g for", "beta * v + (1 - beta) * g for"))
    rewrite(
        notebook,
        "network",
        ("nn.Linear(128, 10),", "nn.Linear(128, 10),\n        nn.LogSoftmax(dim=1),"),
    )
    rewrite(notebook, "penalty", ("lam * sum(p.abs().sum() for p in model.parameters())",
            'lam * sum((p**2).sum() for n, p in model.named_parameters() if "weight" in n)'))  # fmt: skip
    return with_outputs(notebook)


def theory_slips() -> NotebookNode:
    """Known mistakes throughout questions 1 to 3."""
    notebook = without_pictures(released())
    rewrite(notebook, "overfitting-epoch", ("return best + 1 if", "return best if"))
    rewrite(notebook, "dropout", ("return layer_output * keep_mask if training",
            "return layer_output * keep_mask / keep_probability if training"))  # fmt: skip
    rewrite(notebook, "knn-answers", ('"increases"', '"کم می‌شود"'), ('"decreases"', '"زیاد می‌شود"'))
    rewrite(notebook, "statements", ("statement_2 = False", "statement_2 = True"))
    rewrite(notebook, "which-penalty", ('penalty_2 = "L1"', 'penalty_2 = "L2"'),
            ('"none"', '"L1, or perhaps none"'))  # fmt: skip
    rewrite(notebook, "update-steps", ("(1 - learning_rate * lam)", "(1 - 2 * learning_rate * lam)"),
            ("lam * np.sign(weights)", "lam * weights"))  # fmt: skip
    rewrite(
        notebook,
        "distillation",
        ("(teacher * (teacher.log() - log_student))", "(log_student.exp() * (log_student - teacher.log()))"),
    )  # fmt: skip
    return with_outputs(notebook)


def blind_momentum() -> NotebookNode:
    """Momentum that forgets the learning rate, and a loop that forgets to zero the gradients."""
    notebook = without_pictures(released())
    rewrite(notebook, "update-rules", ("[p - learning_rate * v for", "[p - v for"))
    rewrite(notebook, "training-loop", ("        optimiser.zero_grad()\n", ""))
    flip = (
        "    flipped = torch.rand(len(images)) < 0.5\n"
        "    images = torch.where(flipped[:, None, None, None], images.flip(-1), images)\n"
    )
    rewrite(notebook, "augment", (flip, ""))
    rewrite(notebook, "penalty", ("p.abs().sum() for", "p.abs().sum().item() for"))
    return with_outputs(notebook)


def softmax_twice() -> NotebookNode:
    """Softmax before cross-entropy, and claims that its own outputs contradict."""
    notebook = without_pictures(released())
    rewrite(
        notebook,
        "network",
        ("nn.Linear(128, 10),", "nn.Linear(128, 10),\n        nn.Softmax(dim=1),"),
    )
    accuracy = [0.41, 0.58, 0.66, 0.71, 0.74, 0.755, 0.765, 0.77, 0.774, 0.776]
    cell_of(notebook, "train-basic").outputs = [
        stream(
            "".join(
                f"basic  epoch {e}/10  train loss: {2.468 - a:.4f}  train acc: {a:.4f}  "
                f"test loss: {2.49 - a:.4f}  test acc: {a - 0.02:.4f}\n"
                for e, a in enumerate(accuracy, 1)
            )
        )
    ]
    cell_of(notebook, "predictions").outputs = []
    rewrite(notebook, "overfit-answer", ("= 19", "= 5"))
    rewrite(notebook, "combinations-answer", ('"dropout+augmentation"', '"all"'))
    table = cell_of(notebook, "train-combinations").outputs[0]
    table.text = table.text.replace("| all | 0.570 | 0.608 |", "| all | 0.870 | 0.858 |")
    return with_outputs(notebook)


def raising_cells() -> NotebookNode:
    """A slip of the pen, a name that is not there, an unclosed bracket, errors left in the file."""
    notebook = without_pictures(released())
    rewrite(notebook, "dropout-answers", ("= dropout(layer_output, keep_mask, keep_probability, training=True)",
            "= droput(layer_output, keep_mask, keep_probability, training=True)"))  # fmt: skip
    rewrite(notebook, "distillation", ("log_student = F.log_softmax(student_logits / T, dim=-1)",
            "log_student = F.log_softmax(student_logits / temperature, dim=-1)"))  # fmt: skip
    rewrite(
        notebook,
        "update-steps",
        ("(gradient + lam * np.sign(weights))", "(gradient + lam * np.sign(weights)"),
    )
    dead = insert(
        notebook, "train-basic", "dataiter = iter(test_loader)\nimages, labels = dataiter.next()"
    )
    return with_outputs(notebook, dead)


def endless_loop() -> NotebookNode:
    """A cell that waits for a file on Colab for ever; later cells keep their points."""
    notebook = without_pictures(released())
    waiting = insert(
        notebook,
        "knn-answers",
        "# صبر می‌کنیم تا درایو وصل شود\nimport os, time\n\n"
        "while not os.path.exists('/content/drive/MyDrive'):\n    time.sleep(1)",
    )
    return with_outputs(notebook, waiting)


def stripped() -> NotebookNode:
    """Right, but handed in after "clear all outputs"."""
    notebook = released()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def empty() -> NotebookNode:
    return released(solution=False)


def unfinished() -> NotebookNode:
    """Questions 1 and 3 only; everything else as it was released."""
    notebook, done = released(solution=False), released()
    for name in (
        "overfitting-epoch",
        "overfitting-answer",
        "dropout",
        "dropout-answers",
        "distillation",
    ):
        cell_of(notebook, name).source = cell_of(done, name).source
    return with_outputs(notebook)


# ---- a notebook of one's own ---------------------------------------------------------------------


def curves_of(cell: str) -> dict[str, dict[tuple[str, str], Curve]]:
    """The reference's recorded curves of a cell, by run, split and metric."""
    found: dict[str, dict[tuple[str, str], Curve]] = {}
    for curve in read_curves(OUTPUTS[cell]):
        found.setdefault(curve.run, {})[curve.split, curve.metric] = curve
    return found


def as_course_log(curves: Mapping[tuple[str, str], Curve]) -> str:
    """One run as this student prints it: an accuracy of 0.85 has a percent sign."""
    rows = zip(
        *(
            curves[split, metric].values
            for metric in ("loss", "accuracy")
            for split in ("train", "test")
        ),
        strict=True,
    )
    n = len(curves["train", "loss"].values)
    return "".join(
        f"Epoch: {e}/{n}..  Training Loss: {a:.3f}..  Test Loss: {b:.3f}..  "
        f"Training Accuracy: {c:.3f}%..  Test Accuracy: {d:.3f}%\n"
        for e, (a, b, c, d) in enumerate(rows, 1)
    )


def as_pandas(count: int | None) -> NotebookNode:
    """The reference's table of combinations, as a data frame shows it."""
    (table,) = read_tables(OUTPUTS["train-combinations"])
    rows = [
        (name.replace("+", " + "), f"{float(train):.3f}", f"{float(test):.3f}")
        for name, train, test in table.rows
    ]
    head = "".join(f"<th>{c}</th>" for c in ("", "combination", "train accuracy", "test accuracy"))
    body = "".join(
        f"<tr><th>{i}</th>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>"
        for i, row in enumerate(rows)
    )
    html = f'<table class="dataframe"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    plain = "\n".join(f"{i}  {'  '.join(row)}" for i, row in enumerate(rows))
    return new_output(
        "execute_result", data={"text/plain": plain, "text/html": html}, execution_count=count
    )


def own_structure() -> NotebookNode:
    """A notebook of the student's own from Colab, with other names; see own_structure.percent."""
    text = OWN_STRUCTURE.read_text(encoding="utf-8")
    notebook = nbformat.from_dict(jupytext.reads(text, fmt="py:percent"))
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "accelerator": "GPU"})
    named = {c.metadata["name"]: c for c in notebook.cells if "name" in c.metadata}
    for name, recorded in {
        "basic": "train-basic",
        "overfit": "train-overfit",
        "augmented": "train-augmented",
        "penalised": "train-penalised",
    }.items():
        (run,) = curves_of(recorded).values()
        named[name].outputs = [stream(as_course_log(run))]
    runs = curves_of("train-combinations")
    log = "".join(f"----- {name} -----\n{as_course_log(run)}" for name, run in runs.items())
    named["combinations"].outputs = [stream(log)]
    named["table"].outputs = [as_pandas(None)]
    named["drive"].outputs = [stream("Mounted at /content/drive\n")]
    named["predictions"].outputs = [
        stream(
            "predicted: ['Coat', 'Bag', 'Ankle boot', 'Shirt', 'Dress']\n"
            "true: ['Pullover', 'Bag', 'Ankle boot', 'Shirt', 'Dress']\n"
        )
    ]
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return with_outputs(notebook, *named.values())


def renamed_copy() -> NotebookNode:
    """The notebook with the own structure, handed in again under other variable names."""
    notebook = own_structure()
    renames = {
        "find_overfitting_epoch": "detect_overfitting",
        "dropout_forward": "apply_dropout",
        "l2_update": "update_l2",
        "l1_update": "update_l1",
        "loss_fn_kd": "distill_loss",
        "convergence_steps": "n_steps",
        "net4": "small_net",
        "train_out": "out_train",
        "test_out": "out_test",
    }
    for cell in notebook.cells:
        for old, new in renames.items():
            cell.source = re.sub(rf"\b{old}\b", new, cell.source)
        cell.source = cell.source.replace("۹۹۲۰۳۳۴۴", "۹۹۲۰۷۷۱۹")
    return notebook


# ---- files ---------------------------------------------------------------------------------------

SAMPLES: dict[str, Callable[[], NotebookNode]] = {
    "401201101/hw2_regularization": complete,
    "401205532": other_conventions,
    "400203318": theory_slips,
    "401208847/HW2_401208847": blind_momentum,
    "98207716": softmax_twice,
    "400206643/HW2": raising_cells,
    "99201984": endless_loop,
    "401203390": stripped,
    "99205061": empty,
    "400209275/hw2 (1)": unfinished,
    "99207719": renamed_copy,
}
"""Where each sample is kept, below submissions/hw2_regularization and without .ipynb."""


def write_cut_off() -> None:
    """A file whose upload broke off in the middle."""
    whole = nbformat.writes(numbered(complete()))
    (TARGET / "98204415.ipynb").write_text(whole[: len(whole) // 3], encoding="utf-8")


def write_zip() -> None:
    """What a Mac makes of a folder: the notebook, its checkpoint, the report, and Mac's own files."""
    notebook = hand_ins.text_of(own_structure())
    folder = "HW2_99203344"
    files = {
        f"{folder}/HW2 (1).ipynb": notebook.encode(),
        f"{folder}/.ipynb_checkpoints/HW2 (1)-checkpoint.ipynb": notebook[:4000].encode(),
        f"{folder}/HW2_99203344.pdf": hand_ins.PDF,
        f"__MACOSX/{folder}/._HW2 (1).ipynb": b"\x00\x05\x16\x07",
    }
    hand_ins.write_zip(TARGET / "99203344.zip", files, (2023, 11, 1, 10, 0, 0))


def main() -> None:
    """Write all samples."""
    hand_ins.write_samples(TARGET, SAMPLES)
    write_cut_off()
    write_zip()


if __name__ == "__main__":
    main()
