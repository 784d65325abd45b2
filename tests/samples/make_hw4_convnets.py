"""Make the sample hand-ins of hw4_convnets, such as a real class produces.

    python tests/samples/make_hw4_convnets.py

writes ``submissions/hw4_convnets``: what each sample is for, and what it should earn, stands in
``tests/samples/hw4_convnets.toml``. Most samples are the released notebook with some cells
answered in another way; their outputs come from running them. Students and ids are invented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import hand_ins
import jupytext
import nbformat
from hand_ins import KERNEL, ROOT, cell_of, insert, place_of, with_outputs
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from grader.checks.curves import read_curves, read_tables

SLUG = "hw4_convnets"
TARGET = ROOT / "submissions" / SLUG
TEXTS = Path(__file__).with_name(SLUG)
REFERENCE = ROOT / "reference" / f"{SLUG}.py"
OUTPUTS = json.loads(REFERENCE.with_suffix(".outputs.json").read_text(encoding="utf-8"))

PROSE = {
    "depth/degradation": (
        "در پس‌انتشار، گرادیان لایه‌های اول حاصل‌ضرب مشتق همهٔ لایه‌های بعدی است و اگر این مشتق‌ها کوچک‌تر "
        "از یک باشند به سمت صفر می‌رود. چون خطای آموزش هم زیاد است این بیش‌برازش نیست."
    ),
    "depth/initialisation": (
        "اگر همه صفر باشند گرادیان همه یکی است و فیلترها مثل هم می‌مانند. He برای ReLU است چون نصف "
        "خروجی‌ها صفر می‌شوند و باید با ضریب ۲ جبران شود."
    ),
    "depth/shortcut": "$y = x + F(x)$ پس $y' = 1 + F'(x)$ و به خاطر ۱، گرادیان از بین نمی‌رود.",
    "conv-gradients/earlier-layers": (
        "گرادیان نسبت به ورودی، کانولوشن کامل با فیلتر چرخیده است و برای لایهٔ قبل همان گرادیان خروجی است."
    ),
    "grad-cam/why-mean": "برای این که هر کانال یک وزن داشته باشد که اهمیت کل آن را نشان دهد.",
    "grad-cam/why-relu": "چون فقط جاهایی را می‌خواهیم که به نفع کلاس مورد نظر است.",
    "mobilenet/analysis": (
        "شبکهٔ ساده بیشترین پارامتر و بهترین دقت را دارد. V1 و V2 حدود هشت برابر کمتر ضرب دارند ولی در شش "
        "دوره هنوز کم‌برازش‌اند. ضریب پهنای کمتر، دقت را پایین آورد ولی وضوح کمتر نه."
    ),
}


# ---- notebooks -----------------------------------------------------------------------------------


released = partial(hand_ins.released, SLUG, PROSE)


def rewrite(notebook: NotebookNode, name: str, old: str, new: str) -> None:
    """Replace one passage in the cell of this name."""
    cell = cell_of(notebook, name)
    if cell.source.count(old) != 1:
        raise ValueError(f"{name}: {old!r} stands there {cell.source.count(old)} times")
    cell.source = cell.source.replace(old, new)


# ---- samples -------------------------------------------------------------------------------------


def complete() -> NotebookNode:
    return with_outputs(released())


def lists_and_tensors() -> NotebookNode:
    notebook = released()
    for name in ("conv-gradients", "conv-gradients-answers", "sentiment-answers"):
        cell_of(notebook, name).source = variant(name)
    for name in ("symmetry-answers", "residual-stages", "residual-values", "sentiment"):
        cell_of(notebook, name).source = variant(name)
    rewrite(
        notebook, "residual-show", '"5. global average": average', '"5. global average": 265.75'
    )
    rewrite(
        notebook, "grad-cam-alphas-answer", "grad_cam_alphas(dA)", "grad_cam_alphas(dA).tolist()"
    )
    rewrite(
        notebook, "grad-cam-map-answer", "grad_cam_map(A, dA)", "torch.tensor(grad_cam_map(A, dA))"
    )
    return with_outputs(notebook)


def variant(name: str) -> str:
    """A cell answered with lists, tensors and Persian digits."""
    text = (TEXTS / "lists_and_tensors.percent").read_text(encoding="utf-8")
    cells = jupytext.reads(text, fmt="py:percent").cells
    return next(cell.source for cell in cells if cell.metadata.get("name") == name)


def wrong_stage() -> NotebookNode:
    notebook = released()
    rewrite(notebook, "residual-stages", "padded = np.pad(image, padding)",
            "padded = np.pad(image, padding)\n    kernel = kernel[::-1, ::-1]")  # fmt: skip
    return with_outputs(notebook)


def theory_slips() -> NotebookNode:
    notebook = released()
    rewrite(notebook, "conv-gradients", "rotated = W[::-1, ::-1]", "rotated = W")
    rewrite(notebook, "variances", "2 / (fan_in + fan_out)", "(2 / (fan_in + fan_out)) ** 0.5")
    rewrite(notebook, "sentiment-answers", "softmax_calls = 1", "softmax_calls = n_words")
    rewrite(notebook, "sentiment-answers", "softmax_size = 5", "softmax_size = 4")
    rewrite(notebook, "sentiment-answers", '"last"', '"each"')
    rewrite(notebook, "grad-cam-alphas", "gradients.mean", "gradients.sum")
    rewrite(notebook, "grad-cam-map", 'np.maximum(np.einsum("k,khw->hw", alphas, activations), 0)',
            'np.einsum("k,khw->hw", alphas, activations)')  # fmt: skip
    rewrite(notebook, "residual-stages", "return np.maximum(x, 0)", "return x")
    return with_outputs(notebook)


def mobilenet_slips() -> NotebookNode:
    notebook = released()
    rewrite(notebook, "blocks-given", "bias=False", "bias=True")
    rewrite(notebook, "separable", "F.relu(self.pointwise(F.relu(self.depthwise(x))))",
            "F.relu(self.pointwise(self.depthwise(x)))")  # fmt: skip
    rewrite(notebook, "inverted-residual", "conv_bn(hidden, out_channels, kernel_size=1),",
            "conv_bn(hidden, out_channels, kernel_size=1),\n            nn.ReLU6(),")  # fmt: skip
    rewrite(notebook, "cost", "return 1 / N + 1 / D**2", "return 1 / (1 / N + 1 / D**2)")
    rewrite(notebook, "cost", "D * D * M * F * F + M * N * F * F", "D * D * M + M * N")
    rewrite(
        notebook,
        "resolution",
        "for side in images.shape[2:]]",
        "for side in images.shape[2:]]\n    size[1] = images.shape[3]",
    )
    table = cell_of(notebook, "comparison").outputs[0]
    table.text = table.text.replace("| 0.613 |", "| 0.913 |")
    return with_outputs(notebook)


def raising_cells() -> NotebookNode:
    notebook = released()
    rewrite(notebook, "conv-gradients-answers", "conv2d_weight_gradient(X, dY)",
            "conv2d_weigth_gradient(X, dY)")  # fmt: skip
    rewrite(notebook, "residual-values", "residual_out = add_shortcut(relu_out, image)",
            "residual_out = add_shortcut(relu_out, img)")  # fmt: skip
    rewrite(notebook, "inverted-residual", "hidden = in_channels * expand_ratio",
            "hidden = in_channels * expand_ratio)")  # fmt: skip
    return with_outputs(notebook)


def endless_loop() -> NotebookNode:
    notebook = released()
    waiting = insert(
        notebook,
        "cost",
        "# صبر می‌کنیم تا دانلود داده‌ها تمام شود\n"
        "import os\n\n"
        "while not os.path.exists('/content/data/cifar-10-batches-py'):\n"
        "    time.sleep(1)\n"
        "print('داده‌ها آماده است')",
    )
    waiting.outputs = [new_output("stream", name="stdout", text="داده‌ها آماده است\n")]
    return with_outputs(notebook, waiting)


def restarted_runtime() -> NotebookNode:
    notebook = released()
    restart = insert(
        notebook,
        "residual-given",
        "# برای این که کتابخانه‌های تازه شناخته شوند رانتایم باید ری‌استارت شود\n"
        "import os\n\nos._exit(00)",
    )
    return with_outputs(notebook, restart)


def other_libraries() -> NotebookNode:
    notebook = released()
    cell = cell_of(notebook, "residual-stages")
    start, end = (cell.source.index(f"def {name}") for name in ("conv2d", "relu"))
    cell.source = (
        cell.source[:start]
        + "from scipy import signal\n\n\n"
        + "def conv2d(image, kernel, stride=1, padding=1):\n"
        + "    return signal.correlate2d(image, kernel, mode='same')\n\n\n"
        + cell.source[end:]
    )
    start, end = (cell.source.index(f"def {name}") for name in ("max_pool", "global_average"))
    cell.source = (
        cell.source[:start]
        + "def max_pool(x, size=2, stride=2):\n"
        + "    x = torch.as_tensor(x)[None, None]\n"
        + "    return F.max_pool2d(x, size, stride)[0, 0].numpy()\n\n\n"
        + cell.source[end:]
    )
    return with_outputs(notebook)


def empty() -> NotebookNode:
    return released(solution=False)


def out_of_order() -> NotebookNode:
    """Run in the order in which the student clicked, saved in another."""
    notebook = with_outputs(released())
    for answers, definitions in (
        ("conv-gradients-answers", "conv-gradients-given"),
        ("residual-values", "residual-given"),
        ("grad-cam-map-answer", "grad-cam-given"),
    ):
        cell = notebook.cells.pop(place_of(notebook, answers))
        notebook.cells.insert(place_of(notebook, definitions), cell)
    counts = [7, 3, 52, 12, 12, 31, 4, 88, 9, 10, 61, 2, 45]
    for place, cell in enumerate(c for c in notebook.cells if c.cell_type == "code"):
        cell.execution_count = counts[place % len(counts)] + place // len(counts)
    return notebook


def unfinished() -> NotebookNode:
    """Theory 2 and 3 and the residual block; everything else as it was released; no outputs."""
    notebook, done = released(solution=False), released()
    for name in (
        "conv-gradients",
        "conv-gradients-answers",
        "sentiment-answers",
        "residual-stages",
        "residual-values",
        "residual-pictures",
        "residual-show",
    ):
        cell_of(notebook, name).source = cell_of(done, name).source
    return notebook


def colab() -> NotebookNode:
    notebook = released()
    habits = [
        (
            "from google.colab import drive\ndrive.mount('/content/drive')",
            "Mounted at /content/drive\n",
        ),
        ("%cd /content/drive/MyDrive/DL/HW4", "/content/drive/MyDrive/DL/HW4\n"),
        ("%%capture\n!pip install torchsummary==1.5.1", ""),
        ("!nvidia-smi -L", "GPU 0: Tesla T4 (UUID: GPU-5f2d0c1e-7f6a-11ee-b962-0242ac120002)\n"),
        ("%matplotlib inline\nplt.rcParams['figure.figsize'] = (8, 4)", ""),
    ]
    kept = []
    for source, text in reversed(habits):
        cell = new_code_cell(source)
        cell.outputs = [new_output("stream", name="stdout", text=text)] if text else []
        notebook.cells.insert(place_of(notebook, "setup") + 1, cell)
        kept.append(cell)
    rewrite(notebook, "conv-gradients-answers", "dX = conv2d_input_gradient(W, dY)",
            "dX = conv2d_input_gradient(W, dY)\n"
            "print('گرادیان نسبت به وزن:\\n', dW)\nprint('گرادیان نسبت به ورودی:\\n', dX)")  # fmt: skip
    rewrite(notebook, "residual-values", "average = global_average(pooled)",
            "average = global_average(pooled)\nprint(f'میانگین سراسری = {average}')")  # fmt: skip
    dead = insert(
        notebook,
        "train-model",
        "device = torch.device('cuda')\n"
        "dataiter = iter(train_loader)\nimages, labels = dataiter.next()\nimages.to(device)",
    )
    dead.outputs = [
        new_output(
            "error",
            ename="NameError",
            evalue="name 'train_loader' is not defined",
            traceback=["\x1b[0;31mNameError\x1b[0m: name 'train_loader' is not defined"],
        )
    ]
    notebook.metadata["accelerator"] = "GPU"
    notebook.metadata["colab"] = {"name": "HW04.ipynb", "provenance": [], "gpuType": "T4"}
    return with_outputs(notebook, dead, *kept)


def own_structure() -> NotebookNode:
    """A notebook of the student's own, with no tags and other names; see own_structure.percent."""
    text = (TEXTS / "own_structure.percent").read_text(encoding="utf-8")
    notebook = nbformat.from_dict(jupytext.reads(text, fmt="py:percent"))
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    train, table = (
        next(c for c in notebook.cells if c.metadata.get("name") == name)
        for name in ("train", "comparison")
    )
    names = {"PlainCNN": "CNN", "MobileNetV1": "MobileNet", "MobileNetV2": "MobileNet_V2"}
    train.outputs = [new_output("stream", name="stdout", text=as_colab_log(names))]
    table.outputs = [as_pandas(names, table.execution_count)]
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return with_outputs(notebook, train, table)


def as_colab_log(names: dict[str, str]) -> str:
    """The reference's recorded curves, printed as this student prints them."""
    curves = read_curves(OUTPUTS["train"])
    lines = []
    for run, name in names.items():
        lines.append(f"--- {name} ---")
        own = {(c.split, c.metric): c.values for c in curves if c.run == run}
        epochs = len(own["train", "loss"])
        for e in range(epochs):
            parts = [
                f"{label} Loss: {own[split, 'loss'][e]:.4f}, "
                f"{label} Acc: {100 * own[split, 'accuracy'][e]:.2f}%"
                for label, split in (("Train", "train"), ("Val", "validation"))
            ]
            lines.append(f"Epoch [{e + 1}/{epochs}] " + " | ".join(parts))
    return "\n".join(lines) + "\n"


def as_pandas(names: dict[str, str], count: int | None) -> NotebookNode:
    """The reference's table, as a data frame shows it."""
    (table,) = read_tables(OUTPUTS["comparison"])
    cells = [
        (names[row[0]], row[1].replace(",", ""), f"{100 * accuracy:.1f}")
        for row, accuracy in zip(table.rows, table.numbers("val acc"), strict=True)
        if row[0] in names and accuracy is not None
    ]
    header = ("model", "params", "val accuracy (%)")
    rows = "".join(
        f"<tr><th>{i}</th>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>"
        for i, row in enumerate(cells)
    )
    head = "<tr><th></th>" + "".join(f"<th>{c}</th>" for c in header) + "</tr>"
    html = f'<table class="dataframe"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    plain = "\n".join(f"{i}  {'  '.join(row)}" for i, row in enumerate(cells))
    data = {"text/plain": plain, "text/html": html}
    return new_output("execute_result", data=data, execution_count=count)


def renamed_copy() -> NotebookNode:
    """The notebook with the own structure, handed in again under other variable names."""
    notebook = own_structure()
    renames = {
        "conv_result": "conv_output",
        "with_input": "after_skip",
        "small": "max_pooled",
        "value": "avg",
        "n_different": "count_unique",
        "store": "saved",
        "conv_cost": "standard_conv_cost",
    }
    for cell in notebook.cells:
        for old, new in renames.items():
            cell.source = re.sub(rf"(?<!dsc_)\b{old}\b", new, cell.source)
    return notebook


SAMPLES: dict[str, Callable[[], NotebookNode]] = {
    "400101234/hw4_convnets": complete,
    "400102345": own_structure,
    "99103456": lists_and_tensors,
    "401104567/HW4_401104567": wrong_stage,
    "401105678": theory_slips,
    "98106789": mobilenet_slips,
    "400107890/HW4": raising_cells,
    "99108901": endless_loop,
    "401109012": restarted_runtime,
    "400110123": other_libraries,
    "99111234": empty,
    "401112345": out_of_order,
    "400114567/hw4_convnets-final": unfinished,
    "99115678": renamed_copy,
}
"""Where each sample is kept, below submissions/hw4_convnets and without .ipynb."""


def write_page() -> None:
    """A page saved from the browser, under the name of a notebook."""
    page = (
        "<!DOCTYPE html>\n<html><head><title>HW4 - Colaboratory</title></head>\n"
        '<body dir="rtl"><div id="notebook-container">تمرین ۴: شبکه‌های کانولوشنی</div>\n'
        "<script>window.jupyter = true;</script></body></html>\n"
    )
    (TARGET / "98116789.ipynb").write_text(page, encoding="utf-8")


def write_zip() -> None:
    """What a Mac makes of a folder: the notebook, its checkpoint, the report, and Mac's own files."""
    notebook = hand_ins.text_of(colab())
    folder = "HW4_98113456"
    files = {
        f"{folder}/HW04 (1).ipynb": notebook.encode(),
        f"{folder}/.ipynb_checkpoints/HW04 (1)-checkpoint.ipynb": notebook[:4000].encode(),
        f"{folder}/HW4_98113456.pdf": hand_ins.PDF,
        f"__MACOSX/{folder}/._HW04 (1).ipynb": b"\x00\x05\x16\x07",
    }
    hand_ins.write_zip(TARGET / "98113456.zip", files, (2025, 1, 1, 10, 0, 0))


def main() -> None:
    """Write all samples."""
    hand_ins.write_samples(TARGET, SAMPLES)
    write_page()
    write_zip()


if __name__ == "__main__":
    main()
