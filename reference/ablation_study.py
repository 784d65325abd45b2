# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] lang="fa"
# # مطالعهٔ حذفی (Ablation Study)
#
# در مطالعهٔ حذفی، جزئی از یک مدل را از کار می‌اندازیم تا ببینیم آن جزء چه سهمی در نتیجه دارد. پنج پرسش و ۱۰۰ نمره دارید: نظریه (۲۰)، یک شبکهٔ ساده (۱۰)، حذف یک جزء از مدل آموزش‌دیده (۳۰)، آموزش بدون یک جزء (۲۵) و یک آزمایش کامل با نتیجه‌گیری (۱۵).
#
# **چطور پاسخ بدهید**
#
# - هر جا `# your code here` آمده کد خودتان را بنویسید و هر جا «پاسخ شما» آمده توضیح خودتان را.
# - نام تابع‌ها و متغیرها را همان‌طور که هست نگه دارید. اگر نوت‌بوک دیگری با ساختار دیگری دارید که به همان نتیجه‌ها می‌رسد، پذیرفته است؛ فقط نام‌های آشنا پیدا کردن پاسخ را آسان‌تر می‌کنند.
# - جای پاسخ‌های عددی، `۱۲`، `12` و `"12"` یکی هستند.
# - خانه‌هایی که برچسب `recorded` دارند هنگام تصحیح دوباره اجرا نمی‌شوند: خودتان اجرایشان کنید و نوت‌بوک را **با خروجی‌ها** تحویل دهید.
# - اگر جایی به نتیجه نرسیدید، خانه را خالی بگذارید و جلو بروید. هر خانه جدا سنجیده می‌شود.

# %% [markdown] lang="en"
# # Ablation study
#
# In an ablation study we disable a part of a model to see what that part contributes. Five questions, 100 points: theory (20), a simple network (10), ablating a part of a trained model (30), training without a part (25), and a whole experiment with its conclusion (15).
#
# **How to answer**
#
# - Write code wherever `# your code here` stands, and prose wherever "Your answer" stands.
# - Keep the names of functions and variables. A notebook of your own, built differently but reaching the same results, is welcome too; familiar names only make your answers easier to find.
# - For numeric answers `12`, `"12"` and `"۱۲"` are all the same.
# - Cells tagged `recorded` are not run again when your work is graded: run them yourself and hand in the notebook **with its outputs**.
# - Stuck? Leave the cell and go on. Cells are judged one by one.

# %% name="setup"
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# %% [markdown] lang="fa"
# ---
# ## پرسش ۱. نظریه (۲۰ نمره)
#
# **الف (۴ نمره).** مطالعهٔ حذفی چیست؟ بگویید چه چیزی را حذف می‌کنیم، چه چیزی را ثابت نگه می‌داریم و چه چیزی را با چه چیزی مقایسه می‌کنیم. «حذف پس از آموزش» با «آموزش بدون آن جزء» چه فرقی دارد؟

# %% [markdown] lang="en"
# ---
# ## Question 1. Theory (20 points)
#
# **a (4 points).** What is an ablation study? Say what is removed, what is held fixed, and what is compared with what. How does removing a component *after* training differ from training *without* it?

# %% [markdown] lang="fa" answer="theory/definition"
# در مطالعهٔ حذفی یک جزء (لایه، شاخه، ویژگی ورودی، گام پیش‌پردازش یا جمله‌ای از تابع هزینه) را حذف یا غیرفعال می‌کنیم و سنجهٔ عملکرد را با مدل کامل مقایسه می‌کنیم. هر چیز دیگر، یعنی داده، تقسیم آموزش و آزمون، ابرپارامترها، تعداد دوره‌ها و دانهٔ تصادفی، ثابت می‌ماند تا تفاوت را بتوان به همان جزء نسبت داد. افت سنجه، سهم آن جزء است.
#
# حذف پس از آموزش نشان می‌دهد مدلی که داریم چقدر به آن جزء **تکیه کرده است**؛ بقیهٔ مدل برای نبودنش آماده نشده و افت معمولاً بزرگ است. آموزش بدون آن جزء نشان می‌دهد آیا به آن **نیاز بوده است**؛ بقیهٔ مدل فرصت جبران دارد و افت معمولاً کوچک‌تر است.

# %% [markdown] lang="en" answer="theory/definition"
# In an ablation study one component (a layer, a branch, an input feature, a step of preprocessing, a term of the loss) is removed or disabled, and performance is compared with that of the whole model. Everything else, that is data, split, hyperparameters, number of epochs and random seed, is held fixed, so that the difference can be put down to that component. The drop is its contribution.
#
# Removing it after training shows how much the model at hand **relies** on it: the rest was never prepared for its absence, and the drop is usually large. Training without it shows whether it was **needed**: the rest has the chance to make up for it, and the drop is usually smaller.

# %% [markdown] lang="fa"
# **ب (۶ نمره).** شش سود مطالعهٔ حذفی را نام ببرید و هر کدام را در یک جمله با یک مثال توضیح دهید.

# %% [markdown] lang="en"
# **b (6 points).** Name six benefits of ablation studies, and explain each in one sentence with an example.

# %% [markdown] lang="fa" answer="theory/benefits"
# ۱. **فهم مدل:** می‌بینیم کدام بخش چه کاری می‌کند؛ مثلاً با حذف یک شاخهٔ ۵×۵ معلوم می‌شود بافت‌های بزرگ را همان شاخه می‌شناسد.
#
# ۲. **اهمیت ویژگی‌ها:** با کنار گذاشتن یک ویژگی ورودی، مثلاً کانال رنگ، سهم آن را اندازه می‌گیریم.
#
# ۳. **تحلیل جزءبه‌جزء:** در مدلی با چند نوآوری معلوم می‌شود هر کدام چقدر از بهبود را ساخته است، نه فقط همه با هم.
#
# ۴. **بهینه‌سازی:** جزئی که حذفش چیزی را بدتر نمی‌کند، کنار می‌رود و مدل کوچک‌تر و سریع‌تر می‌شود.
#
# ۵. **پایداری:** می‌سنجیم اگر بخشی از کار بیفتد، مثلاً یکی از حسگرها قطع شود، مدل چقدر دوام می‌آورد.
#
# ۶. **عیب‌یابی:** اگر حذف لایه‌ای که باید مهم باشد هیچ اثری نداشته باشد، یا نتیجه را بهتر کند، احتمالاً آن لایه درست وصل نشده یا خطایی دارد.

# %% [markdown] lang="en" answer="theory/benefits"
# 1. **Understanding the model:** we see which part does what; without its 5×5 branch, say, a network no longer recognises coarse textures.
#
# 2. **Feature importance:** leaving out an input feature, such as the colour channels, measures what it contributes.
#
# 3. **Component-by-component analysis:** in a model with several novelties we learn how much of the gain each one brings, not only all of them together.
#
# 4. **Optimisation:** a component whose removal costs nothing can go, and the model becomes smaller and faster.
#
# 5. **Robustness:** we measure how well the model bears the loss of a part, for example of one sensor.
#
# 6. **Debugging:** when removing a layer that ought to matter changes nothing, or even helps, that layer is probably wired wrongly or has a bug.

# %% [markdown] lang="fa"
# **پ (۶ نمره).** سه چالش مطالعهٔ حذفی را توضیح دهید و برای هر کدام راهی برای کم کردن اثرش پیشنهاد کنید.

# %% [markdown] lang="en"
# **c (6 points).** Explain three challenges of ablation studies, and suggest for each a way to soften it.

# %% [markdown] lang="fa" answer="theory/challenges"
# **برهم‌کنش جزءها.** اثر دو جزء با هم لزوماً جمع اثرهای تک‌تک نیست. اگر دو جزء جانشین یکدیگر باشند، حذف هر کدام به‌تنهایی بی‌اثر به نظر می‌رسد، ولی حذف هر دو مدل را خراب می‌کند. راه: جزءهای مشکوک را دوتایی هم حذف کنیم.
#
# **هزینهٔ محاسبه.** با $k$ جزء و $s$ دانهٔ تصادفی، آموزش دوباره $(k+1)s$ بار لازم است و همهٔ زیرمجموعه‌ها $2^k$ بار. راه: نخست حذف پس از آموزش که بازآموزی نمی‌خواهد، سپس بازآموزی فقط برای جزءهای مهم؛ یا دادهٔ کمتر و دورهٔ کمتر برای غربال اولیه.
#
# **تعمیم محدود.** نتیجه برای همین معماری، داده و ابرپارامترهاست و شاید جای دیگر برقرار نباشد؛ تفاوت‌های کوچک هم ممکن است فقط نوفهٔ دانهٔ تصادفی باشند. راه: چند دانه، گزارش میانگین و پراکندگی، و تکرار روی مجموعه‌دادهٔ دوم.

# %% [markdown] lang="en" answer="theory/challenges"
# **Interactions.** The effect of two components together need not be the sum of their single effects. Where two can stand in for each other, removing either seems harmless while removing both ruins the model. Remedy: ablate suspicious components in pairs as well.
#
# **Computing cost.** With $k$ components and $s$ seeds, retraining takes $(k+1)s$ runs, and all subsets $2^k$. Remedy: first ablate after training, which needs no retraining, then retrain for the important components only; or screen with less data and fewer epochs.
#
# **Limited generalisation.** A result belongs to this architecture, data set and these hyperparameters and may not hold elsewhere; small differences may be nothing but the noise of the seed. Remedy: several seeds, mean and spread in the report, and a repetition on a second data set.

# %% [markdown] lang="fa"
# **ت (۴ نمره).** چهار کاربرد مطالعهٔ حذفی را نام ببرید: هر بار بگویید چه چیزی حذف می‌شود و چه پرسشی پاسخ می‌گیرد.

# %% [markdown] lang="en"
# **d (4 points).** Name four uses of ablation studies: each time, what is removed, and which question does that answer?

# %% [markdown] lang="fa" answer="theory/uses"
# **معماری‌ها:** یک لایه، شاخه یا اتصال میان‌بر را برمی‌داریم تا ببینیم آیا به آن نیاز هست.
#
# **اهمیت ویژگی‌ها:** یک ویژگی یا گروهی از ویژگی‌های ورودی را حذف می‌کنیم تا بدانیم مدل تصمیمش را بر چه اساسی می‌گیرد.
#
# **ابرپارامترها و روش آموزش:** حذف تصادفی، کاهش وزن، داده‌افزایی یا زمان‌بندی نرخ یادگیری را خاموش می‌کنیم تا ببینیم هر کدام چقدر در نتیجه سهم دارد.
#
# **مدل‌های خاص یک حوزه:** بخش ویژهٔ آن حوزه را حذف می‌کنیم؛ مثلاً یکی از تصویرهای MRI در تشخیص پزشکی، یا رمزگذاری مکان در یک مدل زبانی، تا بدانیم دانش آن حوزه واقعاً کمک می‌کند یا نه.

# %% [markdown] lang="en" answer="theory/uses"
# **Architectures:** take out a layer, a branch or a shortcut to see whether it is needed.
#
# **Feature importance:** drop an input feature, or a group of them, to learn what the model bases its decision on.
#
# **Hyperparameters and training methods:** switch off dropout, weight decay, augmentation or the learning-rate schedule to see how much of the result each accounts for.
#
# **Domain-specific models:** remove the part made for the domain, for example one MRI sequence in a medical diagnosis or the positional encoding of a language model, to learn whether knowledge of the domain really helps.

# %% [markdown] lang="fa"
# ---
# ## پرسش ۲. یک شبکهٔ ساده (۱۰ نمره)
#
# `SimpleNet` تصویرهای ۳×۳۲×۳۲ را به ده امتیاز می‌برد: کانولوشن ۳×۳ با ۶۴ فیلتر که اندازهٔ تصویر را نگه می‌دارد، ReLU، تخت کردن، و یک لایهٔ خطی. خروجی به `cross_entropy` داده می‌شود.
#
# - **الف (۶ نمره).** شبکه را بنویسید. نام لایه‌ها با شماست.
# - **ب (۴ نمره).** تعداد پارامترهای لایهٔ کانولوشن، لایهٔ خطی و کل شبکه را با دست حساب کنید و در سه متغیر زیر بگذارید. سپس `parameters_by_layer` را بنویسید که همین را برای هر مدلی می‌شمارد و با شبکه‌های دیگری هم آزموده می‌شود.

# %% [markdown] lang="en"
# ---
# ## Question 2. A simple network (10 points)
#
# `SimpleNet` maps 3×32×32 images to ten scores: a 3×3 convolution with 64 filters that keeps the size of the image, ReLU, flattening, and one linear layer. Its output goes into `cross_entropy`.
#
# - **a (6 points).** Write the network. What you call its layers is up to you.
# - **b (4 points).** Work out by hand how many parameters the convolution, the linear layer and the whole network have, and put them into the three variables below. Then write `parameters_by_layer`, which counts them for any model; it is tried on other networks too.


# %% name="simple-net"
class SimpleNet(nn.Module):
    """Convolution, ReLU, flatten, linear: images (n, 3, 32, 32) to scores (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        # BEGIN SOLUTION
        self.conv = nn.Conv2d(3, 64, kernel_size=3, padding=1)
        self.fc = nn.Linear(64 * 32 * 32, 10)
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return self.fc(F.relu(self.conv(x)).flatten(1))
        # END SOLUTION


# %% name="simple-net-parameters"
# BEGIN SOLUTION
conv_parameters = 3 * 3 * 3 * 64 + 64
linear_parameters = 64 * 32 * 32 * 10 + 10
total_parameters = conv_parameters + linear_parameters
# END SOLUTION


# %% name="parameters-by-layer"
def parameters_by_layer(model: nn.Module) -> dict[str, int]:
    """Return the number of parameters of each layer by its name, for layers that have any.

    A layer is a module with parameters of its own; names are those of ``model.named_modules()``.
    """
    # BEGIN SOLUTION
    counts = {
        name: sum(p.numel() for p in layer.parameters(recurse=False))
        for name, layer in model.named_modules()
    }
    return {name: count for name, count in counts.items() if count}
    # END SOLUTION


# %% [markdown] lang="fa"
# ---
# ## پرسش ۳. حذف از مدل آموزش‌دیده (۳۰ نمره)
#
# در این تمرین، **جزء** یعنی یک زیرماژول با نامی که در `model.named_modules()` دارد (مانند `"left"` یا `"block1.0"`) و **حذف** آن یعنی خروجی‌اش برای هر ورودی صفر شود. بقیهٔ مدل دست‌نخورده می‌ماند.
#
# `Panel` سه شاخه دارد. هر شاخه چهار تا از دوازده اندازه‌گیری را می‌بیند و به سه کلاس رأی می‌دهد؛ رأی‌ها جمع می‌شوند. خانهٔ زیر داده را می‌سازد و مدل را آموزش می‌دهد. `fit` یک حلقهٔ آموزش معمولی است.

# %% [markdown] lang="en"
# ---
# ## Question 3. Ablating a trained model (30 points)
#
# Here a **component** is a submodule under its name in `model.named_modules()` (such as `"left"` or `"block1.0"`), and **ablating** it means that it outputs zero, whatever its input. The rest of the model is left alone.
#
# A `Panel` has three branches. Each looks at four of twelve measurements and votes for three classes; the votes are added. The next cell makes the data and trains the model. `fit` is an ordinary training loop.


# %% name="panel"
class Panel(nn.Module):
    """Three branches vote on twelve measurements (n, 12): scores (n, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(4, 3)
        self.right = nn.Linear(4, 3)
        self.extra = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.left(x[:, :4]) + self.right(x[:, 4:8]) + self.extra(x[:, 8:])


def measure(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw `n` measurements (n, 12) and their classes (n,)."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    centres = np.array([[2, 0, 0, 1], [0, 2, 0, -1], [0, 0, 2, 0]])[classes]
    measurements = 1 + np.hstack([centres, centres, 0.3 * centres]) + rng.normal(size=(n, 12))
    return torch.tensor(measurements), torch.tensor(classes)


def fit(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    epochs: int,
) -> list[float]:
    """Train `model` on all `batches` (inputs and labels) in each epoch; return its mean losses."""
    history = []
    model.train()
    for _ in range(epochs):
        losses = []
        for inputs, labels in batches:
            loss = F.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        history.append(float(np.mean(losses)))
    return history


panel_train, panel_test = measure(300, seed=1), measure(400, seed=2)
panel = Panel().double()
for parameter in panel.parameters():
    nn.init.zeros_(parameter)
fit(panel, [panel_train], torch.optim.SGD(panel.parameters(), lr=0.2), epochs=100)

# %% [markdown] lang="fa"
# **الف (۴ نمره).** `evaluate` میانگین cross-entropy و دقت (کسری بین ۰ و ۱) را روی داده‌های داده‌شده برمی‌گرداند. مدل را در حالت ارزیابی بسنجید.

# %% [markdown] lang="en"
# **a (4 points).** `evaluate` returns the mean cross-entropy and the accuracy (a fraction from 0 to 1) on the given data. Measure the model in evaluation mode.


# %% name="evaluate"
def evaluate(model: nn.Module, inputs: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return (loss, accuracy) of `model` on inputs (n, ...) with labels (n,)."""
    # BEGIN SOLUTION
    was_training = model.training
    model.eval()
    with torch.no_grad():
        scores = model(inputs)
    model.train(was_training)
    loss = F.cross_entropy(scores, labels)
    accuracy = (scores.argmax(dim=1) == labels).double().mean()
    return loss.item(), accuracy.item()
    # END SOLUTION


# %% [markdown] lang="fa"
# **ب (۱۸ نمره).** `ablated` یک مدیر زمینه (context manager) است:
#
# ```python
# with ablated(panel, "left") as model:
#     ...  # اینجا خروجی left صفر است
# # اینجا panel بیت‌به‌بیت همان است که بود
# ```
#
# - ۸ نمره: درون بلوک فقط همان جزء حذف شده است.
# - ۱۰ نمره: پس از بلوک، وضعیت مدل (`state_dict`) بیت‌به‌بیت همان است که بود، حتی اگر درون بلوک خطایی رخ دهد؛ آن خطا باید به بیرون برسد. بلوک‌ها را می‌توان در هم گذاشت، و بهینه‌سازی که پیش‌تر برای مدل ساخته شده باید پس از آن هم کار کند.

# %% [markdown] lang="en"
# **b (18 points).** `ablated` is a context manager:
#
# ```python
# with ablated(panel, "left") as model:
#     ...  # here the output of left is zero
# # here panel is bit for bit what it was
# ```
#
# - 8 points: inside the block that component is ablated, and nothing else.
# - 10 points: after the block the state of the model (`state_dict`) is bit for bit what it was, also when an exception is raised inside; that exception must reach the outside. Blocks may be nested, and an optimiser that was made for the model before must still work afterwards.


# %% name="ablated"
@contextmanager
def ablated(model: nn.Module, component: str) -> Iterator[nn.Module]:
    """Within the ``with`` block the output of `component` is zero; then `model` is as it was."""
    # BEGIN SOLUTION
    parameters = list(model.get_submodule(component).parameters())
    saved = [p.detach().clone() for p in parameters]
    try:
        with torch.no_grad():
            for p in parameters:
                p.zero_()
        yield model
    finally:
        with torch.no_grad():
            for p, value in zip(parameters, saved, strict=True):
                p.copy_(value)
    # END SOLUTION


# %% [markdown] lang="fa"
# **پ (۸ نمره).** `ablation_effects` برای هر جزء، جدا از بقیه، افت دقت (دقت مدل کامل منهای دقت پس از حذف) و افزایش هزینه (هزینه پس از حذف منهای هزینهٔ مدل کامل) را برمی‌گرداند. نتیجه را برای سه شاخهٔ `panel` روی `panel_test` در `panel_effects` بگذارید.

# %% [markdown] lang="en"
# **c (8 points).** For each component by itself, `ablation_effects` returns the drop in accuracy (accuracy of the whole model minus accuracy after the ablation) and the rise in loss (loss after the ablation minus loss of the whole model). Put the result for the three branches of `panel` on `panel_test` into `panel_effects`.


# %% name="effects"
def ablation_effects(
    model: nn.Module, components: Sequence[str], inputs: Tensor, labels: Tensor
) -> dict[str, tuple[float, float]]:
    """Return (drop in accuracy, rise in loss) for each of `components`."""
    # BEGIN SOLUTION
    loss, accuracy = evaluate(model, inputs, labels)
    effects = {}
    for component in components:
        with ablated(model, component):
            ablated_loss, ablated_accuracy = evaluate(model, inputs, labels)
        effects[component] = (accuracy - ablated_accuracy, ablated_loss - loss)
    return effects
    # END SOLUTION


# %% name="panel-effects"
# BEGIN SOLUTION
panel_effects = ablation_effects(panel, ("left", "right", "extra"), *panel_test)
# END SOLUTION

# %% [markdown] lang="fa"
# ---
# ## پرسش ۴. آموزش بدون یک جزء (۲۵ نمره)
#
# این حلقه در جزوه‌ای برای «آموزش با جزء حذف‌شده» آمده است:
#
# ```python
# for epoch in range(epochs):
#     for inputs, labels in batches:
#         for p in component.parameters():
#             p.data.zero_()                       # حذف
#         optimizer.zero_grad()
#         loss = F.cross_entropy(model(inputs), labels)
#         loss.backward()
#         optimizer.step()
# accuracy = evaluate(model, test_inputs, test_labels)
# ```
#
# **الف (۴ نمره).** برنامه را با کاغذ و قلم دنبال کنید. بهینه‌ساز SGD ساده است و جزء سه وزن دارد. دورهٔ آخر با وزن‌های `start_weight` آغاز می‌شود و سه دسته دارد؛ سطرهای `gradients` گرادیان هزینه نسبت به این سه وزن در هر دسته است، همان‌طور که `backward` حساب می‌کند. وزن‌ها هنگام `evaluate` چند هستند؟ پاسخ را در `weight_at_evaluation` بگذارید.

# %% [markdown] lang="en"
# ---
# ## Question 4. Training without a component (25 points)
#
# Some lecture notes give this loop for "training with an ablated component":
#
# ```python
# for epoch in range(epochs):
#     for inputs, labels in batches:
#         for p in component.parameters():
#             p.data.zero_()                       # ablate
#         optimizer.zero_grad()
#         loss = F.cross_entropy(model(inputs), labels)
#         loss.backward()
#         optimizer.step()
# accuracy = evaluate(model, test_inputs, test_labels)
# ```
#
# **a (4 points).** Follow the program with pencil and paper. The optimiser is plain SGD, and the component has three weights. The last epoch begins with the weights `start_weight` and has three batches; the rows of `gradients` are the gradients of the loss with respect to these weights in each batch, as `backward` computes them. What are the weights when `evaluate` is called? Put your answer into `weight_at_evaluation`.

# %% name="lecture-given"
learning_rate = 0.5
start_weight = np.array([0.8, -1.2, 0.4])
gradients = np.array([[0.2, -0.4, 0.6], [0.5, 0.1, -0.3], [-0.4, 0.6, 0.2]])

# %% name="lecture-answer"
# BEGIN SOLUTION
weight_at_evaluation = -learning_rate * gradients[-1]
# END SOLUTION

# %% [markdown] lang="fa"
# **ب (۲۱ نمره).** `train_ablated` را بنویسید: مانند `fit`، ولی جزء از آغاز تا پایان آموزش **و پس از آن، هنگام ارزیابی،** صفر است (۱۳ نمره)، و بقیهٔ مدل واقعاً یاد می‌گیرد (۸ نمره). بهینه‌ساز بر همهٔ پارامترهای مدل ساخته شده است و می‌تواند از هر نوعی باشد؛ شاید پیش‌تر هم چند گام با آن برداشته باشند. میانگین هزینهٔ هر دوره را برگردانید.

# %% [markdown] lang="en"
# **b (21 points).** Write `train_ablated`: like `fit`, except that the component is zero from the beginning of the training to its end **and after it, during evaluation** (13 points), while the rest of the model really learns (8 points). The optimiser was made for all parameters of the model and may be of any kind; it may have taken some steps before. Return the mean loss of each epoch.


# %% name="train-ablated"
def train_ablated(
    model: nn.Module,
    component: str,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    epochs: int,
) -> list[float]:
    """Train all of `model` but `component`, which stays zero; return the mean loss of each epoch."""
    # BEGIN SOLUTION
    parameters = list(model.get_submodule(component).parameters())

    def ablate() -> None:
        with torch.no_grad():
            for p in parameters:
                p.zero_()

    ablate()
    history = []
    model.train()
    for _ in range(epochs):
        losses = []
        for inputs, labels in batches:
            loss = F.cross_entropy(model(inputs), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ablate()  # the step has just moved the component away from zero
            losses.append(loss.item())
        history.append(float(np.mean(losses)))
    return history
    # END SOLUTION


# %% [markdown] lang="fa"
# ---
# ## پرسش ۵. یک آزمایش کامل (۱۵ نمره)
#
# **الف (۲ نمره).** `summarise` از افت‌های چند اجرا با دانه‌های تصادفی گوناگون، میانگین و پراکندگی (انحراف معیار نمونه) هر جزء را می‌دهد.
#
# **ب (۴ نمره).** `interaction` می‌گوید حذف دو جزء با هم چقدر بیش از جمع تک‌تک‌هایشان به دقت آسیب می‌زند: افت دقت با حذف هر دو، منهای افت با حذف اولی، منهای افت با حذف دومی. مقدار آن را برای `"left"` و `"right"` در `panel` روی `panel_test` در `panel_interaction` بگذارید و در `panel_relation` یکی از این‌ها را بنویسید:
#
# | `panel_relation` | رابطهٔ دو شاخه |
# |---|---|
# | `"redundant"` | هر کدام نبودِ دیگری را تا حدی جبران می‌کند |
# | `"independent"` | سهم هر کدام به بودن دیگری وابسته نیست |
# | `"complementary"` | هر کدام بدون دیگری کم‌ارزش است |

# %% [markdown] lang="en"
# ---
# ## Question 5. A whole experiment (15 points)
#
# **a (2 points).** From the drops of several runs with different seeds, `summarise` gives the mean and the spread (sample standard deviation) for each component.
#
# **b (4 points).** `interaction` says how much more ablating two components together hurts the accuracy than the two taken singly: the drop with both ablated, minus the drop with the first, minus the drop with the second. Put its value for `"left"` and `"right"` in `panel` on `panel_test` into `panel_interaction`, and write one of these into `panel_relation`:
#
# | `panel_relation` | how the two branches relate |
# |---|---|
# | `"redundant"` | each makes up in part for the absence of the other |
# | `"independent"` | what one contributes does not depend on the other |
# | `"complementary"` | each is worth little without the other |


# %% name="statistics"
def summarise(drops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and spread of each component, both (components,), from drops (seeds, components)."""
    # BEGIN SOLUTION
    return drops.mean(axis=0), drops.std(axis=0, ddof=1)
    # END SOLUTION


# %% name="interaction"
def interaction(model: nn.Module, first: str, second: str, inputs: Tensor, labels: Tensor) -> float:
    """Return the drop in accuracy without both components beyond the sum of the single drops."""
    # BEGIN SOLUTION
    _, accuracy = evaluate(model, inputs, labels)
    with ablated(model, first), ablated(model, second):
        _, accuracy_without_both = evaluate(model, inputs, labels)
    single = ablation_effects(model, (first, second), inputs, labels)
    return (accuracy - accuracy_without_both) - single[first][0] - single[second][0]
    # END SOLUTION


# %% name="panel-interaction"
# BEGIN SOLUTION
panel_interaction = interaction(panel, "left", "right", *panel_test)
panel_relation = "redundant"
# END SOLUTION

# %% [markdown] lang="fa"
# **پ (۷ نمره).** آزمایش (خانه‌های `recorded`). در `SimpleNet` تنها یک راه از ورودی به خروجی هست و با صفر شدن هر لایه‌اش فقط عددی ثابت می‌ماند؛ `ResidualNet` راه‌های میان‌بر دارد و برای این آزمایش مناسب‌تر است. مدل و داده را می‌توانید عوض کنید، ولی دست‌کم **دو جزء** و **سه دانهٔ تصادفی** لازم است.
#
# ۱. با هر دانه مدل را آموزش دهید، هر جزء را جداگانه حذف کنید و افت دقت روی داده‌های آزمون را اندازه بگیرید. جدولی چاپ کنید با یک سطر برای هر جزء و این ستون‌ها: نام جزء، افت در هر دانه (`seed 0`، `seed 1`، …)، میانگین (`mean`) و انحراف معیار (`std`). تابع `print_table` همین را از `summarise` شما می‌سازد؛ جدول pandas هم خوب است.
#
# ۲. میانگین‌ها را با یک نمودار میله‌ای نشان دهید و پراکندگی را به‌صورت میلهٔ خطا روی آن بگذارید.
#
# ۳. نام جزئی را که حذفش بیشترین آسیب را می‌زند، همان‌طور که در جدول آمده، به‌صورت متن در `most_important` بنویسید. این خانه هنگام تصحیح اجرا می‌شود، ولی متغیرهای خانه‌های `recorded` آنجا وجود ندارند.
#
# `load_images` داده‌های CIFAR-10 را می‌دهد و اگر torchvision یا اینترنت در دسترس نباشد، به‌جایش تصویرهای راه‌راهی از ده نوع می‌سازد تا بتوانید آزمایش را انجام دهید.

# %% [markdown] lang="en"
# **c (7 points).** The experiment (`recorded` cells). `SimpleNet` has a single path from input to output, and with either layer at zero only a constant is left; `ResidualNet` has paths around its blocks and suits the experiment better. You may change the model and the data, but need at least **two components** and **three seeds**.
#
# 1. For every seed train the model, ablate each component by itself, and measure the drop in accuracy on the test data. Print a table of one row per component with these columns: its name, the drop for every seed (`seed 0`, `seed 1`, …), the mean (`mean`) and the standard deviation (`std`). `print_table` makes it with your `summarise`; a table of pandas will do as well.
#
# 2. Show the means in a bar chart with the spread as error bars.
#
# 3. Write the name of the component whose ablation does the most harm into `most_important`, as a text and as it stands in the table. That cell is run in grading, where the variables of `recorded` cells do not exist.
#
# `load_images` gives CIFAR-10; where torchvision or the network is not at hand it draws striped pictures of ten kinds instead, so that you can do the experiment.


# %% name="residual-net"
class ResidualNet(nn.Module):
    """Three blocks with a path around each: images (n, 3, 32, 32) to scores (n, 10)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, kernel_size=3, stride=2, padding=1)
        self.block1 = self.block(width)
        self.block2 = self.block(width)
        self.block3 = self.block(width)
        self.head = nn.Linear(width, 10)

    @staticmethod
    def block(width: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel_size=3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.stem(x))
        h = F.relu(h + self.block1(h))
        h = F.max_pool2d(h, 2)
        h = F.relu(h + self.block2(h))
        h = F.relu(h + self.block3(h))
        return self.head(h.mean(dim=(2, 3)))


def draw_stripes(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Draw `n` noisy pictures (n, 3, 32, 32) in [-1, 1]: stripes of five angles, two widths."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 10)
    angle, waves, phase = (
        value.reshape(n, 1, 1)
        for value in (
            np.pi * (labels % 5) / 5 + 0.08 * rng.normal(size=n),
            np.where(labels < 5, 6, 11) * rng.uniform(0.9, 1.1, size=n),
            rng.uniform(0, 2 * np.pi, size=n),
        )
    )
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    stripes = np.sin(waves * (x * np.cos(angle) + y * np.sin(angle)) + phase)
    ink = rng.uniform(0.3, 1, size=(n, 3, 1, 1))
    pictures = 0.7 * ink * stripes[:, None] + 0.35 * rng.normal(size=(n, 3, 32, 32))
    return torch.tensor(pictures.clip(-1, 1), dtype=torch.float32), torch.tensor(labels)


def load_images(n_train: int, n_test: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return training images and labels, then test images and labels; pixels lie in [-1, 1]."""
    try:
        from torchvision.datasets import CIFAR10

        sets = [CIFAR10("data", train=train, download=True) for train in (True, False)]
    except (ImportError, OSError, RuntimeError) as reason:
        print(f"CIFAR-10 is not at hand ({type(reason).__name__}): drawing stripes instead.")
        return *draw_stripes(n_train, seed=1), *draw_stripes(n_test, seed=2)
    data: list[Tensor] = []
    for cifar, n in zip(sets, (n_train, n_test), strict=True):
        pixels = torch.tensor(cifar.data[:n]).permute(0, 3, 1, 2)
        data += [(pixels / 255 - 0.5) / 0.5, torch.tensor(cifar.targets[:n])]
    return data[0], data[1], data[2], data[3]


def print_table(title: str, components: Sequence[str], drops: np.ndarray) -> None:
    """Print drops (seeds, components) as the table that is asked for."""
    seeds = [f"seed {seed}" for seed in range(len(drops))]
    print(f"\n{title}\n")
    print("|", " | ".join(["component", *seeds, "mean", "std"]), "|")
    print("|---" * (len(seeds) + 3) + "|")
    for name, row, mean, std in zip(components, drops.T, *summarise(drops), strict=True):
        print("|", " | ".join([name, *(f"{value:.4f}" for value in (*row, mean, std))]), "|")


# %% name="experiment" tags=["recorded"]
def run_experiment() -> tuple[Sequence[str], np.ndarray]:
    """Train and ablate for every seed, print the table; return components and their drops.

    The drops in accuracy are of shape (seeds, components).
    """
    # BEGIN SOLUTION
    # Small enough for a minute on one CPU core; a GPU takes all of CIFAR-10 and more epochs.
    train_x, train_y, test_x, test_y = load_images(n_train=1000, n_test=500)
    batches = list(zip(train_x.split(50), train_y.split(50), strict=True))
    components = ("block1", "block2", "block3")
    seeds, epochs = 3, 8
    removed, retrained = np.zeros((2, seeds, len(components)))
    pairs = np.zeros(seeds)
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = ResidualNet()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
        history = fit(model, batches, optimizer, epochs)
        _, accuracy = evaluate(model, test_x, test_y)
        print(f"seed {seed}: loss {history[0]:.3f} to {history[-1]:.3f}, accuracy {accuracy:.4f}")
        effects = ablation_effects(model, components, test_x, test_y)
        removed[seed] = [effects[name][0] for name in components]
        pairs[seed] = interaction(model, "block2", "block3", test_x, test_y)
        for place, name in enumerate(components):
            torch.manual_seed(seed)
            model = ResidualNet()
            optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
            train_ablated(model, name, batches, optimizer, epochs)
            retrained[seed, place] = accuracy - evaluate(model, test_x, test_y)[1]
    print_table("Drop in accuracy, ablated after training", components, removed)
    print_table("Drop in accuracy, trained without the component", components, retrained)
    print(f"\nInteraction of block2 and block3: {pairs.mean():.4f} ± {pairs.std(ddof=1):.4f}")
    return components, removed
    # END SOLUTION


if __name__ == "__main__":
    components, drops = run_experiment()


# %% name="chart" tags=["recorded"]
def draw_chart(components: Sequence[str], drops: np.ndarray) -> None:
    """Draw a bar for the mean of each component, with its spread as an error bar."""
    # BEGIN SOLUTION
    mean, spread = summarise(drops)
    _, axis = plt.subplots(figsize=(5, 3.5))
    axis.bar(components, mean, yerr=spread, capsize=6)
    axis.set(xlabel="ablated component", ylabel="drop in accuracy")
    axis.axhline(0, color="k", linewidth=0.8)
    plt.tight_layout()
    plt.show()
    # END SOLUTION


if __name__ == "__main__":
    draw_chart(components, drops)

# %% name="conclusion"
# BEGIN SOLUTION
most_important = "block1"
# END SOLUTION

# %% [markdown] lang="fa"
# **ت (۲ نمره).** از جدول و نمودار خودتان چه نتیجه‌ای می‌گیرید؟ کدام تفاوت‌ها از پراکندگی بزرگ‌ترند، و نتیجه تا کجا اعتبار دارد؟

# %% [markdown] lang="en"
# **d (2 points).** What do you conclude from your own table and chart? Which differences are larger than the spread, and how far does the conclusion reach?

# %% [markdown] lang="fa" answer="experiment/discussion"
# (برای اجرای نمونه.) حذف `block1` پس از آموزش بیشترین افت را دارد (۰٫۶۶ ± ۰٫۲۰)، سپس `block3` (۰٫۲۶ ± ۰٫۰۱) و `block2` (۰٫۰۹ ± ۰٫۰۴). فاصله‌ها از پراکندگی میان دانه‌ها بزرگ‌ترند و ترتیب در هر سه دانه یکی است. حذف هم‌زمان `block2` و `block3` از جمع تک‌تک‌هایشان ۰٫۲۱ بدتر است: هر کدام نبودِ دیگری را تا حدی جبران می‌کند.
#
# وقتی مدل از آغاز بدون همان بلوک آموزش می‌بیند، هیچ افتی از پراکندگی‌اش بزرگ‌تر نیست: مدل آموزش‌دیده به `block1` تکیه کرده است، ولی این وظیفه به آن نیاز ندارد. نتیجه برای همین داده، همین اندازهٔ شبکه و سه دانه است؛ برای داده‌های سخت‌تر باید دوباره آزمود.

# %% [markdown] lang="en" answer="experiment/discussion"
# (For the sample run.) Ablated after training, `block1` costs most (0.66 ± 0.20), then `block3` (0.26 ± 0.01) and `block2` (0.09 ± 0.04). The distances are larger than the spread over the seeds, and the order is the same for all three. Ablating `block2` and `block3` together is 0.21 worse than the two singly: each makes up in part for the other.
#
# Trained from the start without a block, the model shows no drop that is larger than its spread: the trained model relies on `block1`, but this task does not need it. That holds for this data, this size of network and three seeds; harder data would have to be tried again.
