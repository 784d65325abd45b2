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
# # تمرین ۷: AutoML، رتبهٔ پایین و آداپتورها
#
# این تمرین چهار پرسش نظری و یک بخش عملی دارد و ۱۰۰ نمره است.
#
# **چطور پاسخ بدهید**
#
# - هر جا `# your code here` آمده کد خودتان را بنویسید و هر جا «پاسخ شما» آمده توضیح خودتان را.
# - نام تابع‌ها و متغیرها را همان‌طور که هست نگه دارید. نوت‌بوکی با ساختار دیگر هم اگر به همین نتیجه‌ها برسد پذیرفته است؛ نام‌های آشنا فقط پیدا کردن پاسخ را آسان‌تر می‌کنند.
# - عددها را هر طور راحت‌ترید بنویسید: `32768`، `"۳۲٬۷۶۸"`، `"2.85×10^32"` و `"33x"` همه خوانده می‌شوند. فقط یک پاسخ بدهید، نه دو احتمال.
# - خانه‌هایی که برچسب `recorded` دارند هنگام تصحیح دوباره اجرا نمی‌شوند: خودتان اجرایشان کنید و نوت‌بوک را **با خروجی‌ها** تحویل دهید.
# - اگر جایی به نتیجه نرسیدید، خانه را خالی بگذارید و جلو بروید. هر خانه جدا سنجیده می‌شود.

# %% [markdown] lang="en"
# # Assignment 7: AutoML, low rank, adapters
#
# Four questions of theory and a practical part: 100 points.
#
# **How to answer**
#
# - Write code wherever `# your code here` stands, and prose wherever "Your answer" stands.
# - Keep the names of functions and variables. A notebook built differently that reaches the same results is welcome too; familiar names only make your answers easier to find.
# - Write numbers as you like: `32768`, `"۳۲٬۷۶۸"`, `"2.85×10^32"` and `"33x"` are all read. Give one answer, not two possibilities.
# - Cells tagged `recorded` are not run again when your work is graded: run them yourself and hand in the notebook **with its outputs**.
# - Stuck? Leave the cell and go on. Cells are judged one by one.

# %% name="setup"
import itertools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# %% [markdown] lang="fa"
# ---
# ## بخش نظری
#
# ### پرسش ۱. جستجوی معماری و جستجوی داده‌افزایی (۲۰ نمره)
#
# دو خانواده از روش‌ها را کنار هم بگذارید: NAS (جستجوی معماری شبکه) و AutoAugment (جستجوی سیاست داده‌افزایی). در هر بند دربارهٔ **هر دو** بنویسید.
#
# **الف (۵ نمره). مسئله.** هر یک چه چیزی را جستجو می‌کند و بر چه اساسی می‌سنجد؟ فضای جستجو، راهبرد جستجو و روش ارزیابی را جدا کنید و بگویید مسئله چرا دو سطح دارد (وزن‌ها در درون، انتخاب در بیرون). زیرسیاست (sub-policy) چیست؟

# %% [markdown] lang="en"
# ---
# ## Theory
#
# ### Question 1. Searching for architectures and for augmentation (20 points)
#
# Set two families side by side: NAS (neural architecture search) and AutoAugment (search for an augmentation policy). In each part write about **both**.
#
# **a (5 points). The problem.** What does each of them search for, and by what is a candidate judged? Tell search space, search strategy and evaluation apart, and say why the problem has two levels (weights inside, the choice outside). What is a sub-policy?

# %% [markdown] lang="fa" answer="automl/problem"
# **NAS** به دنبال معماری $\alpha$ است: نوع لایه‌ها، اندازهٔ آن‌ها و اتصال میانشان. **AutoAugment** معماری را ثابت می‌گیرد و به دنبال سیاست داده‌افزایی $\pi$ است. هر دو سه جزء دارند:
#
# | | NAS | AutoAugment |
# |---|---|---|
# | فضای جستجو | عملگرها و اتصال‌ها (یا یک سلول که تکرار می‌شود) | ۵ زیرسیاست، هر کدام دو عملگر؛ هر عملگر با یک احتمال و یک شدت |
# | راهبرد جستجو | کنترلر RNN، تکامل، گرادیان (DARTS) | کنترلر RNN؛ در Fast AutoAugment بهینه‌سازی بیزی |
# | ارزیابی | دقت اعتبارسنجی شبکه‌ای که با این معماری آموزش دیده | دقت اعتبارسنجی شبکه‌ای که با این سیاست آموزش دیده |
#
# **زیرسیاست** دو عملگر است که پشت‌سرهم اجرا می‌شوند؛ برای هر تصویر (در هر دسته) یکی از زیرسیاست‌ها به تصادف برگزیده می‌شود و هر عملگرش با احتمال خود و با شدت خود اعمال می‌شود.
#
# مسئله **دوسطحی** است: $\max_\alpha \mathrm{ACC}_{val}\big(w^*(\alpha)\big)$ به شرط $w^*(\alpha) = \arg\min_w L_{train}(w, \alpha)$ و همین‌طور برای $\pi$. برای سنجیدن هر انتخاب بیرونی باید وزن‌ها را در درون آموزش داد؛ گرانی جستجو از همین‌جاست. انتخاب بیرونی باید با دادهٔ اعتبارسنجی سنجیده شود، نه با دادهٔ آموزش و نه با دادهٔ آزمون.

# %% [markdown] lang="en" answer="automl/problem"
# **NAS** looks for an architecture $\alpha$: kinds of layers, their sizes and how they are wired. **AutoAugment** keeps the architecture and looks for an augmentation policy $\pi$. Both have three parts:
#
# | | NAS | AutoAugment |
# |---|---|---|
# | search space | operations and connections (or a cell that is repeated) | 5 sub-policies of two operations; each operation with a probability and a magnitude |
# | search strategy | RNN controller, evolution, gradient (DARTS) | RNN controller; Bayesian optimisation in Fast AutoAugment |
# | evaluation | validation accuracy of a network trained with this architecture | validation accuracy of a network trained under this policy |
#
# A **sub-policy** is two operations run one after the other; for each image (of each batch) one of the sub-policies is drawn at random, and each of its operations is applied with its own probability and at its own magnitude.
#
# The problem has **two levels**: $\max_\alpha \mathrm{ACC}_{val}\big(w^*(\alpha)\big)$ subject to $w^*(\alpha) = \arg\min_w L_{train}(w, \alpha)$, and likewise for $\pi$. To judge one choice outside, the weights have to be trained inside; that is what makes the search expensive. The outer choice must be judged on validation data, neither on the training nor on the test set.

# %% [markdown] lang="fa"
# **ب (۵ نمره). سازوکار کنترل.** کنترلر چه تولید می‌کند، شبکهٔ فرزند چه نقشی دارد و پاداش چگونه به کنترلر بازمی‌گردد؟ حلقهٔ کنترلر–آموزش‌دهنده را در NAS و در AutoAugment شرح دهید و بگویید جستجوی سلولی (cell search) چه چیزی را عوض می‌کند.

# %% [markdown] lang="en"
# **b (5 points). The control mechanism.** What does the controller emit, what is the child network for, and how does the reward get back to the controller? Describe the controller–trainer loop of NAS and of AutoAugment, and say what cell search changes.

# %% [markdown] lang="fa" answer="automl/control"
# در **NAS** کنترلر یک RNN است که گام‌به‌گام توکن‌هایی تولید می‌کند: نوع عملگر، اندازهٔ کرنل، تعداد فیلتر، اتصال به لایه‌های پیشین. از این توکن‌ها یک **شبکهٔ فرزند** ساخته می‌شود، آموزش می‌بیند و دقت اعتبارسنجی‌اش پاداش $R$ است. کنترلر با گرادیان سیاست به‌روز می‌شود: $\nabla_\theta J \approx \frac1m\sum_k \sum_t \nabla_\theta \log P(a_t \mid a_{<t}; \theta)\,(R_k - b)$؛ $b$ میانگین متحرک پاداش‌هاست و واریانس را کم می‌کند. سپس نمونه‌های تازه می‌آید و حلقه تکرار می‌شود.
#
# **جستجوی سلولی** (NASNet) به‌جای همهٔ شبکه فقط یک سلول معمولی و یک سلول کاهنده را جستجو می‌کند؛ شبکه با تکرار آن‌ها ساخته می‌شود. فضا بسیار کوچک‌تر است و سلولی که روی CIFAR-10 پیدا شده با تکرار بیشتر به ImageNet منتقل می‌شود.
#
# در **AutoAugment** همان حلقه برقرار است، ولی خروجی کنترلر یک سیاست است: ۵ زیرسیاست × ۲ عملگر × ۳ تصمیم (نوع، احتمال، شدت) یعنی ۳۰ تصمیم softmax. شبکهٔ فرزند معماری ثابتی دارد، روی زیرمجموعه‌ای از داده با این سیاست آموزش می‌بیند و دقت اعتبارسنجی‌اش پاداش کنترلر است (با PPO). در پایان زیرسیاست‌های چند سیاست برتر کنار هم گذاشته می‌شود و شبکهٔ اصلی با آن‌ها آموزش می‌بیند.

# %% [markdown] lang="en" answer="automl/control"
# In **NAS** the controller is an RNN that emits tokens step by step: kind of operation, kernel size, number of filters, connections to earlier layers. From these tokens a **child network** is built and trained, and its validation accuracy is the reward $R$. The controller is updated by the policy gradient $\nabla_\theta J \approx \frac1m\sum_k \sum_t \nabla_\theta \log P(a_t \mid a_{<t}; \theta)\,(R_k - b)$, where $b$ is a moving average of the rewards that lowers the variance. Then new samples are drawn and the loop goes on.
#
# **Cell search** (NASNet) searches for one normal and one reduction cell instead of a whole network, which is then built by repeating them. The space is far smaller, and a cell found on CIFAR-10 moves to ImageNet by being stacked more often.
#
# **AutoAugment** runs the same loop, but the controller emits a policy: 5 sub-policies × 2 operations × 3 decisions (type, probability, magnitude), 30 softmax decisions in all. The child has a fixed architecture, is trained under that policy on a subset of the data, and its validation accuracy is the controller's reward (with PPO). At the end the sub-policies of the best few policies are pooled, and the real network is trained with them.

# %% [markdown] lang="fa"
# **پ (۵ نمره). هزینهٔ فضای جستجو.**
#
# ۱. فضای AutoAugment: ۱۶ عملگر، ۱۰ شدت و ۱۱ احتمال برای هر عملگر؛ هر زیرسیاست دو عملگر دارد و هر سیاست پنج زیرسیاست. تکرار مجاز است و ترتیب اهمیت دارد. تعداد سیاست‌ها را در `policy_space` بگذارید (دو رقم معنادار بس است) و تابع `count_policies` را برای هر اندازه‌ای بنویسید.
#
# ۲. EfficientNet معماری پایه‌اش را با پاداشی پیدا می‌کند که دقت و هزینه را با هم می‌سنجد: $\mathrm{ACC}(m)\times\left[\frac{\mathrm{FLOPS}(m)}{T}\right]^w$ که $T$ هزینهٔ هدف است و $w=-0.07$. تابع `scaled_reward` را بنویسید.

# %% [markdown] lang="en"
# **c (5 points). What the search space costs.**
#
# 1. AutoAugment's space: 16 operations, 10 magnitudes and 11 probabilities for each operation; a sub-policy has two operations, a policy five sub-policies. Repetition is allowed and order matters. Put the number of policies into `policy_space` (two significant digits will do), and write `count_policies` for any sizes.
#
# 2. EfficientNet finds its base architecture with a reward that weighs accuracy against cost: $\mathrm{ACC}(m)\times\left[\frac{\mathrm{FLOPS}(m)}{T}\right]^w$, where $T$ is the target cost and $w=-0.07$. Write `scaled_reward`.


# %% name="search-cost"
def count_policies(
    operations: int, magnitudes: int, probabilities: int, per_subpolicy: int, subpolicies: int
) -> int:
    """Return the number of augmentation policies."""
    # BEGIN SOLUTION
    choices = operations * magnitudes * probabilities
    return choices ** (per_subpolicy * subpolicies)
    # END SOLUTION


def scaled_reward(accuracy: float, flops: float, target: float, w: float = -0.07) -> float:
    """Return the reward of a model of this accuracy and cost (Tan & Le 2019, section 4)."""
    # BEGIN SOLUTION
    return accuracy * (flops / target) ** w
    # END SOLUTION


# %% name="search-cost-answers"
# BEGIN SOLUTION
policy_space = count_policies(16, 10, 11, per_subpolicy=2, subpolicies=5)
# END SOLUTION

# %% [markdown] lang="fa"
# ۳. این بزرگی چرا جستجو را گران می‌کند؟ برای NAS و برای AutoAugment دست‌کم یک راه کم کردن هزینه بیاورید.

# %% [markdown] lang="en"
# 3. Why does a space of this size make the search expensive? Give at least one way of lowering the cost, for NAS and for AutoAugment.

# %% [markdown] lang="fa" answer="automl/cheaper"
# هزینه = تعداد نامزدهایی که ارزیابی می‌شوند × هزینهٔ ارزیابی هر نامزد. با $10^{32}$ نامزد فقط کسر ناچیزی دیده می‌شود، و دیدن هر کدام یعنی یک آموزش کامل: NAS نخستین حدود ۲۲٬۰۰۰ GPU-روز و AutoAugment روی ImageNet حدود ۱۵٬۰۰۰ GPU-ساعت خرج کرد.
#
# - **نامزدهای کمتر یا فضای کوچک‌تر**: جستجوی سلولی در NAS؛ در RandAugment دو عدد (تعداد عملگر و یک شدت مشترک) به‌جای همهٔ سیاست.
# - **ارزیابی ارزان‌تر**: دادهٔ کمتر، شبکهٔ کوچک‌تر یا دورهٔ کمتر به‌عنوان نماینده؛ وزن مشترک میان نامزدها (ENAS، DARTS)؛ در Fast AutoAugment ارزیابی سیاست بدون آموزش دوباره.
# - **راهبرد کارآمدتر**: گرادیان (DARTS) یا بهینه‌سازی بیزی به‌جای یادگیری تقویتی.
#
# پاداش EfficientNet هزینهٔ *مدل نهایی* را مهار می‌کند، نه هزینهٔ جستجو را: مدلی که از $T$ گران‌تر باشد پاداش کمتری می‌گیرد.

# %% [markdown] lang="en" answer="automl/cheaper"
# The cost is the number of candidates evaluated times the cost of evaluating one. Of $10^{32}$ candidates only a vanishing share can be looked at, and a look is a whole training: the first NAS took about 22,000 GPU days, AutoAugment on ImageNet about 15,000 GPU hours.
#
# - **Fewer candidates, a smaller space**: cell search for NAS; RandAugment's two numbers (how many operations, one common magnitude) in place of a whole policy.
# - **A cheaper evaluation**: less data, a smaller network or fewer epochs as a proxy; weights shared among candidates (ENAS, DARTS); Fast AutoAugment judges a policy without training again.
# - **A better strategy**: gradients (DARTS) or Bayesian optimisation instead of reinforcement learning.
#
# EfficientNet's reward keeps the cost of the *final model* in check, not that of the search: a model dearer than $T$ earns less.

# %% [markdown] lang="fa"
# **ت (۵ نمره). نقش یادگیری تقویتی، بهینه‌سازی بیزی و تطبیق چگالی.** هر یک کجا به کار می‌رود و چه چیزی را ممکن می‌کند؟ جای DARTS و Fast AutoAugment را هم نشان دهید.

# %% [markdown] lang="en"
# **d (5 points). The roles of reinforcement learning, Bayesian optimisation and density matching.** Where is each of them used, and what does it make possible? Show where DARTS and Fast AutoAugment belong.

# %% [markdown] lang="fa" answer="automl/roles"
# **یادگیری تقویتی.** انتخاب‌ها گسسته‌اند و پاداش (دقت اعتبارسنجی پس از یک آموزش) نسبت به آن‌ها مشتق ندارد. گرادیان سیاست فقط نمونه و پاداش می‌خواهد؛ برای همین NAS (با REINFORCE) و AutoAugment (با PPO) از آن استفاده کردند. بهایش هزاران آموزش کامل است.
#
# **DARTS** مسئله را پیوسته می‌کند: هر یال ترکیب softmax همهٔ عملگرهاست، $\bar o(x) = \sum_o \frac{e^{\alpha_o}}{\sum_{o'} e^{\alpha_{o'}}}\, o(x)$. حالا $\alpha$ با گرادیان خطای اعتبارسنجی و $w$ با گرادیان خطای آموزش، یک‌درمیان به‌روز می‌شوند و در پایان بر هر یال قوی‌ترین عملگر می‌ماند. یادگیری تقویتی لازم نیست و یک آموزش جای هزاران آموزش را می‌گیرد.
#
# **بهینه‌سازی بیزی** از آزمون‌های گذشته یک مدل جانشین (فرایند گاوسی، TPE) می‌سازد و نقطهٔ بعدی را جایی برمی‌دارد که هم امیدبخش و هم ناشناخته باشد. وقتی هر ارزیابی گران است و مشتق نداریم، با ارزیابی‌های کمتر به جواب خوب می‌رسد. Fast AutoAugment سیاست‌ها را با همین روش (TPE) پیشنهاد می‌کند.
#
# **تطبیق چگالی** معیار Fast AutoAugment است: سیاستی خوب است که دادهٔ کنارگذاشته، پس از افزوده شدن، برای شبکه‌ای که *بدون* آن سیاست آموزش دیده همچنان آشنا باشد. سنجیدن هر سیاست فقط یک گذر پیش‌رو می‌خواهد، نه یک آموزش.

# %% [markdown] lang="en" answer="automl/roles"
# **Reinforcement learning.** The choices are discrete, and the reward (validation accuracy after a training) has no derivative with respect to them. The policy gradient needs nothing but samples and rewards, which is why NAS (with REINFORCE) and AutoAugment (with PPO) used it. The price is thousands of complete trainings.
#
# **DARTS** makes the problem continuous: each edge is a softmax mixture of all operations, $\bar o(x) = \sum_o \frac{e^{\alpha_o}}{\sum_{o'} e^{\alpha_{o'}}}\, o(x)$. Now $\alpha$ follows the gradient of the validation loss and $w$ that of the training loss, in turns, and at the end the strongest operation on each edge stays. No reinforcement learning is needed, and one training takes the place of thousands.
#
# **Bayesian optimisation** builds a surrogate (a Gaussian process, TPE) from past trials and takes its next point where things look promising or unknown. Where an evaluation is dear and has no derivative, it gets to a good answer with fewer of them. Fast AutoAugment proposes its policies in this way (TPE).
#
# **Density matching** is Fast AutoAugment's criterion: a policy is good if held-out data, once augmented, still looks familiar to a network that was trained *without* the policy. Judging a policy then takes a forward pass and no training.

# %% [markdown] lang="fa"
# ### پرسش ۲. رتبهٔ پایین، LoRA و آداپتورها (۲۰ نمره)
#
# **الف (۵ نمره). تجزیهٔ رتبه‌ای.** ماتریس `W` زیر را در نظر بگیرید.
#
# - `rank_W`: رتبهٔ آن.
# - `A` و `B`: دو ماتریس که $AB = W$ باشد و بعد داخلی‌شان برابر رتبه. چنین تجزیه‌ای یکتا نیست؛ **هر** تجزیهٔ درستی پذیرفته است و می‌توانید آن را با دست هم بنویسید.
# - `parameters_before` و `parameters_after`: تعداد عددهایی که برای $W$ و برای جفت $A$ و $B$ نگه می‌داریم.
# - `saves_parameters(m, n, r)`: آیا نگه داشتن تجزیهٔ رتبهٔ $r$ برای ماتریس $m \times n$، عددهای کمتری از خود ماتریس می‌خواهد؟
# - `rank_factorisation(W)`: برای هر ماتریسی جفت $(A, B)$ را برمی‌گرداند. مقدارهای تکینی را که از $10^{-10}$ برابر بزرگ‌ترین مقدار تکین کوچک‌ترند صفر بگیرید؛ تابع با ماتریس‌های دیگری (نامربعی، رتبهٔ کامل، رتبهٔ یک، نزدیک به تکین) هم آزموده می‌شود.

# %% [markdown] lang="en"
# ### Question 2. Low rank, LoRA and adapters (20 points)
#
# **a (5 points). Rank factorisation.** Take the matrix `W` below.
#
# - `rank_W`: its rank.
# - `A` and `B`: two matrices with $AB = W$ whose inner size is the rank. Such a factorisation is not unique; **any** right one is accepted, and you may write it down by hand.
# - `parameters_before` and `parameters_after`: how many numbers are kept for $W$, and for the pair $A$ and $B$.
# - `saves_parameters(m, n, r)`: does a factorisation of rank $r$ of an $m \times n$ matrix take fewer numbers than the matrix itself?
# - `rank_factorisation(W)`: returns the pair $(A, B)$ for any matrix. Count singular values below $10^{-10}$ times the largest as zero; the function is also tried on other matrices (not square, of full rank, of rank one, nearly singular).

# %% name="factorisation-given"
W = np.array(
    [
        [1, 3, 0, 2, 3],
        [0, 1, -2, 1, 2],
        [2, 5, 1, 3, 4],
        [1, 2, 1, 1, 1],
        [3, 7, 2, 4, 5],
    ],
    dtype=float,
)


# %% name="factorisation"
def rank_factorisation(W: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return A (m, r) and B (r, n) with A @ B = W (m, n), where r is the rank of W."""
    # BEGIN SOLUTION
    # A: the columns that are no combination of those before them. B: W in terms of these columns.
    zero = 1e-10 * np.linalg.norm(W, 2)
    ranks = [np.linalg.matrix_rank(W[:, :j], tol=zero) for j in range(W.shape[1] + 1)]
    A = W[:, np.diff(ranks) > 0]
    B = np.linalg.lstsq(A, W, rcond=None)[0]
    return A, B
    # END SOLUTION


def saves_parameters(m: int, n: int, r: int) -> bool:
    """Return whether a factorisation of rank r takes fewer numbers than an m by n matrix."""
    # BEGIN SOLUTION
    return r * (m + n) < m * n
    # END SOLUTION


# %% name="factorisation-answers"
# BEGIN SOLUTION
rank_W = np.linalg.matrix_rank(W)
A, B = rank_factorisation(W)
parameters_before = W.size
parameters_after = A.size + B.size
# END SOLUTION

# %% [markdown] lang="fa"
# **ب (۵ نمره). LoRA روی BERT.** مدلی با اندازه‌های زیر را با LoRA برای دو کار (پرسش و پاسخ، تحلیل احساس) تنظیم می‌کنیم. LoRA با رتبهٔ ۱۶ روی **هر چهار** ماتریس توجه ($W_q, W_k, W_v, W_o$، هر یک $d \times d$) در همهٔ بلوک‌ها گذاشته می‌شود؛ برای هر ماتریس $W_0 + BA$ با $A$ به شکل $r \times d$ و $B$ به شکل $d \times r$. فقط همین ماتریس‌های توجه را بشمارید، نه بایاس‌ها، تعبیه‌ها، لایه‌های پیش‌خور و سرِ خروجی را.
#
# | نام | چه چیزی |
# |---|---|
# | `per_matrix` | پارامترهای آموزش‌پذیر LoRA برای یک ماتریس |
# | `lora_trainable` | پارامترهای آموزش‌پذیر LoRA برای یک کار، در همهٔ بلوک‌ها |
# | `base_parameters` | پارامترهای خود ماتریس‌های توجه در همهٔ بلوک‌ها |
# | `lora_stored` | آنچه برای هر دو کار با LoRA نگه داشته می‌شود (ماتریس‌های پایه هم حساب‌اند) |
# | `full_trainable` | پارامترهای آموزش‌پذیر برای یک کار در تنظیم کامل |
# | `full_stored` | آنچه برای هر دو کار در تنظیم کامل نگه داشته می‌شود |
# | `times_fewer` | پارامترهای آموزش‌پذیر LoRA چند برابر کمتر از تنظیم کامل است |
#
# تابع `lora_parameter_count` همین شمارش را برای ماتریس‌های $d_{out} \times d_{in}$ انجام می‌دهد.

# %% [markdown] lang="en"
# **b (5 points). LoRA on BERT.** A model of the sizes below is fine-tuned with LoRA for two tasks (question answering, sentiment). LoRA of rank 16 is put on **all four** attention matrices ($W_q, W_k, W_v, W_o$, each $d \times d$) of every block: $W_0 + BA$ with $A$ of shape $r \times d$ and $B$ of shape $d \times r$. Count these attention matrices only; no biases, embeddings, feed-forward layers or output heads.
#
# | name | what |
# |---|---|
# | `per_matrix` | LoRA's trainable parameters for one matrix |
# | `lora_trainable` | LoRA's trainable parameters for one task, over all blocks |
# | `base_parameters` | parameters of the attention matrices themselves, over all blocks |
# | `lora_stored` | what is kept for both tasks with LoRA (base matrices included) |
# | `full_trainable` | trainable parameters for one task under full fine-tuning |
# | `full_stored` | what is kept for both tasks under full fine-tuning |
# | `times_fewer` | how many times fewer parameters LoRA trains than full fine-tuning |
#
# `lora_parameter_count` does the same count for matrices of shape $d_{out} \times d_{in}$.

# %% name="bert-given"
d_model = 1024
n_blocks = 24
n_heads = 16
vocabulary_size = 30_000
lora_rank = 16
n_tasks = 2


# %% name="bert"
def lora_parameter_count(d_in: int, d_out: int, r: int, n_matrices: int, n_blocks: int) -> int:
    """Return LoRA's trainable parameters for `n_matrices` (d_out, d_in) matrices in each block."""
    # BEGIN SOLUTION
    return n_blocks * n_matrices * (r * d_in + d_out * r)
    # END SOLUTION


# %% name="bert-answers"
# BEGIN SOLUTION
per_matrix = lora_parameter_count(d_model, d_model, lora_rank, n_matrices=1, n_blocks=1)
lora_trainable = lora_parameter_count(d_model, d_model, lora_rank, 4, n_blocks)
base_parameters = n_blocks * 4 * d_model**2
lora_stored = base_parameters + n_tasks * lora_trainable
full_trainable = base_parameters
full_stored = n_tasks * base_parameters
times_fewer = full_trainable / lora_trainable
# END SOLUTION

# %% [markdown] lang="fa"
# **پ (۵ نمره). ادغام.** ورودی‌ها سطری‌اند: لایهٔ خطی با وزن $W_0$ (شکل $d_{out} \times d_{in}$) روی $x$ (شکل $n \times d_{in}$) می‌دهد $xW_0^\top$. $A$ به شکل $r \times d_{in}$، $B$ به شکل $d_{out} \times r$ و $s$ ضریب مقیاس است. چهار تابع بنویسید:
#
# - `lora_forward(x, W0, A, B, scale)`: خروجی لایه **بدون** ادغام؛ ماتریس $BA$ را نسازید.
# - `merge(W0, A, B, scale)`: وزن ادغام‌شده.
# - `unmerge(W, A, B, scale)`: از وزن ادغام‌شده $W_0$ را بازمی‌گرداند.
# - `multiplications_per_token(d_in, d_out, r, merged)`: تعداد ضرب‌ها برای یک ورودی (یک سطر $x$)، با ادغام و بی‌ادغام؛ ضرب در $s$ را نشمارید.

# %% [markdown] lang="en"
# **c (5 points). Merging.** Inputs are rows: a linear layer of weight $W_0$ (shape $d_{out} \times d_{in}$) makes $xW_0^\top$ of $x$ (shape $n \times d_{in}$). $A$ has shape $r \times d_{in}$, $B$ has shape $d_{out} \times r$, and $s$ is a scale. Write four functions:
#
# - `lora_forward(x, W0, A, B, scale)`: the layer's output **without** merging; do not form $BA$.
# - `merge(W0, A, B, scale)`: the merged weight.
# - `unmerge(W, A, B, scale)`: gets $W_0$ back from a merged weight.
# - `multiplications_per_token(d_in, d_out, r, merged)`: the number of multiplications for one input (one row of $x$), merged and unmerged; do not count those by $s$.


# %% name="merging"
def lora_forward(
    x: np.ndarray, W0: np.ndarray, A: np.ndarray, B: np.ndarray, scale: float = 1.0
) -> np.ndarray:
    """Return the output (n, d_out) of a layer with an unmerged adapter."""
    # BEGIN SOLUTION
    return x @ W0.T + scale * (x @ A.T) @ B.T
    # END SOLUTION


def merge(W0: np.ndarray, A: np.ndarray, B: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Return the weight (d_out, d_in) that holds the adapter."""
    # BEGIN SOLUTION
    return W0 + scale * B @ A
    # END SOLUTION


def unmerge(W: np.ndarray, A: np.ndarray, B: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Return the weight (d_out, d_in) without the adapter that was merged into `W`."""
    # BEGIN SOLUTION
    return W - scale * B @ A
    # END SOLUTION


def multiplications_per_token(d_in: int, d_out: int, r: int, merged: bool) -> int:
    """Return the multiplications that the layer takes for one input vector."""
    # BEGIN SOLUTION
    return d_in * d_out if merged else d_in * d_out + r * (d_in + d_out)
    # END SOLUTION


# %% [markdown] lang="fa"
# در چند جمله: چرا LoRAی ادغام‌شده هیچ تأخیری به استنتاج نمی‌افزاید و کی ادغام نکردن بهتر است؟ رتبهٔ $r$ چه چیزی را تعیین می‌کند و بزرگ یا کوچک گرفتنش چه پیامدی دارد؟

# %% [markdown] lang="en"
# In a few sentences: why does merged LoRA add no latency, and when is it better not to merge? What does the rank $r$ control, and what follows from making it large or small?

# %% [markdown] lang="fa" answer="low-rank/rank"
# $x(W_0 + sBA)^\top = xW_0^\top + s\,xA^\top B^\top$ است، پس با جمع کردن $sBA$ با $W_0$ لایه همان خروجی را با **یک** ضرب ماتریسی هم‌اندازهٔ پیش می‌دهد: نه لایهٔ تازه‌ای هست و نه ضرب اضافه‌ای. آداپتورهای ترتیبی چنین نیستند، چون تابع غیرخطی میانشان اجازهٔ ادغام نمی‌دهد. وقتی یک مدل پایه هم‌زمان به چند کار پاسخ می‌دهد ادغام نمی‌کنیم تا برای هر درخواست فقط $A$ و $B$ عوض شود؛ یا با کم کردن $sBA$ ادغام را برمی‌گردانیم.
#
# $r$ بالاترین رتبهٔ $\Delta W = BA$ است، یعنی تعداد جهت‌هایی که تنظیم می‌تواند در آن‌ها تغییر بدهد. $r$ کوچک: پارامتر و حافظهٔ کمتر و نوعی منظم‌سازی، ولی شاید ناتوان از کار تازه‌ای که از دادهٔ پیش‌آموزش دور است. $r$ بزرگ: توان بیشتر با هزینه‌ای خطی در $r$، و در $r = d$ همان توان تنظیم کامل. در عمل رتبه‌های کوچک (۱ تا ۱۶) معمولاً بس است، چون تغییر لازم رتبهٔ ذاتی پایینی دارد.

# %% [markdown] lang="en" answer="low-rank/rank"
# $x(W_0 + sBA)^\top = xW_0^\top + s\,xA^\top B^\top$, so once $sBA$ is added to $W_0$ the layer gives the same output with **one** matrix product of the size it always had: no new layer, no extra multiplication. Sequential adapters cannot do this, as the nonlinearity between their two matrices does not merge. When one base model serves several tasks at once we do not merge, so that only $A$ and $B$ change from request to request; or we subtract $sBA$ and are back at $W_0$.
#
# $r$ is the highest rank that $\Delta W = BA$ can have: the number of directions in which fine-tuning may change the layer. A small $r$ means fewer parameters, less memory and a kind of regularisation, but perhaps too little for a task far from the pretraining data. A large $r$ means more capacity at a cost linear in $r$; at $r = d$ it is that of full fine-tuning. In practice small ranks (1 to 16) mostly do, because the change that is needed has a low intrinsic rank.

# %% [markdown] lang="fa"
# **ت (۵ نمره). دو هیستوگرام.** خانهٔ زیر خروجی یک ConvBlock (کانولوشن، نرمال‌سازی، ReLU) و خروجی یک آداپتور (دو کانولوشن ۱×۱ بی‌تابع غیرخطی در پایان) را برای یک ورودی رسم می‌کند. آن را اجرا کنید و بنویسید: شکل هر هیستوگرام چگونه است و چرا؟ اگر این دو خروجی را با هم جمع کنیم (آداپتور موازی) چه مشکلی پیش می‌آید؟ دست‌کم دو راه چاره بگویید.

# %% [markdown] lang="en"
# **d (5 points). Two histograms.** The cell below draws the outputs of a ConvBlock (convolution, normalisation, ReLU) and of an adapter (two 1×1 convolutions, no nonlinearity at the end) for one input. Run it and write: what is the shape of each histogram, and why? What goes wrong when the two outputs are added (a parallel adapter)? Give at least two remedies.

# %% name="histograms" tags=["recorded"]
if __name__ == "__main__":
    torch.manual_seed(7)
    features = torch.randn(8, 16, 12, 12)
    conv_block = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU())
    adapter = nn.Sequential(nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 32, 1))
    _, axes = plt.subplots(1, 2, figsize=(9, 3))
    for axis, name, layer in zip(
        axes, ("ConvBlock", "adapter"), (conv_block, adapter), strict=True
    ):
        with torch.no_grad():
            output = layer(features)
        axis.hist(output.flatten().numpy(), bins=60)
        axis.set_title(f"{name}: mean {output.mean():.2f}, standard deviation {output.std():.2f}")
    plt.tight_layout()
    plt.show()

# %% [markdown] lang="fa" answer="low-rank/histograms"
# **ConvBlock** به ReLU ختم می‌شود. نرمال‌سازی، میانگین را نزدیک صفر می‌برد و ReLU نیمهٔ منفی را صفر می‌کند؛ پس قلهٔ بلندی در **صفر** هست و دُمی به سمت راست: توزیع چوله به راست، بی‌مقدار منفی و با میانگین مثبت. **آداپتور** به یک لایهٔ خطی ختم می‌شود؛ خروجی‌اش منفی هم هست و تقریباً **متقارن** پیرامون صفر (یا پیرامون بایاس هر کانال)، با پراکندگی بسیار کمتر.
#
# **مشکل جمع.** دو توزیع، مقیاس و میانگین متفاوت دارند. اگر آداپتور کوچک باشد، سهمش در برابر ConvBlock گم می‌شود و گرادیان مفیدی نمی‌گیرد؛ اگر بزرگ باشد، مقدارهای منفی‌اش ویژگی‌های پیش‌آموخته را خنثی می‌کند. لایهٔ بعدی هم ورودی‌هایی می‌بیند که با آمارشان آموزش ندیده (جابه‌جایی توزیع)؛ آموزش ناپایدار و به نرخ یادگیری حساس می‌شود.
#
# **چاره.**
#
# - ضریب مقیاس $s$ (ثابت یا آموختنی): $y = f(x) + s\cdot\mathrm{adapter}(x)$؛ سهم آداپتور را تنظیم می‌کند و شروع از $s$ کوچک یا صفر، مدل پیش‌آموخته را دست‌نخورده نگه می‌دارد.
# - نرمال‌سازی لایه‌ای روی خروجی آداپتور (یا پیش از آن) تا مقیاس هر دو شاخه قابل مقایسه شود.
# - آغاز لایهٔ آخر آداپتور از صفر، یا گذاشتن همان نرمال‌سازی و تابع فعال‌سازی پس از جمع.

# %% [markdown] lang="en" answer="low-rank/histograms"
# The **ConvBlock** ends in ReLU. Normalisation takes the mean near zero and ReLU sets the negative half to zero: a tall peak at **zero** and a tail to the right. The distribution is right-skewed, has no negative values and a positive mean. The **adapter** ends in a linear layer: its output may be negative and is roughly **symmetric** around zero (or around each channel's bias), with a much smaller spread.
#
# **Adding them.** The two differ in scale and in mean. A small adapter is lost beside the ConvBlock and gets no useful gradient; a large one cancels pretrained features with its negative values. The next layer sees inputs whose statistics it was not trained on (a shift of distribution), and training becomes unstable and sensitive to the learning rate.
#
# **Remedies.**
#
# - A scale $s$, fixed or learned: $y = f(x) + s\cdot\mathrm{adapter}(x)$. It sets the adapter's share, and a start from a small or zero $s$ leaves the pretrained model as it was.
# - Layer normalisation of the adapter's output (or before it), which makes the scales of both branches comparable.
# - Starting the adapter's last layer at zero, or putting one normalisation and activation after the sum.

# %% [markdown] lang="fa"
# ### پرسش ۳. یک بیماری کمیاب (۱۵ نمره)
#
# از شما خواسته‌اند برای تشخیص یک بیماری کمیاب از روی تصویر پزشکی سامانه‌ای بسازید: چند صد تصویر برچسب‌خورده دارید، بیشترشان سالم‌اند و بودجهٔ محاسباتی چند GPU-ساعت است. راهبرد خود را در چهار بند بنویسید.
#
# - **الف (۵ نمره). معماری.** با جستجو پیدایش می‌کنید یا معماری آماده برمی‌دارید؟ اگر جستجو، کدام روش و با چه هزینه‌ای؛ و اگر جواب نداد چه؟
# - **ب (۴ نمره). داده‌افزایی.** کدام روش، و کدام عملگرها برای این تصویرها مجاز نیستند؟
# - **پ (۳ نمره). برتری‌ها و کاستی‌های** راهبرد شما.
# - **ت (۳ نمره). دشواری‌ها**یی که راهبرد باید از پسشان بربیاید و کار شما برای هر یک.

# %% [markdown] lang="en"
# ### Question 3. A rare disease (15 points)
#
# You are asked to build a system that finds a rare disease in medical images: there are a few hundred labelled images, most of them healthy, and a few GPU hours to spend. Write down your strategy in four parts.
#
# - **a (5 points). Architecture.** Do you search for one or take a known one? If you search: by which method and at what cost, and what if it does not work out?
# - **b (4 points). Augmentation.** Which method, and which operations are not allowed for such images?
# - **c (3 points). Pros and cons** of your strategy.
# - **d (3 points). Challenges** that the strategy must meet, and what you do about each.

# %% [markdown] lang="fa" answer="rare-disease/architecture"
# جستجوی مبتنی بر یادگیری تقویتی یا تکامل با این بودجه ممکن نیست. **DARTS** با وزن مشترک و گرادیان کار می‌کند و یک آموزش بیشتر نمی‌خواهد؛ روی داده‌ای به این کوچکی، با تصویرهای کوچک‌شده و چند سلول، می‌شود حدود ۱٫۵ تا ۴ GPU-ساعت برایش کنار گذاشت (مقاله روی CIFAR-10 از ۱٫۵ تا ۴ GPU-**روز** می‌گوید). سلول‌ها را روی دادهٔ آموزش و اعتبارسنجی (جدا از آزمون و جدا بر پایهٔ بیمار) پیدا می‌کنم، گسسته می‌کنم و شبکهٔ نهایی را از نو آموزش می‌دهم.
#
# DARTS روی دادهٔ کم ناپایدار است و گاهی به اتصال‌های میان‌بر بسنده می‌کند. **پشتیبان**: DenseNet-121 پیش‌آموخته (روی ImageNet یا بهتر، روی تصویر پزشکی) که با بازاستفاده از ویژگی‌ها پارامتر کمی دارد؛ لایه‌های آغازین منجمد و بقیه با نرخ یادگیری کوچک تنظیم می‌شود. همین شبکه خط پایهٔ مقایسه هم هست: اگر DARTS از آن بهتر نشد، کنار می‌رود.

# %% [markdown] lang="en" answer="rare-disease/architecture"
# Reinforcement learning or evolution is out of reach of this budget. **DARTS** works by gradient on shared weights and takes little more than one training; on so small a data set, with reduced images and few cells, about 1.5 to 4 GPU hours can be set aside for it (the paper speaks of 1.5 to 4 GPU **days** on CIFAR-10). I find the cells on training and validation data (kept apart from the test set, and split by patient), make them discrete and train the final network from scratch.
#
# On little data DARTS is unstable and sometimes settles for skip connections. **Fallback**: a pretrained DenseNet-121 (on ImageNet, or better on medical images), whose reuse of features keeps parameters few; its first layers are frozen, the rest is tuned at a small learning rate. It also is the baseline: if DARTS does not beat it, DARTS goes.

# %% [markdown] lang="fa" answer="rare-disease/augmentation"
# **Fast AutoAugment** (یا با بودجهٔ کمتر RandAugment با دو عدد): جستجو بدون آموزش دوبارهٔ شبکه است و به چند GPU-ساعت می‌رسد. فضای عملگرها را خودم محدود می‌کنم تا برچسب عوض نشود: چرخش و جابه‌جایی کوچک، بزرگ‌نمایی ملایم، تغییر شکل کشسان، تغییر ملایم روشنایی و کنتراست، نوفه.
#
# **نامجاز**: وارونه کردن چپ و راست وقتی جای اندام معنا دارد، برش یا Cutout که می‌تواند ضایعه را حذف کند، معکوس کردن شدت‌ها (Invert، Solarize، Posterize) و تغییر رنگ در تصویری که رنگ یا شدتش معنای تشخیصی دارد.
#
# کلاس کمیاب را با نمونه‌برداری بیشتر یا وزن در تابع هزینه جبران می‌کنم و داده‌افزایی را فقط روی دادهٔ آموزش می‌گذارم.

# %% [markdown] lang="en" answer="rare-disease/augmentation"
# **Fast AutoAugment** (or RandAugment's two numbers, on a smaller budget): the search does not train the network again and takes a few GPU hours. I limit its operations to those that keep the label: small rotations and shifts, gentle zoom, elastic deformation, mild changes of brightness and contrast, noise.
#
# **Not allowed**: mirroring left and right where the side of an organ matters; cropping or Cutout that may remove the lesion; inverting intensities (Invert, Solarize, Posterize); changes of colour where colour or intensity carries the diagnosis.
#
# The rare class is made up for by oversampling or by weights in the loss, and only training data is augmented.

# %% [markdown] lang="fa" answer="rare-disease/pros-cons"
# **برتری‌ها**: معماری و داده‌افزایی به داده می‌خورند، نه به ImageNet؛ هزینه در حد بودجه است؛ با شبکهٔ پشتیبان، خطر شکست کم است.
#
# **کاستی‌ها**: جستجو با مجموعهٔ اعتبارسنجی کوچک، خودش بیش‌برازش می‌کند و نتیجه‌اش پراکندگی زیادی دارد؛ معماری پیداشده وزن پیش‌آموخته ندارد؛ خط لوله پیچیده‌تر و بازتولیدش سخت‌تر است. DenseNet پیش‌آموخته ساده و پایدار است ولی حافظهٔ زیادی هنگام آموزش می‌گیرد و از دامنهٔ دیگری می‌آید.

# %% [markdown] lang="en" answer="rare-disease/pros-cons"
# **Pros**: architecture and augmentation suit this data rather than ImageNet; the cost fits the budget; with a fallback the risk is small.
#
# **Cons**: a search on a small validation set overfits that set, and its outcome varies a lot; the architecture found has no pretrained weights; the pipeline is more complex and harder to reproduce. A pretrained DenseNet is simple and stable, but takes much memory in training and comes from another domain.

# %% [markdown] lang="fa" answer="rare-disease/challenges"
# - **نامتوازن بودن کلاس‌ها**: دقت گمراه‌کننده است؛ حساسیت، ویژگی و AUPRC گزارش می‌کنم و هزینه را وزن می‌دهم.
# - **دادهٔ کم و نشت**: همهٔ تصویرهای یک بیمار در یک بخش بماند؛ اعتبارسنجی متقابل لایه‌بندی‌شده و آزمونی که تا پایان دست‌نخورده است.
# - **جابه‌جایی دامنه**: دستگاه‌ها و بیمارستان‌های گوناگون؛ آزمون بر دادهٔ مرکز دیگر.
# - **برچسب نامطمئن و حریم خصوصی**: چند متخصص، ناشناس‌سازی.
# - **اعتماد پزشک**: نقشه‌های Grad-CAM و واسنجی احتمال‌ها.

# %% [markdown] lang="en" answer="rare-disease/challenges"
# - **Imbalance**: accuracy misleads; I report sensitivity, specificity and AUPRC, and weigh the loss.
# - **Little data and leakage**: all images of a patient stay in one part; stratified cross-validation, and a test set untouched to the end.
# - **Shift of domain**: other scanners and hospitals; a test on data of another centre.
# - **Uncertain labels, privacy**: several experts, anonymised data.
# - **Clinicians' trust**: Grad-CAM maps and calibrated probabilities.

# %% [markdown] lang="fa"
# ### پرسش ۴. Fast AutoAugment (۱۵ نمره)
#
# **الف (۵ نمره). تطبیق چگالی.** Fast AutoAugment سیاست را بدون آموزش دوبارهٔ شبکه می‌سنجد. با نمادهای $D_M$، $D_A$، $\theta^*$ و $T(D_A)$ بنویسید چه چیزی بیشینه می‌شود، چرا این معیار معنای «تطبیق چگالی» دارد و چرا سیاستی که تصویر را خراب می‌کند برنده نمی‌شود.

# %% [markdown] lang="en"
# ### Question 4. Fast AutoAugment (15 points)
#
# **a (5 points). Density matching.** Fast AutoAugment judges a policy without training the network again. With the symbols $D_M$, $D_A$, $\theta^*$ and $T(D_A)$ write down what is maximised, why this criterion amounts to "density matching", and why a policy that spoils the images does not win.

# %% [markdown] lang="fa" answer="fast-autoaugment/density-matching"
# دادهٔ آموزش به دو بخش $D_M$ و $D_A$ تقسیم می‌شود. شبکه یک بار روی $D_M$ **بدون** سیاست آموزش می‌بیند: $\theta^* = \arg\min_\theta L(\theta \mid D_M)$. سپس سیاست $T$ با دقت همین شبکه روی $D_A$ افزوده‌شده سنجیده می‌شود: $T^* = \arg\max_T R\big(\theta^* \mid T(D_A)\big)$.
#
# شبکه‌ای که روی $D_M$ آموزش دیده جایی درست پاسخ می‌دهد که نمونه‌ها به توزیع $D_M$ شبیه باشند. پس دقت بالا بر $T(D_A)$ یعنی چگالی $T(D_A)$ به چگالی $D_M$ نزدیک است: افزوده‌ها نقطه‌های *ندیدهٔ* همان توزیع‌اند و می‌توانند جاهای خالی آن را پر کنند. آموزش روی $D_A$ یا $T(D_A)$ لازم نیست.
#
# سیاستی که تصویر را خراب یا برچسب را عوض کند، $T(D_A)$ را از توزیع بیرون می‌برد و دقت $\theta^*$ پایین می‌آید. سیاستی که هیچ کاری نکند هم امتیاز بدی نمی‌گیرد؛ برای همین از هر بخش چند سیاست برتر برداشته و کنار هم گذاشته می‌شود تا تنوع بماند.

# %% [markdown] lang="en" answer="fast-autoaugment/density-matching"
# The training data is split into $D_M$ and $D_A$. The network is trained once on $D_M$, **without** any policy: $\theta^* = \arg\min_\theta L(\theta \mid D_M)$. A policy $T$ is then judged by the accuracy of this very network on augmented $D_A$: $T^* = \arg\max_T R\big(\theta^* \mid T(D_A)\big)$.
#
# A network trained on $D_M$ is right where samples look like those of $D_M$. High accuracy on $T(D_A)$ therefore means that the density of $T(D_A)$ is close to that of $D_M$: the augmented samples are *unseen* points of the same distribution and can fill its gaps. No training on $D_A$ or $T(D_A)$ is needed.
#
# A policy that spoils the images or changes their label takes $T(D_A)$ out of the distribution, and the accuracy of $\theta^*$ drops. A policy that does nothing would not score badly either; that is why the best few policies of each split are taken and pooled, which keeps diversity.

# %% [markdown] lang="fa"
# **ب (۵ نمره). تقسیم K-fold.** نقش $D_M^{(k)}$ و $D_A^{(k)}$ را در هر بخش بگویید: کدام یک بار و برای چه، کدام بارها و برای چه؟ چرا $K$ بخش لازم است و سیاست‌های نهایی چگونه ساخته می‌شوند؟

# %% [markdown] lang="en"
# **b (5 points). The K-fold split.** Say what $D_M^{(k)}$ and $D_A^{(k)}$ are for in each fold: which one is used once and for what, which one many times and for what? Why K folds, and how is the final policy put together?

# %% [markdown] lang="fa" answer="fast-autoaugment/k-fold"
# دادهٔ آموزش با نمونه‌برداری لایه‌بندی‌شده به $K$ (در مقاله ۵) جفت $(D_M^{(k)}, D_A^{(k)})$ تقسیم می‌شود و بخش‌ها مستقل و موازی پیش می‌روند.
#
# - روی $D_M^{(k)}$ شبکه **یک بار** آموزش می‌بیند و $\theta^{(k)}$ ثابت می‌ماند.
# - $D_A^{(k)}$ **بارها** برای ارزیابی به کار می‌رود: بهینه‌سازی بیزی (TPE) سیاست‌هایی پیشنهاد می‌کند (مثلاً $B = 200$ تا) و هر کدام فقط با گذر پیش‌رو بر $T(D_A^{(k)})$ سنجیده می‌شود.
#
# اگر همان داده هم برای آموزش و هم برای سنجش به کار می‌رفت، شبکه نمونه‌ها را حفظ کرده بود و امتیاز سیاست‌ها معنا نداشت. با یک تقسیم، نتیجه به همان تقسیم وابسته بود؛ $K$ بخش این وابستگی را کم می‌کند و سیاست‌های گوناگون می‌دهد. از هر بخش $N$ سیاست برتر برداشته و همه کنار هم گذاشته می‌شود و شبکهٔ نهایی با آن‌ها روی **همهٔ** دادهٔ آموزش از نو آموزش می‌بیند.

# %% [markdown] lang="en" answer="fast-autoaugment/k-fold"
# The training data is split by stratified sampling into $K$ pairs $(D_M^{(k)}, D_A^{(k)})$, 5 in the paper, and the folds run independently, in parallel.
#
# - On $D_M^{(k)}$ the network is trained **once**; $\theta^{(k)}$ then stays fixed.
# - $D_A^{(k)}$ is used **many times**, for evaluation: Bayesian optimisation (TPE) proposes policies ($B = 200$, say), and each is judged by forward passes on $T(D_A^{(k)})$ alone.
#
# Were the same data used to train and to judge, the network would have learnt it by heart and the scores would mean nothing. With a single split the outcome would hang on that split; K folds make it depend less on any one and give different policies. The best $N$ policies of every fold are taken, all are pooled, and the final network is trained with them from scratch on **all** of the training data.

# %% [markdown] lang="fa"
# **پ (۵ نمره). هزینه.** روی ImageNet، AutoAugment حدود ۱۵٬۰۰۰ GPU-ساعت و Fast AutoAugment حدود ۴۵۰ GPU-ساعت می‌گیرد. در `speed_up` بنویسید Fast AutoAugment **چند برابر** سریع‌تر است و توضیح دهید این تفاوت از کجا می‌آید و بهایش چیست.

# %% [markdown] lang="en"
# **c (5 points). Cost.** On ImageNet, AutoAugment takes about 15,000 GPU hours and Fast AutoAugment about 450. Put into `speed_up` **how many times** faster Fast AutoAugment is, and explain where the difference comes from and what is paid for it.

# %% name="speed-up"
# BEGIN SOLUTION
speed_up = 15_000 / 450
# END SOLUTION

# %% [markdown] lang="fa" answer="fast-autoaugment/why-faster"
# در AutoAugment هر یک از هزاران سیاست نمونه، یک شبکهٔ فرزند را از نو آموزش می‌دهد و کنترلر فقط از پاداش آن یاد می‌گیرد. در Fast AutoAugment آموزش فقط $K$ بار (یک بار در هر بخش) پیش از جستجو انجام می‌شود و هر سیاست با گذر پیش‌رو بر $D_A$ سنجیده می‌شود. بهینه‌سازی بیزی هم نمونه‌های کمتری از کنترلر RNN می‌خواهد، و بخش‌ها موازی‌اند.
#
# **بها**: معیار، نماینده است: شباهت به توزیع آموزش را می‌سنجد، نه دقت نهایی پس از آموزش با آن سیاست را. خطای نهایی نزدیک AutoAugment است، گاهی اندکی بدتر. GPUها هم یکسان نبوده‌اند، پس عدد حدودی است.

# %% [markdown] lang="en" answer="fast-autoaugment/why-faster"
# In AutoAugment each of thousands of sampled policies trains a child network from scratch, and the controller learns from its reward alone. Fast AutoAugment trains $K$ times only, once a fold and before the search; a policy is then judged by forward passes on $D_A$. Bayesian optimisation also needs fewer samples than an RNN controller, and the folds run in parallel.
#
# **The price**: the criterion is a proxy. It measures likeness to the training distribution, not the final accuracy after training under the policy. The final error is near AutoAugment's, at times slightly worse. The GPUs were not the same either, so the figure is a rough one.

# %% [markdown] lang="fa"
# ---
# ## بخش عملی
#
# ### پرسش ۵. جستجوی ابرپارامترها (۳۰ نمره)
#
# چهار روش جستجو را خودتان می‌نویسید، با آن‌ها ابرپارامترهای یک شبکهٔ کوچک را روی رقم‌های scikit-learn پیدا می‌کنید و با خط پایه می‌سنجید.
#
# **قرارداد.** فضای جستجو `space` برای هر ابرپارامتر فهرست مقدارهای ممکن را دارد (از کوچک به بزرگ). پیکربندی (`Config`) یک مقدار از هر فهرست است. `objective(config)` امتیاز یک پیکربندی را می‌دهد و **هر چه بیشتر، بهتر**. هر روش فهرست جفت‌های `(config, score)` را به ترتیب ارزیابی برمی‌گرداند. فراخوانی `objective` گران است: هر بار شمرده می‌شود.

# %% [markdown] lang="en"
# ---
# ## Practice
#
# ### Question 5. Searching for hyperparameters (30 points)
#
# You write four ways of searching, use them to find the hyperparameters of a small network on scikit-learn's digits, and compare them with a baseline.
#
# **Conventions.** The search space `space` lists the possible values of each hyperparameter (from small to large). A configuration (`Config`) is one value of each list. `objective(config)` gives the score of a configuration, and **higher is better**. Every method returns the list of pairs `(config, score)` in the order in which they were evaluated. Calls of `objective` are dear: each of them counts.

# %% name="search-given"
Config = dict[str, float]
Space = dict[str, list[float]]
Objective = Callable[[Config], float]
Trials = list[tuple[Config, float]]

space: Space = {
    "hidden": [4, 8, 16, 32, 64, 128],
    "learning_rate": [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1],
    "dropout": [0.0, 0.1, 0.2, 0.35, 0.5],
    "weight_decay": [0.0, 0.00001, 0.0001, 0.001],
}
grid_space: Space = {  # a few values of each: a grid over all of `space` would take 840 trainings
    "hidden": [8, 64],
    "learning_rate": [0.0003, 0.003, 0.03],
    "dropout": [0.0, 0.35],
    "weight_decay": [0.0, 0.001],
}
baseline: Config = {"hidden": 16, "learning_rate": 0.001, "dropout": 0.0, "weight_decay": 0.0}


class Data(NamedTuple):
    """Images as rows of 64 numbers, and their labels: three parts that share no image."""

    train_x: Tensor
    train_y: Tensor
    validation_x: Tensor
    validation_y: Tensor
    test_x: Tensor
    test_y: Tensor


def load_digits_data(seed: int = 0) -> Data:
    """Return scikit-learn's digits: 300 to train on, 700 for validation, 797 for the test."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = torch.tensor(digits.data / 16, dtype=torch.float32)
    y = torch.tensor(digits.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    train, validation, test = order.split([300, 700, 797])
    return Data(x[train], y[train], x[validation], y[validation], x[test], y[test])


def train_network(config: Config, x: Tensor, y: Tensor, epochs: int, seed: int = 0) -> nn.Module:
    """Train a network of one hidden layer on images x (n, d) with labels y (n,) below 10."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Linear(x.shape[1], config["hidden"]),
        nn.ReLU(),
        nn.Dropout(config["dropout"]),
        nn.Linear(config["hidden"], 10),
    )
    optimiser = torch.optim.AdamW(
        network.parameters(), config["learning_rate"], weight_decay=config["weight_decay"]
    )
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(32):
            loss = F.cross_entropy(network(x[batch]), y[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.eval()


def accuracy(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """Return the share of images that the network gets right."""
    with torch.no_grad():
        return (network(x).argmax(1) == y).float().mean().item()


# %% [markdown] lang="fa"
# **الف (۵ نمره). جستجوی شبکه‌ای.** `grid_search` هر ترکیب از مقدارها را **درست یک بار** ارزیابی می‌کند. `best_trial` جفت `(config, score)` با بیشترین امتیاز را از فهرستی از جفت‌ها برمی‌گرداند.
#
# **ب (۵ نمره). جستجوی تصادفی.** `random_search` تعداد `n_trials` پیکربندی تصادفی را ارزیابی می‌کند: مقدار هر ابرپارامتر جدا از بقیه و از فهرست خودش؛ تکرار مجاز است. دانهٔ تصادفی (`seed`) نتیجه را تعیین می‌کند: با همان دانه همان پیکربندی‌ها، با دانهٔ دیگر پیکربندی‌های دیگر.

# %% [markdown] lang="en"
# **a (5 points). Grid search.** `grid_search` evaluates every combination of values **exactly once**. `best_trial` returns the pair `(config, score)` of the highest score from a list of pairs.
#
# **b (5 points). Random search.** `random_search` evaluates `n_trials` random configurations: the value of each hyperparameter independently of the others, from its own list; repetition is allowed. `seed` decides the outcome: the same seed gives the same configurations, another seed others.


# %% name="grid"
def grid_search(objective: Objective, space: Space) -> Trials:
    """Evaluate every combination of values once."""
    # BEGIN SOLUTION
    configs = [
        dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())
    ]
    return [(config, objective(config)) for config in configs]
    # END SOLUTION


def best_trial(trials: Trials) -> tuple[Config, float]:
    """Return the pair of configuration and score whose score is highest."""
    # BEGIN SOLUTION
    return max(trials, key=lambda trial: trial[1])
    # END SOLUTION


# %% name="random"
def random_search(objective: Objective, space: Space, n_trials: int, seed: int) -> Trials:
    """Evaluate `n_trials` configurations drawn at random."""
    # BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    trials = []
    for _ in range(n_trials):
        config = {name: values[rng.integers(len(values))] for name, values in space.items()}
        trials.append((config, objective(config)))
    return trials
    # END SOLUTION


# %% [markdown] lang="fa"
# **پ (۶ نمره). جستجوی بیزی.** `bayesian_search` هم `n_trials` بار ارزیابی می‌کند، ولی هر پیکربندی تازه را با نگاه به امتیازهای گذشته برمی‌گزیند. می‌توانید فرایند گاوسی را خودتان بنویسید یا از کتابخانه‌ای مانند Optuna (نمونه‌گیر TPE) یا scikit-learn استفاده کنید. با همان دانه، همان پیکربندی‌ها. روی تابع‌های ارزانی که نمی‌بینید، با بودجهٔ برابر، باید به‌روشنی از جستجوی تصادفی بهتر باشد.
#
# **ت (۴ نمره). نصف کردن پیاپی** (successive halving، هستهٔ Hyperband). اینجا `objective(config, budget)` بودجه هم می‌گیرد (مثلاً تعداد دوره). `successive_halving` با `n_configs` پیکربندی تصادفی و بودجهٔ `min_budget` آغاز می‌کند؛ در هر پله `1/eta` بهترین‌ها (گرد شده به پایین، دست‌کم یکی) **بر پایهٔ امتیاز همان پله** می‌مانند و با بودجهٔ `eta` برابر دوباره ارزیابی می‌شوند، تا آنکه یکی بماند و آن هم با بودجهٔ آخر ارزیابی شود. برای ۹ پیکربندی و `eta=3`: ۹ ارزیابی با بودجهٔ ۱، ۳ با بودجهٔ ۳ و ۱ با بودجهٔ ۹. خروجی، فهرست سه‌تایی‌های `(config, budget, score)` است.

# %% [markdown] lang="en"
# **c (6 points). Bayesian search.** `bayesian_search` evaluates `n_trials` times too, but chooses each new configuration in view of the scores so far. You may write a Gaussian process yourself or use a library such as Optuna (its TPE sampler) or scikit-learn. The same seed gives the same configurations. On cheap functions that you do not see, at equal budget, it must be clearly better than random search.
#
# **d (4 points). Successive halving** (the heart of Hyperband). Here `objective(config, budget)` takes a budget as well (such as a number of epochs). `successive_halving` starts with `n_configs` random configurations at `min_budget`; on each rung the best `1/eta` (rounded down, at least one) **by the scores of that rung** stay and are evaluated again at `eta` times the budget, until one is left and has been evaluated at the last budget. For 9 configurations and `eta=3`: 9 evaluations at budget 1, 3 at budget 3, 1 at budget 9. It returns a list of triples `(config, budget, score)`.


# %% name="bayesian"
def bayesian_search(objective: Objective, space: Space, n_trials: int, seed: int) -> Trials:
    """Evaluate `n_trials` configurations, each chosen in view of the scores so far."""
    # BEGIN SOLUTION
    # A Gaussian process on the grid of all configurations, every hyperparameter scaled to [0, 1];
    # the next trial is where mean + 2 standard deviations is highest (Srinivas et al. 2010).
    configs = [
        dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())
    ]
    axes = [np.linspace(0, 1, len(values)) for values in space.values()]
    points = np.array(list(itertools.product(*axes)))

    def kernel(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
        squares = ((X[:, None] - Y) ** 2).sum(axis=2)
        return np.exp(-squares / (2 * 0.3**2))

    n_trials = min(n_trials, len(configs))
    chosen = list(np.random.default_rng(seed).permutation(len(configs))[: min(5, n_trials)])
    scores = [objective(configs[i]) for i in chosen]
    while len(chosen) < n_trials:
        y = (np.array(scores) - np.mean(scores)) / (np.std(scores) + 1e-9)
        seen = points[chosen]
        k = kernel(points, seen)
        weights = k @ np.linalg.inv(kernel(seen, seen) + 1e-4 * np.eye(len(seen)))
        mean, variance = weights @ y, 1 - (weights * k).sum(axis=1)
        promise = mean + 2 * np.sqrt(variance.clip(min=0))
        promise[chosen] = -np.inf
        chosen.append(int(promise.argmax()))
        scores.append(objective(configs[chosen[-1]]))
    return [(configs[i], score) for i, score in zip(chosen, scores, strict=True)]
    # END SOLUTION


# %% name="halving"
def successive_halving(
    objective: Callable[[Config, int], float],
    space: Space,
    n_configs: int,
    seed: int,
    min_budget: int = 1,
    eta: int = 3,
) -> list[tuple[Config, int, float]]:
    """Evaluate many configurations cheaply and go on with the best (Jamieson & Talwalkar 2016)."""
    # BEGIN SOLUTION
    rng = np.random.default_rng(seed)
    configs = [
        {name: values[rng.integers(len(values))] for name, values in space.items()}
        for _ in range(n_configs)
    ]
    budget, trials = min_budget, []
    while True:
        rung = [(config, budget, objective(config, budget)) for config in configs]
        trials += rung
        if len(rung) == 1:
            return trials
        rung.sort(key=lambda trial: trial[2], reverse=True)
        configs = [config for config, _, _ in rung[: max(1, len(rung) // eta)]]
        budget *= eta
    # END SOLUTION


# %% [markdown] lang="fa"
# **ث (۵ نمره). جستجوی درستکار.** مجموعهٔ آزمون فقط یک بار و در پایان دیده می‌شود.
#
# - `validation_objective(data, epochs)` تابعی برمی‌گرداند که پیکربندی می‌گیرد، شبکه را با `train_network` روی بخش **آموزش** آموزش می‌دهد و دقت آن را روی بخش **اعتبارسنجی** می‌دهد.
# - `final_test(trials, data, epochs)` پیکربندی با بهترین امتیاز را از `trials` برمی‌گزیند، شبکه را با آن از نو آموزش می‌دهد (روی آموزش، یا آموزش و اعتبارسنجی با هم) و جفت `(config, test_accuracy)` را برمی‌گرداند. `trials` فهرستی از جفت‌های `(config, score)` است؛ امتیازها را دوباره حساب نکنید.

# %% [markdown] lang="en"
# **e (5 points). An honest search.** The test set is seen once, at the end.
#
# - `validation_objective(data, epochs)` returns a function that takes a configuration, trains the network with `train_network` on the **training** part and gives its accuracy on the **validation** part.
# - `final_test(trials, data, epochs)` picks the configuration of the best score from `trials`, trains the network with it anew (on training data, or on training and validation data together) and returns the pair `(config, test_accuracy)`. `trials` is a list of pairs `(config, score)`; do not compute the scores again.


# %% name="honest"
def validation_objective(data: Data, epochs: int) -> Objective:
    """Return the function that a search maximises: the validation accuracy of a configuration."""

    def objective(config: Config) -> float:
        # BEGIN SOLUTION
        network = train_network(config, data.train_x, data.train_y, epochs)
        return accuracy(network, data.validation_x, data.validation_y)
        # END SOLUTION

    return objective


def final_test(trials: Trials, data: Data, epochs: int) -> tuple[Config, float]:
    """Return the configuration that the search chose, and its accuracy on the test part."""
    # BEGIN SOLUTION
    config, _ = best_trial(trials)
    x = torch.cat([data.train_x, data.validation_x])
    y = torch.cat([data.train_y, data.validation_y])
    network = train_network(config, x, y, epochs)
    return config, accuracy(network, data.test_x, data.test_y)
    # END SOLUTION


# %% [markdown] lang="fa"
# **ج (۵ نمره). مقایسه** (خانه‌های `recorded`). خط پایه، جستجوی شبکه‌ای (روی `grid_space`)، تصادفی و بیزی (روی `space` با همان تعداد ارزیابی) و نصف کردن پیاپی را اجرا کنید. یک جدول چاپ کنید با یک سطر برای هر روش و ستون‌های: نام روش، تعداد ارزیابی، تعداد دوره‌ها، دقت اعتبارسنجیِ بهترین پیکربندی و دقت آزمون آن. بهترین امتیاز تا هر ارزیابی را هم برای روش‌ها رسم کنید.
#
# سپس در `best_method` بنویسید کدام روش در جدول **شما** بالاترین دقت اعتبارسنجی را دارد (`"baseline"`، `"grid"`، `"random"`، `"bayesian"` یا `"halving"`؛ اگر دو روش برابرند، یکی را بنویسید) و در `best_accuracy` همان دقت را. این دو با جدول ذخیره‌شده مقایسه می‌شوند.

# %% [markdown] lang="en"
# **f (5 points). Comparison** (`recorded` cells). Run the baseline, the grid (on `grid_space`), random and Bayesian search (on `space`, with as many evaluations as the grid), and successive halving. Print a table with a row for each method and these columns: name of the method, number of evaluations, number of epochs, validation accuracy of the best configuration, and its test accuracy. Also draw the best score so far against the number of evaluations.
#
# Then put into `best_method` which method has the highest validation accuracy in **your** table (`"baseline"`, `"grid"`, `"random"`, `"bayesian"` or `"halving"`; if two are level, name either), and into `best_accuracy` that accuracy. Both are compared with the table that you saved.


# %% name="comparison" tags=["recorded"]
def compare_searches(data: Data, epochs: int) -> dict[str, Trials]:
    """Run every search, print a table of them, and return the trials of each."""
    # BEGIN SOLUTION
    objective = validation_objective(data, epochs)
    n_trials = math.prod(len(values) for values in grid_space.values())

    def at_budget(config: Config, budget: int) -> float:
        return validation_objective(data, budget)(config)

    searches: dict[str, Callable[[], list[Any]]] = {
        "baseline": lambda: [(baseline, objective(baseline))],
        "grid": lambda: grid_search(objective, grid_space),
        "random": lambda: random_search(objective, space, n_trials, seed=1),
        "bayesian": lambda: bayesian_search(objective, space, n_trials, seed=1),
        "halving": lambda: successive_halving(at_budget, space, n_configs=epochs, seed=1),
    }
    results: dict[str, Trials] = {}
    print("| method | evaluations | epochs | validation accuracy | test accuracy | seconds |")
    print("|---|---|---|---|---|---|")
    for name, search in searches.items():
        started = time.perf_counter()
        trials = search()
        seconds = time.perf_counter() - started
        spent = sum(trial[1] for trial in trials) if name == "halving" else epochs * len(trials)
        # Scores after fewer epochs are no match for the others: of halving only the last counts.
        results[name] = [(t[0], t[-1]) for t in trials if name != "halving" or t[1] == epochs]
        score = best_trial(results[name])[1]
        test = final_test(results[name], data, epochs)[1]
        print(f"| {name} | {len(trials)} | {spent} | {score:.4f} | {test:.4f} | {seconds:.1f} |")
    return results
    # END SOLUTION


def draw_progress(results: dict[str, Trials]) -> None:
    """Draw the best score so far of each search against the number of evaluations."""
    # BEGIN SOLUTION
    for name, trials in results.items():
        best_so_far = np.maximum.accumulate([score for _, score in trials])
        if len(best_so_far) > 1:
            plt.step(range(1, len(best_so_far) + 1), best_so_far, where="post", label=name)
        else:
            plt.axhline(
                best_so_far[0], color="grey", ls=":" if name == "baseline" else "--", label=name
            )
    plt.xlabel("evaluations")
    plt.ylabel("best validation accuracy so far")
    plt.legend()
    plt.show()
    # END SOLUTION


if __name__ == "__main__":
    results = compare_searches(load_digits_data(), epochs=27)
    draw_progress(results)

# %% name="comparison-claim"
# BEGIN SOLUTION
best_method = "bayesian"
best_accuracy = 0.953
# END SOLUTION
