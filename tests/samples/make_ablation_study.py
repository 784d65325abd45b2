"""Make the sample hand-ins of ablation_study, such as a real class produces.

    python tests/samples/make_ablation_study.py

writes ``submissions/ablation_study``: what each sample is for, and what it should earn, stands in
``tests/samples/ablation_study.toml``. Most samples are the released notebook with some cells
answered in another way; their outputs come from running them. Students and ids are invented.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import hand_ins
import jupytext
import matplotlib as mpl
import nbformat
from hand_ins import KERNEL, ROOT, cell_of, insert, rewrite, stream, with_outputs
from nbformat import NotebookNode
from nbformat.v4 import new_output

SLUG = "ablation_study"
TARGET = ROOT / "submissions" / SLUG
OWN_STRUCTURE = Path(__file__).with_name(SLUG) / "own_structure.percent"

PROSE = {
    "theory/definition": (
        "یعنی بخشی از مدل را برداریم و ببینیم نتیجه چقدر بدتر می‌شود، در حالی که بقیهٔ چیزها ثابت است."
    ),
    "theory/benefits": (
        "فهم مدل، اهمیت ویژگی‌ها، تحلیل جزءبه‌جزء، بهینه‌سازی (مثلاً حذف لایهٔ بی‌اثر)، پایداری و عیب‌یابی."
    ),
    "theory/challenges": (
        "برهم‌کنش جزءها که با حذف دوتایی دیده می‌شود، هزینهٔ زیاد آموزش‌های تکراری، و محدود بودن نتیجه به همین داده."
    ),
    "theory/uses": "انتخاب معماری، اهمیت ویژگی‌های ورودی، تنظیم ابرپارامترها، و مدل‌های پزشکی.",
    "experiment/discussion": (
        "حذف block1 بیشترین افت را داد و از پراکندگی بزرگ‌تر بود. سه دانه کم است و فقط همین داده را آزمودم."
    ),
}


# ---- notebooks -----------------------------------------------------------------------------------


released = partial(hand_ins.released, SLUG, PROSE)


# ---- samples -------------------------------------------------------------------------------------


def complete() -> NotebookNode:
    return with_outputs(released())


def lecture_program() -> NotebookNode:
    """The loop of the lecture notes as it stands, weights without their biases, no ``finally``."""
    notebook = released()
    rewrite(
        notebook,
        "simple-net-parameters",
        ("3 * 3 * 3 * 64 + 64", "3 * 3 * 3 * 64"),
        ("64 * 32 * 32 * 10 + 10", "64 * 32 * 32 * 10"),
    )
    cell_of(notebook, "ablated").source = (
        "@contextmanager\n"
        "def ablated(model, component):\n"
        "    layer = model.get_submodule(component)\n"
        "    w = {n: m.weight.data.clone() for n, m in layer.named_modules() if hasattr(m, 'weight')}\n"
        "    for n in w:\n"
        "        layer.get_submodule(n).weight.data.zero_()\n"
        "    yield model\n"
        "    for n in w:\n"
        "        layer.get_submodule(n).weight.data.copy_(w[n])"
    )
    cell_of(notebook, "lecture-answer").source = "weight_at_evaluation = np.zeros(3)"
    rewrite(
        notebook,
        "train-ablated",
        ("            ablate()  # the step has just moved the component away from zero\n", ""),
        ("            loss = F", "            ablate()\n            loss = F"),
    )
    return with_outputs(notebook)


def aliased_state() -> NotebookNode:
    """What looks like a copy is none; measured in training mode; the interaction of the losses."""
    notebook = released()
    cell_of(notebook, "ablated").source = (
        "@contextmanager\n"
        "def ablated(model, component):\n"
        "    saved = dict(model.state_dict())  # وضعیت مدل را نگه می‌داریم\n"
        "    try:\n"
        "        for name, p in model.named_parameters():\n"
        "            if name.startswith(component):\n"
        "                p.data.fill_(0)\n"
        "        yield model\n"
        "    finally:\n"
        "        model.load_state_dict(saved)"
    )
    rewrite(notebook, "evaluate", ("    model.eval()\n", ""))
    rewrite(
        notebook, "interaction", ("_, accuracy =", "accuracy, _ ="), ("_, accuracy_w", "accuracy_w")
    )
    rewrite(
        notebook,
        "interaction",
        ("accuracy_without_both = evaluate", "accuracy_without_both, _ = evaluate"),
        ("(accuracy - accuracy_without_both)", "accuracy_without_both - accuracy"),
        ("[first][0]", "[first][1]"),
        ("[second][0]", "[second][1]"),
    )
    rewrite(notebook, "panel-interaction", ('"redundant"', '"مکمل"'))
    rewrite(notebook, "statistics", ("drops.std(axis=0, ddof=1)", "drops.var(axis=0)"))
    return with_outputs(notebook)


def interrupted() -> NotebookNode:
    """Misspelt names, a cell that asks for input, and one that restarts the runtime."""
    notebook = released()
    rewrite(notebook, "panel-effects", ("ablation_effects(", "abalation_effects("))
    rewrite(
        notebook,
        "train-ablated",
        ("model.get_submodule(component)", "modle.get_submodule(component)"),
    )
    asking = insert(
        notebook,
        "lecture-given",
        "# شماره دانشجویی را وارد کنید\nstudent_id = input('Student ID: ')",
        "Student ID: 400201144\n",
    )
    restart = insert(
        notebook, "statistics", "# ری‌استارت رانتایم برای torchinfo\nimport os\nos._exit(00)"
    )
    return with_outputs(notebook, asking, restart)


def only_on_a_gpu() -> NotebookNode:
    """Everything on ``cuda``, as the runtime had one; the rest is right."""
    notebook = released()
    rewrite(
        notebook,
        "evaluate",
        (
            "    was_training",
            "    inputs, labels = inputs.cuda(), labels.cuda()\n    model.cuda()\n    was_training",
        ),
    )
    rewrite(
        notebook,
        "train-ablated",
        ("    ablate()\n    history", "    model.to('cuda')\n    ablate()\n    history"),
        ("model(inputs), labels)", "model(inputs.to('cuda')), labels.to('cuda'))"),
    )
    kept = [
        cell_of(notebook, "panel-effects"),
        cell_of(notebook, "panel-interaction"),
        insert(
            notebook,
            "simple-net",
            "!nvidia-smi -L",
            "GPU 0: Tesla T4 (UUID: GPU-1e0b7d1c-8d0a-11ee-a0f4-0242ac12000c)\n",
        ),
    ]
    return with_outputs(notebook, *kept)


def unfinished() -> NotebookNode:
    """Questions 2 and 4a and part of 3, with Persian digits and an answer that hedges; no outputs."""
    notebook, done = released(solution=False), released()
    for name in ("simple-net", "parameters-by-layer", "evaluate", "statistics"):
        cell_of(notebook, name).source = cell_of(done, name).source
    cell_of(notebook, "simple-net-parameters").source = (
        'conv_parameters = "۱٬۷۹۲"\n'
        'linear_parameters = "۶۵۵۳۷۰ پارامتر"\n'
        'total_parameters = "657,162"'
    )
    cell_of(notebook, "lecture-answer").source = 'weight_at_evaluation = "[۰٫۲، -۰٫۳، -۰٫۱]"'
    cell_of(
        notebook, "panel-interaction"
    ).source = (
        'panel_interaction = None\npanel_relation = "فکر می‌کنم redundant یا شاید independent"'
    )
    return notebook


def empty() -> NotebookNode:
    return released(language="en", solution=False)


def careless_experiment() -> NotebookNode:
    """All code is right; the saved run is not: one seed for all, an old mean, no chart."""
    notebook = released()
    table = (
        "component  seed 0  seed 1  seed 2   mean    std\n"
        "block1     0.4500  0.4500  0.4500  0.6633  0.0000\n"
        "block2     0.0440  0.0440  0.0440  0.0440  0.0000\n"
        "block3     0.2680  0.2680  0.2680  0.2680  0.0000\n"
    )
    cell_of(notebook, "experiment").outputs = [new_output("stream", name="stdout", text=table)]
    cell_of(notebook, "chart").outputs = []
    rewrite(notebook, "conclusion", ("block1", "block3"))
    return with_outputs(notebook)


def own_structure() -> NotebookNode:
    """A notebook of the student's own from Colab, without tags; see own_structure.percent."""
    text = OWN_STRUCTURE.read_text(encoding="utf-8")
    notebook = nbformat.from_dict(jupytext.reads(text, fmt="py:percent"))
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "accelerator": "GPU", "colab": {"provenance": [], "gpuType": "T4"}}
    )
    named = {c.metadata["name"]: c for c in notebook.cells if "name" in c.metadata}
    saved: Mapping[str, list[NotebookNode]] = {
        "mount": [stream("Mounted at /content/drive\n")],
        "install": [],
        "cifar": [stream("Files already downloaded and verified\n" * 2)],
        "experiment": [data_frame()],
        "chart": [picture(), stream("most important: block1\n")],
    }
    for name, outputs in saved.items():
        named[name].outputs = outputs
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return with_outputs(notebook, *named.values())


def data_frame() -> NotebookNode:
    """A table as pandas shows it; accuracy drops of four blocks for three seeds."""
    columns = ("seed 7", "seed 42", "seed 1402", "mean", "std")
    rows = {
        "block1": ("0.3712", "0.4105", "0.4489", "0.410200", "0.038851"),
        "block2": ("0.1230", "0.0987", "0.1544", "0.125367", "0.027925"),
        "block3": ("0.0521", "0.0718", "0.0402", "0.054700", "0.015960"),
        "block4": ("0.0608", "0.0433", "0.0659", "0.056667", "0.011853"),
    }
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join(
        f"<tr><th>{name}</th>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
        for name, row in rows.items()
    )
    html = (
        f'<table border="1" class="dataframe"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    lines = ["        " + "  ".join(columns)]
    lines += ["  ".join([name, *row]) for name, row in rows.items()]
    data = {"text/plain": "\n".join(lines), "text/html": html}
    return new_output("execute_result", data=data, execution_count=None)


def picture() -> NotebookNode:
    """The bar chart that the student's cell draws."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(4, 2.5))
    means, stds = (0.4102, 0.1254, 0.0547, 0.0567), (0.0389, 0.0279, 0.0160, 0.0119)
    axis.bar([f"block{n}" for n in (1, 2, 3, 4)], means, yerr=stds, capsize=3)
    axis.set_ylabel("accuracy drop")
    return hand_ins.picture(figure)


def renamed_copy() -> NotebookNode:
    """The notebook with the own structure, handed in again under other variable names."""
    notebook = own_structure()
    renames = {
        "measure_effects": "run_ablation",
        "Ablate": "Disable",
        "evaluate_model": "test_model",
        "train_without": "train_with_ablation",
        "base": "full",
        "layer": "module",
    }
    for cell in notebook.cells:
        for old, new in renames.items():
            cell.source = re.sub(rf"\b{old}\b", new, cell.source)
    return notebook


SAMPLES: dict[str, Callable[[], NotebookNode]] = {
    "400204518/ablation_study": complete,
    "99204477": own_structure,
    "401203366/HW_ablation (1)": lecture_program,
    "98202255": aliased_state,
    "400201144": interrupted,
    "401200933": only_on_a_gpu,
    "99207822/ablation_study-final": unfinished,
    "98206711": empty,
    "400205600": careless_experiment,
}
"""Where each sample is kept, below submissions/ablation_study and without .ipynb."""


def write_zip() -> None:
    """A zip with the notebook, Jupyter's checkpoint of it, and the report."""
    notebook = hand_ins.text_of(renamed_copy())
    folder = "HW_401209588"
    files = {
        f"{folder}/Ablation.ipynb": notebook.encode(),
        f"{folder}/.ipynb_checkpoints/Ablation-checkpoint.ipynb": notebook[:3000].encode(),
        f"{folder}/HW_401209588.pdf": hand_ins.PDF,
    }
    hand_ins.write_zip(TARGET / "401209588.zip", files, (2023, 11, 30, 22, 10, 0))


def main() -> None:
    """Write all samples."""
    hand_ins.write_samples(TARGET, SAMPLES)
    write_zip()


if __name__ == "__main__":
    main()
