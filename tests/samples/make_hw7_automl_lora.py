"""Make the sample hand-ins of hw7_automl_lora, such as a real class produces.

    python tests/samples/make_hw7_automl_lora.py

writes ``submissions/hw7_automl_lora``: what each sample is for, and what it should earn, stands in
``tests/samples/hw7_automl_lora.toml``. Most samples are the released notebook with some cells
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
from hand_ins import (
    KERNEL,
    ROOT,
    cell_of,
    insert,
    numbered,
    place_of,
    rewrite,
    stream,
    with_outputs,
)
from nbformat import NotebookNode
from nbformat.v4 import new_output

SLUG = "hw7_automl_lora"
TARGET = ROOT / "submissions" / SLUG
OWN_STRUCTURE = Path(__file__).with_name(SLUG) / "own_structure.percent"

PROSE = {
    "automl/problem": (
        "NAS معماری را جستجو می‌کند و AutoAugment سیاست داده‌افزایی را. هر دو با دقت اعتبارسنجی سنجیده می‌شوند و "
        "برای هر نامزد وزن‌ها باید در درون آموزش ببینند."
    ),
    "automl/control": "کنترلر RNN نمونه می‌دهد، شبکهٔ فرزند آموزش می‌بیند و دقتش پاداش کنترلر است.",
    "automl/cheaper": "چون هر نامزد یک آموزش کامل است. سلول مشترک و وزن مشترک، یا Fast AutoAugment.",
    "automl/roles": (
        "RL برای پاداش مشتق‌ناپذیر، بهینه‌سازی بیزی برای ارزیابی کمتر، تطبیق چگالی برای حذف آموزش دوباره؛ "
        "DARTS هم فضا را پیوسته می‌کند."
    ),
    "low-rank/rank": "پس از ادغام فقط یک ضرب ماتریسی می‌ماند. رتبه تعداد جهت‌های تغییر را محدود می‌کند.",
    "low-rank/histograms": (
        "ConvBlock چوله به راست با قله در صفر است (ReLU) و آداپتور متقارن؛ مقیاسشان فرق دارد. ضریب s و LayerNorm."
    ),
    "rare-disease/architecture": "DARTS با چند GPU-ساعت و اگر جواب نداد DenseNet-121 پیش‌آموخته.",
    "rare-disease/augmentation": "Fast AutoAugment با چرخش و روشنایی ملایم؛ Solarize و برش مجاز نیست.",
    "rare-disease/pros-cons": "خوبی: متناسب با داده. بدی: بیش‌برازش جستجو بر اعتبارسنجی کوچک.",
    "rare-disease/challenges": "نامتوازن بودن، نشت میان تصویرهای یک بیمار و جابه‌جایی دامنه.",
    "fast-autoaugment/density-matching": (
        "شبکه روی $D_M$ آموزش می‌بیند و سیاستی برنده است که دقتش روی $T(D_A)$ بیشتر باشد."
    ),
    "fast-autoaugment/k-fold": "روی $D_M$ یک بار آموزش و روی $D_A$ بارها ارزیابی؛ پنج بخش و بعد ادغام سیاست‌ها.",
    "fast-autoaugment/why-faster": "چون برای هر سیاست آموزش دوباره لازم نیست.",
}


# ---- notebooks -----------------------------------------------------------------------------------


released = partial(hand_ins.released, SLUG, PROSE)


# ---- samples -------------------------------------------------------------------------------------


def complete() -> NotebookNode:
    return with_outputs(released())


def theory_slips() -> NotebookNode:
    """One slip in each theory answer; what follows from a wrong figure is carried on properly."""
    notebook = released()
    rewrite(notebook, "search-cost", ("per_subpolicy * subpolicies", "subpolicies"))
    rewrite(notebook, "search-cost", ("(flops / target)", "(target / flops)"))
    cell_of(notebook, "search-cost-answers").source = 'policy_space = "۱۷۶۰^۵"'
    cell_of(notebook, "factorisation").source = (
        "def rank_factorisation(W):\n"
        "    U, s, Vt = np.linalg.svd(W, full_matrices=False)\n"
        "    return U, np.diag(s) @ Vt\n\n\n"
        "def saves_parameters(m, n, r):\n"
        "    return r <= m * n / (m + n)"
    )
    rewrite(notebook, "bert", ("r * d_in + d_out * r", "r * d_in"))
    rewrite(notebook, "bert-answers", ("lora_stored = base", "lora_stored = n_tasks * base"))
    rewrite(notebook, "merging", ("W0 + scale * B @ A", "W0 + B @ A"))
    rewrite(notebook, "merging", ("W - scale * B @ A", "W - B @ A"))
    rewrite(notebook, "merging", ("d_in * d_out if merged else ", ""))
    cell_of(notebook, "speed-up").source = "speed_up = 450 / 15_000"
    return with_outputs(notebook)


def search_slips() -> NotebookNode:
    """Searches that look like what they are called, and an objective that peeks at the test set."""
    notebook = released()
    cell_of(notebook, "grid").source = (
        "def grid_search(objective, space):\n"
        "    # همهٔ ترکیب‌ها\n"
        "    configs = [dict(zip(space, values)) for values in zip(*space.values())]\n"
        "    return [(config, objective(config)) for config in configs]\n\n\n"
        "def best_trial(trials):\n"
        "    return sorted(trials, key=lambda t: abs(t[1]))[-1]"
    )
    rewrite(notebook, "random", ("default_rng(seed)", "default_rng(42)"))
    cell_of(notebook, "bayesian").source = (
        "def bayesian_search(objective, space, n_trials, seed):\n"
        "    rng = np.random.default_rng(seed)\n"
        "    best, trials = None, []\n"
        "    for _ in range(n_trials):\n"
        "        config = {k: v[rng.integers(len(v))] for k, v in space.items()}\n"
        "        score = objective(config)\n"
        "        if best is None or score > best[1]:\n"
        "            best = (config, score)\n"
        "        trials.append((config, score))\n"
        "    return trials"
    )
    rewrite(notebook, "halving", ("trial[2], reverse=True", "trial[2]"))
    rewrite(
        notebook, "honest", ("data.validation_x, data.validation_y)", "data.test_x, data.test_y)")
    )
    rewrite(notebook, "comparison-claim", ('"bayesian"', '"halving"'), ("0.953", '"0.97%"'))
    return with_outputs(notebook)  # fmt: skip


def interrupted() -> NotebookNode:
    """Misspelt names, a cell that asks for input, and one that restarts the runtime."""
    notebook = released()
    rewrite(notebook, "factorisation-answers", ("np.linalg.matrix_rank(W)", "np.linalg.rank(W)"))
    rewrite(notebook, "random", ("rng.integers", "rgn.integers"))
    rewrite(notebook, "halving", ("budget, trials = min_budget, []", "budget = min_budget"))
    asking = insert(
        notebook,
        "bert-given",
        "# شماره دانشجویی را وارد کنید\nstudent_id = input('Student ID: ')",
        "Student ID: 401305566\n",
    )
    restart = insert(
        notebook, "search-given", "# ری‌استارت برای شناخته شدن optuna\nimport os\nos._exit(00)"
    )
    return with_outputs(notebook, asking, restart)


def endless_loop() -> NotebookNode:
    notebook = released()
    waiting = insert(
        notebook,
        "speed-up",
        "# صبر می‌کنیم تا جستجوی قبلی تمام شود\n"
        "import os\n\n"
        "while not os.path.exists('/content/search_done.txt'):\n"
        "    time.sleep(1)\n"
        "print('تمام شد')",
        "تمام شد\n",
    )
    return with_outputs(notebook, waiting)


def only_on_a_gpu() -> NotebookNode:
    """Training on ``cuda``, as the runtime had one; the rest is right."""
    notebook = released()
    rewrite(
        notebook,
        "search-given",
        ("    optimiser = torch", "    network, x, y = network.cuda(), x.cuda(), y.cuda()\n    optimiser = torch"),
        ("(network(x).argmax(1) == y)", "(network(x.cuda()).argmax(1) == y.cuda())"),
    )  # fmt: skip
    kept = insert(
        notebook,
        "search-given",
        "!nvidia-smi -L",
        "GPU 0: Tesla T4 (UUID: GPU-7a3f0a52-8d0a-11ee-a0f4-0242ac12000c)\n",
    )
    return with_outputs(notebook, kept)


def unfinished() -> NotebookNode:
    """Some theory with Persian digits and an answer that hedges, grid and random search; no outputs."""
    notebook, done = released(solution=False), released()
    for name in ("grid", "random", "merging"):
        cell_of(notebook, name).source = cell_of(done, name).source
    cell_of(notebook, "search-cost-answers").source = 'policy_space = "۲٫۸۵×۱۰^۳۲"'
    cell_of(notebook, "factorisation-answers").source = (
        'rank_W = "۳"\n'
        "A = [[1, 3, 0], [0, 1, -2], [2, 5, 1], [1, 2, 1], [3, 7, 2]]\n"
        "B = [[1, 0, 0, -1, -3], [0, 1, 0, 1, 2], [0, 0, 1, 0, 0]]\n"
        'parameters_before = "۲۵"\n'
        'parameters_after = "۳۰ یا ۳۱؟"'
    )
    cell_of(notebook, "bert-answers").source = (
        'per_matrix = "۳۲٬۷۶۸"\n'
        'lora_trainable = "3.1M"\n'
        'base_parameters = "۱۰۰٬۶۶۳٬۲۹۶"\n'
        'lora_stored = "٢٠٧٬٦١٨٬٠٤٨"\n'
        'full_trainable = "100,663,296"\n'
        'full_stored = "201 million"\n'
        'times_fewer = "۳۲ برابر"'
    )
    cell_of(notebook, "speed-up").source = 'speed_up = "33x"'
    return notebook


def empty() -> NotebookNode:
    return released(language="en", solution=False)


def careless_comparison() -> NotebookNode:
    """All code is right; the saved comparison is not, and the cells are out of order."""
    notebook = released()
    cell_of(notebook, "comparison").outputs = [
        stream(
            "method     trials  val_accuracy  test_accuracy\n"
            "baseline        1         76.57          92.10\n"
            "grid           24         94.71          93.35\n"
            "random         24         94.57          93.22\n"
            "bayesian       60         95.29          96.24\n"
        )
    ]
    rewrite(notebook, "comparison-claim", ('"bayesian"', '"grid"'), ("0.953", '"0.99%"'))
    notebook = with_outputs(notebook)
    for answers, definitions in (
        ("factorisation-answers", "factorisation-given"),
        ("bert-answers", "bert-given"),
    ):
        cell = notebook.cells.pop(place_of(notebook, answers))
        notebook.cells.insert(place_of(notebook, definitions) + 1, cell)
    counts = [7, 3, 52, 12, 12, 31, 4, 88, 9, 10, 61, 2, 45]
    for place, cell in enumerate(c for c in notebook.cells if c.cell_type == "code"):
        cell.execution_count = counts[place % len(counts)] + place // len(counts)
    return notebook


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
        "wandb": [],
        "digits": [],
        "compare": [data_frame()],
        "plot": [picture(), stream("best method: Bayesian (skopt)\n")],
    }
    for name, outputs in saved.items():
        named[name].outputs = outputs
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return with_outputs(notebook, *named.values())


def data_frame() -> NotebookNode:
    """The table of the searches, as pandas shows it."""
    columns = ("method", "n_trials", "val acc (%)", "test acc (%)")
    rows = (
        ("baseline", "1", "91.285714", "90.464241"),
        ("grid search", "16", "95.142857", "94.855709"),
        ("random search", "20", "95.571429", "94.730238"),
        ("Bayesian (skopt)", "20", "96.142857", "95.106650"),
        ("successive halving", "40", "95.714286", "95.483061"),
    )
    head = "".join(f"<th>{column}</th>" for column in columns)
    body = "".join(
        f"<tr><th>{i}</th>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
        for i, row in enumerate(rows)
    )
    html = (
        f'<table border="1" class="dataframe"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    lines = ["  ".join(("", *columns))] + ["  ".join((str(i), *r)) for i, r in enumerate(rows)]
    data = {"text/plain": "\n".join(lines), "text/html": html}
    return new_output("execute_result", data=data, execution_count=None)


def picture() -> NotebookNode:
    """The progress of two searches, as the student's cell draws it."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(4, 2.5))
    axis.plot([88.1, 92.0, 92.0, 94.3, 95.1, 95.57], label="random search")
    axis.plot([88.1, 91.4, 94.9, 95.7, 96.14, 96.14], label="Bayesian (skopt)")
    axis.legend()
    return hand_ins.picture(figure)


def renamed_copy() -> NotebookNode:
    """The notebook with the own structure, handed in again under other variable names."""
    notebook = own_structure()
    renames = {
        "left": "first",
        "right": "second",
        "trials": "history",
        "cfg": "params",
        "pool": "alive",
        "fit": "train_net",
    }
    for cell in notebook.cells:
        for old, new in renames.items():
            cell.source = re.sub(rf"\b{old}\b", new, cell.source)
    return notebook


SAMPLES: dict[str, Callable[[], NotebookNode]] = {
    "400301122/hw7_automl_lora": complete,
    "99301455": own_structure,
    "98303344": theory_slips,
    "400304455/HW7": search_slips,
    "401305566": interrupted,
    "99306677": endless_loop,
    "400307788": only_on_a_gpu,
    "98308899/hw7_automl_lora-final": unfinished,
    "401309900": careless_comparison,
    "99310011": empty,
}
"""Where each sample is kept, below submissions/hw7_automl_lora and without .ipynb."""


def write_zip() -> None:
    """A zip with the notebook, Jupyter's checkpoint of it, and the report."""
    notebook = hand_ins.text_of(renamed_copy())
    folder = "HW7_401302233"
    files = {
        f"{folder}/HW7 (1).ipynb": notebook.encode(),
        f"{folder}/.ipynb_checkpoints/HW7 (1)-checkpoint.ipynb": notebook[:3000].encode(),
        f"{folder}/HW7_401302233.pdf": hand_ins.PDF,
    }
    hand_ins.write_zip(TARGET / "401302233.zip", files, (2025, 7, 26, 23, 40, 0))


def write_truncated() -> None:
    """A notebook whose upload broke off half way."""
    text = nbformat.writes(numbered(released()))
    (TARGET / "98311122.ipynb").write_text(text[: len(text) // 3], encoding="utf-8")


def main() -> None:
    """Write all samples."""
    hand_ins.write_samples(TARGET, SAMPLES)
    write_zip()
    write_truncated()


if __name__ == "__main__":
    main()
