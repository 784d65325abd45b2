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
# # تمرین ۲: منظم‌سازی و بهینه‌سازی
#
# پنج پرسش: ۱۰۰ نمره، به‌اضافهٔ ۱۵ نمرهٔ امتیازی در پایان پرسش پنجم.
#
# **چطور پاسخ بدهید**
#
# - هر جا `# کد خود را اینجا بنویسید` آمده کد خودتان را بنویسید و هر جا «پاسخ شما» آمده توضیح خودتان را، به فارسی یا انگلیسی.
# - نام تابع‌ها و متغیرها را همان‌طور که هست نگه دارید. نوت‌بوکی با ساختار دیگر هم پذیرفته است؛ نام‌های آشنا فقط پیدا کردن پاسخ‌ها را آسان‌تر می‌کنند.
# - جای پاسخ‌های عددی، `۱۲`، `12` و `"12"` یکی هستند. آرایهٔ NumPy، تنسور PyTorch و لیست هم فرقی ندارند.
# - خانه‌هایی که برچسب `recorded` دارند (آموزش شبکه‌های پرسش ۵) هنگام تصحیح دوباره اجرا نمی‌شوند: خودتان اجرایشان کنید و نوت‌بوک را **با خروجی‌ها** تحویل دهید.
# - اگر جایی به نتیجه نرسیدید، خانه را خالی بگذارید و جلو بروید. هر خانه جدا سنجیده می‌شود.

# %% [markdown] lang="en"
# # Assignment 2: regularisation and optimisation
#
# Five questions: 100 points, and 15 bonus points at the end of question 5.
#
# **How to answer**
#
# - Write code wherever `# your code here` stands, and prose, in Persian or English, wherever "Your answer" stands.
# - Keep the names of functions and variables. A notebook of your own, built differently, is welcome too; familiar names only make your answers easier to find.
# - For numeric answers `12`, `"12"` and `"۱۲"` are all the same, and so are a NumPy array, a PyTorch tensor and a list.
# - Cells tagged `recorded` (the training of question 5) are not run again when your work is graded: run them yourself and hand in the notebook **with its outputs**.
# - Stuck? Leave the cell and go on. Cells are judged one by one.

# %% name="setup"
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

# %% [markdown] lang="fa"
# ---
# ## پرسش ۱. بیش‌برازش (۱۵ نمره)
#
# **الف (۵ نمره).** بیش‌برازش و کم‌برازش چیستند؟ هر کدام را با اریبی و واریانس توضیح دهید، بگویید کی پیش می‌آیند و برای هر کدام چه می‌توان کرد.

# %% [markdown] lang="en"
# ---
# ## Question 1. Overfitting (15 points)
#
# **a (5 points).** What are overfitting and underfitting? Explain both in terms of bias and variance, say when each occurs, and what can be done about it.

# %% [markdown] lang="fa" answer="overfitting/concepts"
# **کم‌برازش**: مدل حتی الگوی داده‌های آموزش را هم نمی‌گیرد؛ خطای آموزش و آزمون هر دو زیادند. اریبی زیاد است: میانگین پیش‌بینی‌ها، روی مجموعه‌های آموزشی گوناگون، از مقدار درست دور است. وقتی پیش می‌آید که مدل برای مسئله ساده است، آموزش زود متوقف شده، منظم‌سازی زیادی قوی است یا ویژگی‌ها گویا نیستند. راه‌ها: مدل بزرگ‌تر، آموزش بیشتر، ویژگی‌های بهتر، منظم‌سازی کمتر.
#
# **بیش‌برازش**: مدل، افزون بر الگو، نویز و جزئیات اتفاقی همان نمونه‌ها را هم از بر می‌کند؛ خطای آموزش کم است و خطای آزمون بسیار بیشتر. واریانس زیاد است: با عوض شدن مجموعهٔ آموزش، پیش‌بینی‌ها هم بسیار تغییر می‌کنند. وقتی پیش می‌آید که ظرفیت مدل نسبت به تعداد داده زیاد است، آموزش بیش از اندازه ادامه می‌یابد یا داده‌ها نویز دارند. راه‌ها: دادهٔ بیشتر یا داده‌افزایی، جریمهٔ وزن‌ها (L1 و L2)، dropout، توقف زودهنگام، مدل کوچک‌تر.
#
# این دو در کشاکش‌اند: خطای مورد انتظار برابر است با مربع اریبی، به‌علاوهٔ واریانس، به‌علاوهٔ نویزی که از دست مدل خارج است. با زیاد شدن پیچیدگی، اریبی کم و واریانس زیاد می‌شود و کمترین خطا جایی در میانه است.

# %% [markdown] lang="en" answer="overfitting/concepts"
# **Underfitting**: the model misses the pattern even in its training data; training and test error are both high. The bias is high: averaged over many training sets, the predictions are far from the truth. It occurs when the model is too simple for the problem, when training stops too early, when the regularisation is too strong or the features say too little. Remedies: a larger model, longer training, better features, less regularisation.
#
# **Overfitting**: besides the pattern, the model memorises the noise and the accidents of its examples; the training error is low and the test error much higher. The variance is high: another training set would give quite different predictions. It occurs when the model's capacity is large for the amount of data, when training goes on for too long, or when the data are noisy. Remedies: more data or data augmentation, a penalty on the weights (L1, L2), dropout, early stopping, a smaller model.
#
# The two pull against each other: the expected error is the squared bias, plus the variance, plus noise that no model can remove. As a model grows more complex its bias falls and its variance rises, and the least error lies somewhere in between.

# %% [markdown] lang="fa"
# **ب (۵ نمره).** مدلی آموزش دیده و هزینهٔ آموزش و اعتبارسنجی‌اش در هر دوره ثبت شده است.
#
# ۱. تابع `overfitting_epoch` را بنویسید: نخستین دوره‌ای که **پس از آن** هزینهٔ اعتبارسنجی دیگر از بهترین مقدارش بهتر نمی‌شود، در حالی که هزینهٔ آموزش باز هم کم می‌شود. شمارش دوره‌ها از ۱ است. اگر چنین دوره‌ای نیست (هزینهٔ اعتبارسنجی تا پایان بهتر می‌شود، یا هزینهٔ آموزش هم دیگر بهتر نمی‌شود) `None` برگردانید. سپس پاسخ را برای منحنی‌های زیر در `overfit_epoch` بگذارید.

# %% [markdown] lang="en"
# **b (5 points).** A model was trained, and its training and validation losses were recorded in every epoch.
#
# 1. Write `overfitting_epoch`: the first epoch **after which** the validation loss never gets better than its best again while the training loss still does. Epochs count from 1. Where there is no such epoch (the validation loss improves to the end, or the training loss improves no more either) return `None`. Then put the answer for the curves below into `overfit_epoch`.

# %% name="curves"
train_losses = [1.92, 1.41, 1.15, 0.98, 0.86, 0.75, 0.66, 0.57, 0.49, 0.42, 0.36, 0.31]
validation_losses = [1.95, 1.52, 1.27, 1.14, 1.19, 1.06, 1.01, 1.04, 1.03, 1.11, 1.17, 1.26]


# %% name="overfitting-epoch"
def overfitting_epoch(
    train_losses: Sequence[float], validation_losses: Sequence[float]
) -> int | None:
    """Return the first epoch, counted from 1, after which only the training loss improves."""
    # BEGIN SOLUTION
    best = int(np.argmin(validation_losses))
    still_learning = any(loss < train_losses[best] for loss in train_losses[best + 1 :])
    return best + 1 if still_learning else None
    # END SOLUTION


# %% name="overfitting-answer"
# BEGIN SOLUTION
overfit_epoch = overfitting_epoch(train_losses, validation_losses)
# END SOLUTION

# %% [markdown] lang="fa"
# ۲. چگونه از روی یک مدل آموزش‌دیده و منحنی‌هایش می‌فهمید بیش‌برازش شده است؟ چرا یک بار بالا رفتن هزینهٔ اعتبارسنجی کافی نیست، و چرا این را با دادهٔ آزمون نمی‌سنجید؟

# %% [markdown] lang="en"
# 2. How do you tell from a trained model and its curves that it overfits? Why is a single rise of the validation loss not enough, and why do you not use the test data for this?

# %% [markdown] lang="fa" answer="overfitting/detecting"
# بخشی از داده‌ها را برای اعتبارسنجی کنار می‌گذاریم و در هر دوره، هزینه و دقت را روی آموزش و اعتبارسنجی می‌سنجیم. نشانهٔ بیش‌برازش شکافی است که باز می‌شود: هزینهٔ آموزش پیوسته کم می‌شود، ولی هزینهٔ اعتبارسنجی پس از یک کمینه ثابت می‌ماند یا بالا می‌رود. گاهی دقت اعتبارسنجی هنوز ثابت است و فقط هزینه بالا می‌رود، چون مدل به اشتباه‌هایش مطمئن‌تر شده است.
#
# منحنی اعتبارسنجی نویز دارد: مجموعه‌اش کوچک است و گام‌ها تصادفی‌اند. در منحنی‌های بالا، هزینه پس از دورهٔ ۴ بالا می‌رود و باز پایین می‌آید. پس باید روند را دید: بهترین مقدار تا اینجا، و اینکه چند دوره (patience) از آن نگذشته‌ایم.
#
# اگر توقف یا هر انتخاب دیگری را با دادهٔ آزمون انجام دهیم، مدل را به همان داده تنظیم کرده‌ایم و دیگر برآوردی بی‌طرف از خطا روی دادهٔ تازه نداریم. آزمون فقط یک بار، در پایان، به کار می‌رود.

# %% [markdown] lang="en" answer="overfitting/detecting"
# Part of the data is set aside for validation, and loss and accuracy are measured on the training and the validation set in every epoch. The sign of overfitting is a gap that opens: the training loss goes on falling while the validation loss, past a minimum, stays level or rises. Sometimes the validation accuracy still holds and only the loss rises, because the model has become surer of its mistakes.
#
# The validation curve is noisy: the set is small and the steps are random. In the curves above it rises after epoch 4 and comes down again. So one looks at the trend: the best value so far, and for how many epochs (the patience) it has not been beaten.
#
# If the test data decide when to stop, or anything else, the model has been tuned to them, and no unbiased estimate of the error on new data is left. The test set is used once, at the end.

# %% [markdown] lang="fa"
# **پ (۵ نمره).** dropout با دست. خروجی یک لایه و ماسک dropout برای همین دسته داده شده است؛ ۱ یعنی نورون می‌ماند و ۰ یعنی حذف می‌شود.
#
# - احتمال *ماندن* یک نورون را از روی ماسک برآورد کنید: `keep_probability`.
# - خروجی لایه را پس از dropout در زمان آموزش (`dropout_train`) و در زمان آزمون (`dropout_test`) حساب کنید.
# - تابع `dropout` را بنویسید؛ با ماسک‌ها و احتمال‌های دیگر هم آزموده می‌شود.
#
# دو قرارداد رایج است و هر دو درست‌اند: قرارداد کلاسیک و قرارداد وارونه (inverted). یکی را برگزینید و در آموزش و آزمون به همان پایبند بمانید.

# %% [markdown] lang="en"
# **c (5 points).** Dropout by hand. The output of a layer and the dropout mask of this batch are given; 1 means that the neuron stays, 0 that it is dropped.
#
# - Estimate from the mask the probability that a neuron *stays*: `keep_probability`.
# - Work out the layer's output after dropout at training time (`dropout_train`) and at test time (`dropout_test`).
# - Write the function `dropout`; it is also tried with other masks and probabilities.
#
# Two conventions are in use and both are right: the classic and the inverted one. Choose one and keep to it, in training and at test time.

# %% name="dropout-given"
layer_output = np.array(
    [[1.6, -0.7, -0.2, 1.9], [-2.3, 2.5, 2.5, -0.9], [-0.5, 3.2, 3.7, -0.4], [1.3, -0.4, -2.6, 1.2]]
)
keep_mask = np.array([[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]])


# %% name="dropout"
def dropout(
    layer_output: np.ndarray, keep_mask: np.ndarray, keep_probability: float, training: bool
) -> np.ndarray:
    """Return the layer's output after dropout, in training or at test time.

    Source of the classic convention: Srivastava et al. 2014.
    """
    # BEGIN SOLUTION
    return layer_output * keep_mask if training else keep_probability * layer_output
    # END SOLUTION


# %% name="dropout-answers"
# BEGIN SOLUTION
keep_probability = keep_mask.mean()
dropout_train = dropout(layer_output, keep_mask, keep_probability, training=True)
dropout_test = dropout(layer_output, keep_mask, keep_probability, training=False)
# END SOLUTION

# %% [markdown] lang="fa"
# ---
# ## پرسش ۲. KNN و جریمهٔ وزن‌ها (۲۰ نمره)
#
# **الف (۶ نمره).** در K-نزدیک‌ترین همسایه، با زیاد شدن K اریبی و واریانس چه تغییری می‌کنند؟ برای هر کدام یکی از `"increases"`، `"decreases"` یا `"unchanged"` را بنویسید. خطای آموزش در K=1 چقدر است، اگر دو نمونهٔ یکسان با برچسب متفاوت نداشته باشیم؟ سپس دلیلتان را توضیح دهید.

# %% [markdown] lang="en"
# ---
# ## Question 2. KNN and weight penalties (20 points)
#
# **a (6 points).** In K nearest neighbours, how do bias and variance change as K grows? Write `"increases"`, `"decreases"` or `"unchanged"` for each. What is the training error at K=1, provided that no two equal examples have different labels? Then explain your reasons.

# %% name="knn-answers"
# BEGIN SOLUTION
bias_as_k_grows = "increases"
variance_as_k_grows = "decreases"
training_error_at_k1 = 0
# END SOLUTION

# %% [markdown] lang="fa" answer="penalties/knn"
# پیش‌بینی KNN میانگین (یا رأی اکثریت) K همسایه است. با K بزرگ‌تر، نقطه‌های دورتری هم رأی می‌دهند که تابع درست در آن‌ها مقدار دیگری دارد؛ مرز تصمیم هموارتر می‌شود و جزئیات واقعی را هم می‌شوید: **اریبی زیاد** می‌شود. در حد K برابر با تعداد داده‌ها، پیش‌بینی همه‌جا یکی است.
#
# در عوض، نویز برچسب‌ها در میانگین گرفتن کم می‌شود: واریانس میانگین K مقدار مستقل $\sigma^2/K$ است، پس با عوض شدن مجموعهٔ آموزش، پیش‌بینی کمتر تغییر می‌کند: **واریانس کم** می‌شود.
#
# در K=1 نزدیک‌ترین همسایهٔ هر نمونهٔ آموزش خود آن نمونه است، پس خطای آموزش صفر است. این صفر دربارهٔ خطای آزمون چیزی نمی‌گوید: مدل همهٔ نویز را از بر کرده است. K را با اعتبارسنجی برمی‌گزینیم.

# %% [markdown] lang="en" answer="penalties/knn"
# KNN predicts the average (or the majority vote) of K neighbours. With a larger K, points further away vote too, where the true function has other values; the decision boundary becomes smoother and loses real detail as well: the **bias increases**. In the limit, with K the number of examples, the prediction is the same everywhere.
#
# In return, averaging reduces the noise of the labels: the variance of the mean of K independent values is $\sigma^2/K$, so that another training set changes the prediction less: the **variance decreases**.
#
# At K=1 the nearest neighbour of every training example is the example itself, so the training error is zero. That zero says nothing about the test error: the model has memorised all the noise. K is chosen by validation.

# %% [markdown] lang="fa"
# **ب (۶ نمره).** برای هر گزاره `True` یا `False` بنویسید و سپس دلیل هر سه را بیاورید.
#
# 1. `statement_1`: منظم‌سازی ممکن است عملکرد مدل را بدتر کند.
# 2. `statement_2`: افزودن تعداد زیادی ویژگی تازه از بیش‌برازش جلوگیری می‌کند.
# 3. `statement_3`: هرچه ضریب جریمه بزرگ‌تر باشد، احتمال بیش‌برازش بیشتر است.

# %% [markdown] lang="en"
# **b (6 points).** Write `True` or `False` for each statement, then give your reasons for all three.
#
# 1. `statement_1`: Regularisation may hurt a model's performance.
# 2. `statement_2`: Adding many new features prevents overfitting.
# 3. `statement_3`: The larger the penalty's coefficient, the likelier is overfitting.

# %% name="statements"
# BEGIN SOLUTION
statement_1 = True
statement_2 = False
statement_3 = False
# END SOLUTION

# %% [markdown] lang="fa" answer="penalties/statements"
# ۱. **درست.** جریمه، مدل را از وزن‌هایی که داده می‌خواهد دور می‌کند. اگر ضریب آن بیش از اندازه باشد، اریبی‌ای که می‌افزاید از واریانسی که می‌کاهد بیشتر است و مدل کم‌برازش می‌شود؛ مدلی که از ابتدا بیش‌برازش نبوده نیز از جریمه سودی نمی‌برد.
#
# ۲. **نادرست.** ویژگی‌های تازه ظرفیت مدل را زیاد می‌کنند: راه‌های بیشتری برای جور شدن اتفاقی با همان تعداد نمونه هست، به‌ویژه وقتی بیشترشان بی‌ربط‌اند. آنچه بیش‌برازش را کم می‌کند نمونهٔ بیشتر است، نه ویژگی بیشتر.
#
# ۳. **نادرست.** ضریب بزرگ‌تر وزن‌ها را بیشتر به سمت صفر می‌کشد و مدل را ساده‌تر می‌کند: واریانس کم و اریبی زیاد می‌شود. خطر ضریب بزرگ، کم‌برازش است.

# %% [markdown] lang="en" answer="penalties/statements"
# 1. **True.** The penalty pulls the model away from the weights that the data ask for. With too large a coefficient it adds more bias than it removes variance, and the model underfits; a model that did not overfit in the first place has nothing to gain either.
#
# 2. **False.** New features add capacity: there are more ways of fitting the same number of examples by accident, above all when most features are irrelevant. More examples reduce overfitting, not more features.
#
# 3. **False.** A larger coefficient pulls the weights further towards zero and makes the model simpler: the variance falls and the bias rises. What a large coefficient risks is underfitting.

# %% [markdown] lang="fa"
# **پ (۸ نمره).** ۱. یک مدل خطی چهار بار آموزش دیده است: با جریمهٔ L1، با جریمهٔ L2 یا بی‌جریمه؛ هر کدام ممکن است بیش از یک بار آمده باشد. برای هر بردار وزن، `"L1"`، `"L2"` یا `"none"` را بنویسید.
#
# | نام پاسخ | وزن‌ها |
# |---|---|
# | `penalty_1` | `[0.26, 0.25, 0.25, 0.25]` |
# | `penalty_2` | `[1, 0, 0, 0]` |
# | `penalty_3` | `[13.3, 23.5, 53.2, 5.1]` |
# | `penalty_4` | `[0.5, 1.2, 8.5, 0]` |

# %% [markdown] lang="en"
# **c (8 points).** 1. A linear model was trained four times: with an L1 penalty, with an L2 penalty, or with none; each may occur more than once. Write `"L1"`, `"L2"` or `"none"` for each vector of weights.
#
# | answer | weights |
# |---|---|
# | `penalty_1` | `[0.26, 0.25, 0.25, 0.25]` |
# | `penalty_2` | `[1, 0, 0, 0]` |
# | `penalty_3` | `[13.3, 23.5, 53.2, 5.1]` |
# | `penalty_4` | `[0.5, 1.2, 8.5, 0]` |

# %% name="which-penalty"
# BEGIN SOLUTION
penalty_1 = "L2"
penalty_2 = "L1"
penalty_3 = "none"
penalty_4 = "L1"
# END SOLUTION

# %% [markdown] lang="fa"
# ۲. دلیل هر چهار انتخاب را بنویسید. اگر دربارهٔ یکی از آن‌ها نظر دیگری دارید، با دلیل پذیرفته می‌شود.

# %% [markdown] lang="en"
# 2. Give your reasons for all four choices. Should you see one of them differently, a good reason is welcome.

# %% [markdown] lang="fa" answer="penalties/which"
# - **وزن‌های ۱: L2.** مجموع وزن‌ها تقریباً همان مجموع بردار ۲ است، ولی میان همه پخش شده. $\sum w_i^2$ برای مجموع ثابت، وقتی کمترین است که وزن‌ها برابر باشند؛ وزن بزرگ گران تمام می‌شود و وزن کوچک تقریباً رایگان است، پس دلیلی برای صفر شدن نیست.
# - **وزن‌های ۲: L1.** سه وزن دقیقاً صفرند. جریمهٔ L1 با شیب ثابت $\pm\lambda$ می‌کشد، هر قدر هم وزن کوچک باشد، و وزن‌های کم‌اثر را تا خود صفر می‌برد: جواب تُنُک.
# - **وزن‌های ۳: بی‌جریمه.** همهٔ وزن‌ها بزرگ‌اند و هیچ‌کدام صفر یا نزدیک صفر نیست؛ چیزی آن‌ها را کوچک نکرده است.
# - **وزن‌های ۴: L1.** یک وزن دقیقاً صفر است و وزن‌های دیگر کوچک‌اند، جز یکی؛ L1 وزن بزرگی را که واقعاً لازم است نگه می‌دارد، در حالی که L2 وزن ۸٫۵ را به‌شدت جریمه می‌کرد و صفر دقیق هم نمی‌ساخت. این مورد از بقیه کم‌قطعیت‌تر است: فقط یک صفر دارد.

# %% [markdown] lang="en" answer="penalties/which"
# - **Weights 1: L2.** They add up to about the same as vector 2, but evenly spread. For a given sum, $\sum w_i^2$ is least when all weights are equal; a large weight is expensive and a small one almost free, so there is no reason for it to become zero.
# - **Weights 2: L1.** Three weights are exactly zero. The L1 penalty pulls with the constant slope $\pm\lambda$ however small a weight is, and takes weights of little use all the way to zero: a sparse solution.
# - **Weights 3: none.** All weights are large and none is at or near zero; nothing has made them small.
# - **Weights 4: L1.** One weight is exactly zero and the others are small, save one; L1 lets a large weight stand where it is really needed, whereas L2 would have charged a lot for 8.5 and made no exact zero. This one is less certain than the others: there is only one zero.

# %% [markdown] lang="fa"
# ۳. یک گام گرادیان کاهشی با هر جریمه. هزینه $L(w)$ است و گرادیان آن $g$. جریمهٔ L2 برابر $\frac{\lambda}{2}\sum_i w_i^2$ و جریمهٔ L1 برابر $\lambda\sum_i |w_i|$ است. دو تابع زیر **وزن‌های تازه** را پس از یک گام روی مجموع هزینه و جریمه برمی‌گردانند.

# %% [markdown] lang="en"
# 3. One step of gradient descent under each penalty. The loss is $L(w)$ with gradient $g$. The L2 penalty is $\frac{\lambda}{2}\sum_i w_i^2$, the L1 penalty $\lambda\sum_i |w_i|$. The two functions return the **new weights** after one step on the sum of loss and penalty.


# %% name="update-steps"
def l2_step(
    weights: np.ndarray, gradient: np.ndarray, learning_rate: float, lam: float
) -> np.ndarray:
    """Return the weights after a step under the penalty lam/2 * sum(w**2)."""
    # BEGIN SOLUTION
    return (1 - learning_rate * lam) * weights - learning_rate * gradient
    # END SOLUTION


def l1_step(
    weights: np.ndarray, gradient: np.ndarray, learning_rate: float, lam: float
) -> np.ndarray:
    """Return the weights after a step under the penalty lam * sum(|w|)."""
    # BEGIN SOLUTION
    return weights - learning_rate * (gradient + lam * np.sign(weights))
    # END SOLUTION


# %% [markdown] lang="fa"
# ---
# ## پرسش ۳. تقطیر دانش (۱۵ نمره)
#
# **الف (۴ نمره).** تقطیر دانش (knowledge distillation) چیست و چرا به کار می‌آید؟

# %% [markdown] lang="en"
# ---
# ## Question 3. Knowledge distillation (15 points)
#
# **a (4 points).** What is knowledge distillation, and what is it good for?

# %% [markdown] lang="fa" answer="distillation/idea"
# در تقطیر دانش، شبکه‌ای کوچک (دانش‌آموز) از خروجی‌های شبکه‌ای بزرگ و آموزش‌دیده، یا مجموعه‌ای از شبکه‌ها (معلم)، یاد می‌گیرد؛ نه فقط از برچسب‌های داده.
#
# هدف، مدلی است که تقریباً به خوبی معلم باشد ولی حافظه، زمان و انرژی کمتری بخواهد، تا بتوان آن را روی گوشی یا با تأخیر کم اجرا کرد.
#
# سود اصلی در برچسب‌های نرم است: معلم می‌گوید این تصویر ۹۰٪ کت، ۸٪ پیراهن و تقریباً ۰٪ کفش است. این نسبت‌ها شباهت کلاس‌ها را نشان می‌دهند («دانش پنهان») که برچسب تک‌گزینه‌ای ندارد؛ هر نمونه اطلاعات بیشتری می‌دهد و آموزش دانش‌آموز هموارتر است و خودش نوعی منظم‌سازی است. حتی دادهٔ بی‌برچسب را هم می‌توان با معلم برچسب زد.

# %% [markdown] lang="en" answer="distillation/idea"
# In knowledge distillation a small network (the student) learns from the outputs of a large trained network, or of an ensemble (the teacher), and not from the labels of the data alone.
#
# The aim is a model almost as good as the teacher that needs less memory, time and energy, so that it runs on a phone or answers without delay.
#
# Most of the gain is in the soft labels: the teacher says that this picture is 90% coat, 8% shirt and hardly a shoe at all. These proportions show how similar the classes are ("dark knowledge"), which a one-hot label does not; every example says more, the student trains more smoothly, and the soft targets regularise it. Even unlabelled data can be labelled by the teacher.

# %% [markdown] lang="fa"
# **ب (۵ نمره).** روند آموزش را از ابتدا تا انتها شرح دهید: چه چیزی، به چه ترتیبی، با چه هدف‌هایی آموزش می‌بیند و دما چه نقشی دارد؟

# %% [markdown] lang="en"
# **b (5 points).** Describe the training from beginning to end: what is trained, in which order, towards which targets, and what is the temperature for?

# %% [markdown] lang="fa" answer="distillation/training"
# ۱. **معلم** با برچسب‌های سخت و آنتروپی متقاطع آموزش می‌بیند و سپس ثابت می‌شود: در حالت ارزیابی است و گرادیانی به آن نمی‌رسد.
#
# ۲. **برچسب‌های نرم**: هر دسته از داده‌ها به معلم داده می‌شود و logitهایش بر دمای $T > 1$ تقسیم و softmax می‌شوند: $p_i = \frac{e^{z_i/T}}{\sum_j e^{z_j/T}}$. دما توزیع را هموار می‌کند تا احتمال‌های کوچک هم دیده شوند؛ با $T \to \infty$ یکنواخت می‌شود و $T = 1$ همان softmax معمولی است.
#
# ۳. **دانش‌آموز** همان دسته را می‌بیند و دو جمله هزینه دارد: آنتروپی متقاطع با برچسب سخت در دمای ۱، و فاصلهٔ KL از توزیع معلم تا توزیع دانش‌آموز که هر دو در دمای $T$ هستند. جمع وزن‌دارِ این دو کمینه می‌شود و فقط وزن‌های دانش‌آموز تغییر می‌کنند. گرادیان جملهٔ نرم با $1/T^2$ کوچک می‌شود؛ از این رو گاهی آن را در $T^2$ ضرب می‌کنند.
#
# ۴. **کاربرد**: پس از آموزش، معلم کنار می‌رود و دانش‌آموز با $T = 1$ به کار می‌رود.

# %% [markdown] lang="en" answer="distillation/training"
# 1. **The teacher** is trained on the hard labels with cross-entropy and then frozen: it stays in evaluation mode and receives no gradient.
#
# 2. **Soft labels**: every batch goes through the teacher, whose logits are divided by a temperature $T > 1$ before softmax: $p_i = \frac{e^{z_i/T}}{\sum_j e^{z_j/T}}$. The temperature smooths the distribution so that small probabilities show; as $T \to \infty$ it becomes uniform, and $T = 1$ is plain softmax.
#
# 3. **The student** sees the same batch and has a loss of two terms: cross-entropy with the hard label at temperature 1, and the KL divergence from the teacher's to the student's distribution, both at temperature $T$. Their weighted sum is minimised and only the student's weights change. The gradient of the soft term shrinks by $1/T^2$, which is why that term is often multiplied by $T^2$.
#
# 4. **Use**: once training is over the teacher is put aside, and the student works at $T = 1$.

# %% [markdown] lang="fa"
# **پ (۶ نمره).** هزینهٔ تقطیر برای یک دسته:
#
# $$\mathcal{L} = \alpha\, \mathrm{CE}\big(\mathrm{softmax}(z_s),\, y\big) + \beta\, \mathrm{KL}\big(\mathrm{softmax}(z_t/T)\,\big\|\,\mathrm{softmax}(z_s/T)\big), \qquad \mathrm{KL}(p\,\|\,q) = \sum_i p_i \log\frac{p_i}{q_i}$$
#
# هر دو جمله روی نمونه‌های دسته میانگین گرفته می‌شوند. اگر جملهٔ دوم را در $T^2$ ضرب کنید هم درست است. $z_s$ و $z_t$ تنسورهایی با شکل (نمونه، کلاس) هستند و $y$ شمارهٔ کلاس‌هاست.

# %% [markdown] lang="en"
# **c (6 points).** The distillation loss of a batch:
#
# $$\mathcal{L} = \alpha\, \mathrm{CE}\big(\mathrm{softmax}(z_s),\, y\big) + \beta\, \mathrm{KL}\big(\mathrm{softmax}(z_t/T)\,\big\|\,\mathrm{softmax}(z_s/T)\big), \qquad \mathrm{KL}(p\,\|\,q) = \sum_i p_i \log\frac{p_i}{q_i}$$
#
# Both terms are averaged over the examples of the batch. Multiplying the second one by $T^2$ is right as well. $z_s$ and $z_t$ are tensors of shape (examples, classes), $y$ holds the numbers of the classes.


# %% name="distillation"
def softmax_with_temperature(logits: Tensor, T: float) -> Tensor:
    """Return the probabilities softmax(logits / T) over the last axis."""
    # BEGIN SOLUTION
    exp = torch.exp((logits - logits.max(dim=-1, keepdim=True).values) / T)
    return exp / exp.sum(dim=-1, keepdim=True)
    # END SOLUTION


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    T: float,
    alpha: float,
    beta: float,
) -> Tensor:
    """Return alpha * CE(student, labels) + beta * KL(teacher_T || student_T), a single number.

    Source: Hinton, Vinyals and Dean 2015, without their factor T^2.
    """
    # BEGIN SOLUTION
    teacher = softmax_with_temperature(teacher_logits, T)
    log_student = F.log_softmax(student_logits / T, dim=-1)
    kl = (teacher * (teacher.log() - log_student)).sum(dim=-1).mean()
    return alpha * F.cross_entropy(student_logits, labels) + beta * kl
    # END SOLUTION


# %% [markdown] lang="fa"
# ---
# ## پرسش ۴. بهینه‌سازها (۱۰ نمره)
#
# شبکه‌ای کوچک، ۳ ورودی، ۳ نورون پنهان سیگموید و ۱ خروجی، باید تابع $0.8x_3^3 + 0.1x_2^2 + 0.5x_1 + 4$ را روی پنج نمونه یاد بگیرد ($x_3$ ستون اول و $x_1$ ستون آخر است). داده، شبکه و حلقهٔ آموزش آماده‌اند؛ قاعده‌های به‌روزرسانی با شماست.
#
# - `sgd_step` (۱٫۵ نمره) و `momentum_step` (۳ نمره): پارامترهای تازه، و در momentum سرعت‌های تازه را هم، برمی‌گردانند. هر شکل درستی از momentum پذیرفته است.

# %% [markdown] lang="en"
# ---
# ## Question 4. Optimisers (10 points)
#
# A small network, 3 inputs, 3 hidden sigmoid neurons and 1 output, is to learn the function $0.8x_3^3 + 0.1x_2^2 + 0.5x_1 + 4$ from five examples ($x_3$ is the first column, $x_1$ the last). Data, network and training loop are given; the update rules are yours.
#
# - `sgd_step` (1.5 points) and `momentum_step` (3 points) return the new parameters, and momentum the new velocities as well. Any right form of momentum is accepted.

# %% name="optimisers-given"
inputs = torch.tensor(
    [[0.7, 0.3, 0.7], [0.4, 1.0, 0.4], [0.2, 1.1, 0.1], [0.4, 0.7, 0.2], [0.1, 0.5, 0.3]]
)
x3, x2, x1 = inputs.T
targets = 0.8 * x3**3 + 0.1 * x2**2 + 0.5 * x1 + 4


def initial_parameters() -> list[Tensor]:
    """Return the weights of the hidden layer (3, 3) and of the output (3,), always the same."""
    random = torch.Generator().manual_seed(2843)
    return [torch.rand(3, 3, generator=random), torch.rand(3, generator=random)]


def loss_and_gradients(parameters: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Return the mean squared error over the five examples, and its gradients by backpropagation."""
    hidden_weights, output_weights = parameters
    hidden = torch.sigmoid(inputs @ hidden_weights)
    error = hidden @ output_weights - targets
    d_prediction = 2 * error / len(error)
    d_sum = torch.outer(d_prediction, output_weights) * hidden * (1 - hidden)
    return (error**2).mean(), [inputs.T @ d_sum, d_prediction @ hidden]


# %% name="update-rules"
def sgd_step(
    parameters: list[Tensor], gradients: list[Tensor], learning_rate: float
) -> list[Tensor]:
    """Return the parameters after one step of (stochastic) gradient descent."""
    # BEGIN SOLUTION
    return [p - learning_rate * g for p, g in zip(parameters, gradients, strict=True)]
    # END SOLUTION


def momentum_step(
    parameters: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    learning_rate: float,
    beta: float = 0.9,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the parameters and the velocities after one step; velocities start at zero."""
    # BEGIN SOLUTION
    velocities = [beta * v + g for v, g in zip(velocities, gradients, strict=True)]
    parameters = [p - learning_rate * v for p, v in zip(parameters, velocities, strict=True)]
    return parameters, velocities
    # END SOLUTION


# %% [markdown] lang="fa"
# **مقایسه (۲٫۵ نمره).** `train_network` شبکه را ۱۰۰۰ گام آموزش می‌دهد و هزینهٔ پیش از هر گام را برمی‌گرداند. آن را برای هر دو بهینه‌ساز و هر چهار نرخ یادگیری اجرا کنید و `steps_needed` را پر کنید: کلیدش `(نام بهینه‌ساز, نرخ یادگیری)` و مقدارش شمارهٔ نخستین گامی که هزینه پیش از آن از `goal` کمتر است؛ `None` اگر هیچ‌گاه نرسید. شمارش گام‌ها از صفر است.

# %% [markdown] lang="en"
# **Comparison (2.5 points).** `train_network` trains for 1000 steps and returns the loss before each step. Run it for both optimisers and all four learning rates and fill `steps_needed`: its key is `(name of the optimiser, learning rate)`, its value the first step before which the loss is below `goal`; `None` where it never gets there. Steps count from zero.

# %% name="train-network"
learning_rates = (1.0, 0.1, 0.01, 0.001)
goal = 0.05


def train_network(optimiser: str, learning_rate: float, steps: int = 1000) -> list[float]:
    """Train with "sgd" or "momentum"; return the loss before each step."""
    parameters = initial_parameters()
    velocities = [torch.zeros_like(p) for p in parameters]
    losses = []
    for _ in range(steps):
        loss, gradients = loss_and_gradients(parameters)
        losses.append(loss.item())
        if optimiser == "sgd":
            parameters = sgd_step(parameters, gradients, learning_rate)
        else:
            parameters, velocities = momentum_step(parameters, gradients, velocities, learning_rate)
    return losses


# %% name="comparison"
# BEGIN SOLUTION
losses = {
    (optimiser, learning_rate): train_network(optimiser, learning_rate)
    for optimiser in ("sgd", "momentum")
    for learning_rate in learning_rates
}
steps_needed = {
    run: next((step for step, loss in enumerate(curve) if loss < goal), None)
    for run, curve in losses.items()
}
if __name__ == "__main__":
    for (optimiser, learning_rate), steps in steps_needed.items():
        print(f"{optimiser:>8}, learning rate {learning_rate}: {steps}")
# END SOLUTION

# %% [markdown] lang="fa"
# **تحلیل (۳ نمره).** نتیجه را توضیح دهید: در هر نرخ یادگیری چه رخ می‌دهد، momentum کجا و چرا سریع‌تر است، و اگر نرخ یادگیری زیادی بزرگ باشد چرا کمکی نمی‌کند؟

# %% [markdown] lang="en"
# **Analysis (3 points).** Explain the result: what happens at each learning rate, where and why momentum is faster, and why it is no help when the learning rate is too large.

# %% [markdown] lang="fa" answer="optimisers/analysis"
# در نرخ ۱ هر دو واگرا می‌شوند: گام از پهنای دره بزرگ‌تر است، هزینه بالا می‌پرد، سیگمویدها اشباع می‌شوند و گرادیان تقریباً صفر است، پس شبکه همان‌جا گیر می‌کند. momentum همان گام‌ها را انباشته می‌کند و چیزی را درست نمی‌کند. در نرخ ۰٫۱ هر دو در کمتر از ۲۰ گام می‌رسند و تفاوتی در کار نیست.
#
# در نرخ ۰٫۰۱، SGD پس از ۱۴۰ گام می‌رسد و momentum پس از ۱۰ گام؛ در نرخ ۰٫۰۰۱، SGD در ۱۰۰۰ گام هم نمی‌رسد و momentum پس از ۷۹ گام رسیده است، یعنی دست‌کم ۹۲۱ گام زودتر.
#
# دلیل: وقتی گرادیان‌ها پیاپی در یک جهت‌اند، سرعت تا $\frac{1}{1-\beta}$ برابر گرادیان انباشته می‌شود؛ با $\beta = 0.9$ گام مؤثر ۱۰ برابر است. از این رو سود momentum در نرخ‌های کوچک دیده می‌شود، در دره‌های باریک نوسان عمود بر دره را هم خنثی می‌کند، ولی نرخِ زیادی بزرگ را بزرگ‌تر می‌کند. اگر سرعت میانگین گرادیان‌ها باشد ($1-\beta$ در گرادیان ضرب شود) این ده برابر در نرخ یادگیری پنهان می‌شود و سود سرعت دیده نمی‌شود.

# %% [markdown] lang="en" answer="optimisers/analysis"
# At a rate of 1 both diverge: the step is longer than the valley is wide, the loss jumps up, the sigmoids saturate and the gradient all but vanishes, so the network is stuck there. Momentum accumulates the same steps and mends nothing. At 0.1 both arrive in fewer than 20 steps and there is nothing to choose between them.
#
# At 0.01 SGD arrives after 140 steps and momentum after 10; at 0.001 SGD does not arrive within 1000 steps while momentum does after 79, at least 921 steps earlier.
#
# The reason: while gradients keep pointing the same way, the velocity accumulates up to $\frac{1}{1-\beta}$ times the gradient; with $\beta = 0.9$ the effective step is ten times as long. That is why momentum pays at small rates. In narrow valleys it also cancels the oscillation across the valley, but a rate that is too large it only makes larger. Where the velocity is an average of gradients (each multiplied by $1-\beta$) the factor of ten is hidden in the learning rate, and the gain in speed is not seen.

# %% [markdown] lang="fa"
# ---
# ## پرسش ۵. شبکهٔ پرسپترون چندلایه روی FashionMNIST (۴۰ نمره و ۱۵ نمرهٔ امتیازی)
#
# `load_clothes` تصویرهای FashionMNIST را می‌دهد، با روشنایی میان ۱- و ۱. اگر torchvision یا اینترنت در دسترس نباشد، به‌جایش تصویرهای ساده‌ای از همان ده نوع پوشاک می‌کشد تا بتوانید کدتان را بیازمایید.

# %% [markdown] lang="en"
# ---
# ## Question 5. A multilayer perceptron on FashionMNIST (40 points, 15 bonus points)
#
# `load_clothes` gives the pictures of FashionMNIST, with intensities from -1 to 1. Where torchvision or the network is not at hand it draws simple pictures of the same ten garments instead, so that you can try your code.

# %% name="clothes"
Images = tuple[Tensor, Tensor]
CLASSES = (
    "T-shirt trousers pullover dress coat sandal shirt sneaker bag boot"
).split()  # fmt: skip


def draw_clothes(n: int, seed: int) -> Images:
    """Draw `n` noisy pictures (n, 1, 28, 28) in [-1, 1] of ten garments, and their labels (n,)."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 10)
    rows, columns = np.mgrid[-1:1:28j, -1:1:28j]
    pictures = np.empty((n, 1, 28, 28))
    for picture, label in zip(pictures, labels, strict=True):
        turn, x, y = rng.uniform(-0.15, 0.15, 3)
        size, side = rng.uniform(0.75, 1.0), rng.choice([-1, 1])
        u = side * ((columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)) / size
        v = ((rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)) / size
        width, length = rng.uniform(0.35, 0.5), rng.uniform(0.7, 0.9)
        tall = abs(v) < length
        body = (abs(u) < width) & tall
        arms = (abs(abs(u) - width - 0.15 * (v + length)) < 0.13) & (v > -length)
        seam = abs(u) < 0.05
        sole = (abs(u) < 0.85) & (abs(v - 0.45) < 0.1)
        strap = (abs(u) < 0.8) & (abs(v) < 0.5)
        shape = [
            body | (arms & (v < 0.6 - length)),  # T-shirt
            ((abs(abs(u) - 0.2 - 0.1 * v) < 0.15) & tall)
            | ((abs(u) < 0.35) & (abs(v + length) < 0.2)),  # trousers
            body | (arms & (v < 1.4 - length)),  # pullover
            (abs(u) < 0.25 + 0.16 * (v + length)) & tall,  # dress
            (body | (arms & (v < 1.4 - length))) & ~seam,  # coat
            sole | (strap & (abs(abs(v) - 0.8 * abs(u)) < 0.08)),  # sandal
            (body | (arms & (v < 1 - length))) & ~(seam & (np.sin(20 * v) > 0)),  # shirt
            sole | ((abs(u) < 0.8) & (v < 0.5) & (v > 0.4 * u - 0.1)),  # sneaker
            ((abs(u) < 0.75) & (abs(v - 0.2) < 0.5))
            | ((abs(np.hypot(u, v + 0.3) - 0.4) < 0.07) & (v < -0.3)),  # bag
            sole
            | ((abs(u - 0.37) < 0.33) & (abs(v + 0.15) < 0.65))
            | ((abs(u + 0.22) < 0.52) & (abs(v - 0.27) < 0.22)),  # boot
        ][label]
        picture[0] = np.where(shape, rng.uniform(0.3, 1), 0) + 0.4 * rng.normal(size=(28, 28))
    return torch.tensor(2 * pictures.clip(0, 1) - 1, dtype=torch.float32), torch.tensor(labels)


def load_clothes(n_train: int, n_test: int) -> tuple[Images, Images]:
    """Return the training and the test set, each as images (n, 1, 28, 28) and labels (n,)."""
    try:
        from torchvision.datasets import FashionMNIST

        sets = [FashionMNIST("data", train=train, download=True) for train in (True, False)]
    except (ImportError, OSError, RuntimeError) as reason:
        print(f"FashionMNIST is not at hand ({type(reason).__name__}): drawing clothes instead.")
        return draw_clothes(n_train, seed=1), draw_clothes(n_test, seed=2)
    train, test = (
        (fashion.data[:n, None] / 127.5 - 1, fashion.targets[:n])
        for fashion, n in zip(sets, (n_train, n_test), strict=True)
    )
    return train, test


# %% [markdown] lang="fa"
# **الف (۱۰ نمره).** یک شبکهٔ `nn.Sequential` از لایه‌های خطی و تابع‌های فعال‌سازی به انتخاب خودتان بسازید که تصویرهای (۱، ۲۸، ۲۸) را می‌گیرد و ده امتیاز برمی‌گرداند. تعداد پارامترهایش را در `n_parameters` بگذارید.
#
# سپس `train_epoch` (یک دوره آموزش) و `evaluate` (سنجش، بی‌آنکه چیزی تغییر کند) را بنویسید. هر دو میانگین هزینه و دقت را برمی‌گردانند. `penalty`، اگر داده شود، تابعی از مدل است که به هزینهٔ هر دسته افزوده می‌شود (برای بخش ت).

# %% [markdown] lang="en"
# **a (10 points).** Build an `nn.Sequential` of linear layers and activations of your own choice that takes images of (1, 28, 28) and returns ten scores. Put its number of parameters into `n_parameters`.
#
# Then write `train_epoch` (one epoch of training) and `evaluate` (measuring, without changing anything). Both return the mean loss and the accuracy. Where a `penalty` is given, it is a function of the model that is added to the loss of every batch (for part d).


# %% name="network"
def make_mlp() -> nn.Sequential:
    """Return a new, untrained network: images (n, 1, 28, 28) to scores (n, 10)."""
    # BEGIN SOLUTION
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    # END SOLUTION


# %% name="parameter-count"
# BEGIN SOLUTION
n_parameters = sum(p.numel() for p in make_mlp().parameters())
# END SOLUTION


# %% name="training-loop"
Batches = Iterable[tuple[Tensor, Tensor]]
Penalty = Callable[[nn.Module], Tensor]


def train_epoch(
    model: nn.Module,
    batches: Batches,
    criterion: nn.Module,
    optimiser: torch.optim.Optimizer,
    penalty: Penalty | None = None,
) -> tuple[float, float]:
    """Train `model` on every batch once; return the mean loss and the accuracy."""
    # BEGIN SOLUTION
    model.train()
    total = correct = n = 0.0
    for images, labels in batches:
        scores = model(images)
        loss = criterion(scores, labels)
        cost = loss if penalty is None else loss + penalty(model)
        optimiser.zero_grad()
        cost.backward()
        optimiser.step()
        total += loss.item() * len(labels)
        correct += (scores.argmax(dim=1) == labels).sum().item()
        n += len(labels)
    return total / n, correct / n
    # END SOLUTION


def evaluate(model: nn.Module, batches: Batches, criterion: nn.Module) -> tuple[float, float]:
    """Return the mean loss and the accuracy of `model`; it learns nothing from it."""
    # BEGIN SOLUTION
    model.eval()
    total = correct = n = 0.0
    with torch.no_grad():
        for images, labels in batches:
            scores = model(images)
            total += criterion(scores, labels).item() * len(labels)
            correct += (scores.argmax(dim=1) == labels).sum().item()
            n += len(labels)
    return total / n, correct / n
    # END SOLUTION


# %% [markdown] lang="fa"
# `fit` آماده است: با `train_epoch` و `evaluate` شما مدلی را چند دوره آموزش می‌دهد و در هر دوره یک سطر چاپ می‌کند. نمره از روی همین سطرها داده می‌شود؛ اگر حلقهٔ خودتان را می‌نویسید، همین چهار عدد را چاپ کنید.

# %% [markdown] lang="en"
# `fit` is given: it trains a model for some epochs with your `train_epoch` and `evaluate` and prints one line for every epoch. These lines are what is graded; in a loop of your own, print the same four numbers.

# %% name="fit"
History = dict[str, list[float]]


def shuffled(images: Tensor, labels: Tensor, size: int = 16) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the data in batches, in random order."""
    for batch in torch.randperm(len(images)).split(size):
        yield images[batch], labels[batch]


def fit(
    name: str,
    model: nn.Module,
    data: tuple[Images, Images],
    epochs: int,
    learning_rate: float = 0.01,
    weight_decay: float = 0.0,
    augment: Callable[[Tensor], Tensor] | None = None,
    penalty: Penalty | None = None,
) -> History:
    """Train `model` with SGD, print every epoch, and return its four curves by name."""
    criterion = nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(model.parameters(), learning_rate, weight_decay=weight_decay)
    train, test = data
    history: History = {"train loss": [], "train acc": [], "test loss": [], "test acc": []}
    for epoch in range(1, epochs + 1):
        batches: Batches = shuffled(*train)
        if augment is not None:
            batches = ((augment(images), labels) for images, labels in batches)
        numbers = train_epoch(model, batches, criterion, optimiser, penalty)
        numbers += evaluate(model, [test], criterion)
        for curve, value in zip(history.values(), numbers, strict=True):
            curve.append(value)
        print(
            f"{name}  epoch {epoch}/{epochs}",
            *(f"{curve}: {values[-1]:.4f}" for curve, values in history.items()),
            sep="  ",
        )
    return history


def plot(histories: dict[str, History]) -> None:
    """Draw loss and accuracy of each run: training dashed, test drawn through."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    for axis, quantity in zip(axes, ("loss", "acc"), strict=True):
        for colour, (name, history) in enumerate(histories.items()):
            for split, style in (("train", "--"), ("test", "-")):
                curve = history[f"{split} {quantity}"]
                epochs = range(1, len(curve) + 1)
                label = name if split == "test" else None
                axis.plot(epochs, curve, style, color=f"C{colour}", label=label)
        axis.set(xlabel="epoch", title=f"{quantity} (dashed: training)")
    axes[1].legend(fontsize=8)
    figure.tight_layout()
    plt.show()


# %% [markdown] lang="fa"
# مدل را با SGD (نرخ ۰٫۰۱) ده دوره آموزش دهید، منحنی‌ها را بکشید، و برای چند تصویر آزمون پیش‌بینی مدل را کنار برچسب درست نشان دهید. (خانه‌های `recorded`)

# %% [markdown] lang="en"
# Train the model for ten epochs with SGD (rate 0.01), draw its curves, and show the model's predictions beside the true labels for some test images. (`recorded` cells)

# %% name="train-basic" tags=["recorded"]
# BEGIN SOLUTION
if __name__ == "__main__":
    data = load_clothes(n_train=800, n_test=500)  # a GPU takes all of FashionMNIST
    torch.manual_seed(0)
    model = make_mlp()
    plot({"basic": fit("basic", model, data, epochs=10)})
# END SOLUTION

# %% name="predictions" tags=["recorded"]
# BEGIN SOLUTION
if __name__ == "__main__":
    images, labels = data[1][0][:10], data[1][1][:10]
    predicted = model(images).argmax(dim=1)
    figure, axes = plt.subplots(1, 10, figsize=(14, 2))
    for axis, image, guess, label in zip(axes, images, predicted, labels, strict=True):
        axis.imshow(image[0], cmap="gray")
        axis.set_title(f"{CLASSES[guess]}\n({CLASSES[label]})", fontsize=8)
        axis.axis("off")
    plt.show()
# END SOLUTION

# %% [markdown] lang="fa"
# **ب (۱۰ نمره).** شبکه را بزرگ‌تر کنید و آن‌قدر (مثلاً ۳۰ دوره) آموزش دهید که بیش‌برازش شود: دقت آموزش آشکارا بالاتر از دقت آزمون باشد و هزینهٔ آزمون، پس از کمینه‌اش، بالا برود. سپس در `overfit_from_epoch` بنویسید از کدام دوره به بعد هزینهٔ آزمون دیگر بهتر نشد (عددی که در خروجی خودتان می‌بینید).

# %% [markdown] lang="en"
# **b (10 points).** Make the network larger and train it for so long (30 epochs, say) that it overfits: its training accuracy clearly above its test accuracy, and its test loss rising after a minimum. Then write into `overfit_from_epoch` the epoch after which the test loss improved no more (the number that you see in your own output).


# %% name="large-network"
def make_large_mlp(p: float = 0.0) -> nn.Sequential:
    """Return a network large enough to overfit, with dropout of probability `p`."""
    # BEGIN SOLUTION
    layers: list[nn.Module] = [nn.Flatten()]
    sizes = (784, 512, 256, 128)
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()] + [nn.Dropout(p)] * (p > 0)
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))
    # END SOLUTION


# %% name="train-overfit" tags=["recorded"]
# BEGIN SOLUTION
if __name__ == "__main__":
    torch.manual_seed(0)
    histories = {"overfit": fit("overfit", make_large_mlp(), data, 30, learning_rate=0.02)}
    plot(histories)
# END SOLUTION

# %% name="overfit-answer"
# BEGIN SOLUTION
overfit_from_epoch = 19
# END SOLUTION

# %% [markdown] lang="fa"
# **پ (۱۰ نمره).** داده‌افزایی. `augment` دسته‌ای از تصویرهای **آموزش** را می‌گیرد و با دست‌کم دو تبدیل تصادفی، که برچسب را عوض نمی‌کنند، تغییر می‌دهد (مثلاً قرینهٔ افقی و چرخش تا ۱۰ درجه). تصویرهای آزمون نباید تغییر کنند. شبکهٔ بخش ب را با آن آموزش دهید و نشان دهید شکاف کوچک‌تر شده است.

# %% [markdown] lang="en"
# **c (10 points).** Data augmentation. `augment` takes a batch of **training** images and changes them by at least two random transformations that keep the label (a horizontal flip and a rotation by up to 10 degrees, say). Test images must stay as they are. Train the network of part b with it and show that the gap has become smaller.


# %% name="augment"
def augment(images: Tensor) -> Tensor:
    """Return the images (n, 1, 28, 28), each changed at random by at least two transformations."""
    # BEGIN SOLUTION
    flipped = torch.rand(len(images)) < 0.5
    images = torch.where(flipped[:, None, None, None], images.flip(-1), images)
    angle = torch.deg2rad(20 * torch.rand(len(images)) - 10)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rotation = torch.stack([cos, -sin, zero, sin, cos, zero], dim=1).view(-1, 2, 3)
    grid = F.affine_grid(rotation, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    # END SOLUTION


# %% name="train-augmented" tags=["recorded"]
# BEGIN SOLUTION
if __name__ == "__main__":
    torch.manual_seed(0)
    histories["augmentation"] = fit(
        "augmentation", make_large_mlp(), data, 30, learning_rate=0.02, augment=augment
    )
    plot(histories)
# END SOLUTION

# %% [markdown] lang="fa"
# **ت (۱۰ نمره).** جریمهٔ وزن‌ها. `penalty` جریمهٔ L1 ($\lambda\sum|w|$) یا L2 ($\lambda\sum w^2$) یک مدل را به‌صورت تنسوری برمی‌گرداند که گرادیان از آن می‌گذرد؛ انتخاب با شماست. شبکهٔ بخش ب را با همین جریمه (مثلاً L1 با $\lambda = 0.001$) یا با `weight_decay` آموزش دهید و نشان دهید شکاف کوچک‌تر شده است.

# %% [markdown] lang="en"
# **d (10 points).** Weight penalty. `penalty` returns the L1 penalty ($\lambda\sum|w|$) or the L2 penalty ($\lambda\sum w^2$) of a model as a tensor that lets gradients through; the choice is yours. Train the network of part b with this penalty (L1 with $\lambda = 0.001$, say) or with `weight_decay`, and show that the gap has become smaller.


# %% name="penalty"
def penalty(model: nn.Module, lam: float) -> Tensor:
    """Return the L1 or the L2 penalty of `model`, a single number."""
    # BEGIN SOLUTION
    return lam * sum(p.abs().sum() for p in model.parameters())
    # END SOLUTION


# %% name="train-penalised" tags=["recorded"]
# BEGIN SOLUTION
if __name__ == "__main__":
    torch.manual_seed(0)
    histories["L1 penalty"] = fit(
        "L1-penalty",
        make_large_mlp(),
        data,
        30,
        learning_rate=0.02,
        penalty=lambda model: penalty(model, lam=0.001),
    )
    plot(histories)
# END SOLUTION

# %% [markdown] lang="fa"
# **ث (۱۵ نمرهٔ امتیازی).** ترکیب‌ها. شبکه را، هر بار ۱۵ دوره، با این چهار ترکیب آموزش دهید: dropout و L2، dropout و داده‌افزایی، داده‌افزایی و L2، هر سه. در پایان جدولی چاپ کنید با یک سطر برای هر ترکیب: نام، دقت آموزش و دقت آزمون در دورهٔ آخر. سپس در `best_combination` بنویسید کدام ترکیب، با عددهای خودتان، بیشترین دقت آزمون را دارد: `"dropout+L2"`، `"dropout+augmentation"`، `"augmentation+L2"` یا `"all"`.

# %% [markdown] lang="en"
# **e (15 bonus points).** Combinations. Train the network, for 15 epochs each, with these four: dropout and L2, dropout and augmentation, augmentation and L2, all three. End with a printed table of one row per combination: name, training accuracy and test accuracy in the last epoch. Then write into `best_combination` which of them has the highest test accuracy by your own numbers: `"dropout+L2"`, `"dropout+augmentation"`, `"augmentation+L2"` or `"all"`.

# %% name="train-combinations" tags=["recorded"]
# BEGIN SOLUTION
if __name__ == "__main__":
    combinations = {  # name: dropout, weight decay, augmentation
        "dropout+L2": (0.2, 0.01, None),
        "dropout+augmentation": (0.2, 0.0, augment),
        "augmentation+L2": (0.0, 0.01, augment),
        "all": (0.2, 0.01, augment),
    }
    results = {}
    for name, (p, weight_decay, transform) in combinations.items():
        torch.manual_seed(0)
        results[name] = fit(
            name, make_large_mlp(p), data, 15, 0.02, weight_decay=weight_decay, augment=transform
        )
    print("| combination | train acc | test acc |")
    print("|---|---|---|")
    for name, history in results.items():
        print(f"| {name} | {history['train acc'][-1]:.3f} | {history['test acc'][-1]:.3f} |")
# END SOLUTION

# %% name="combinations-answer"
# BEGIN SOLUTION
best_combination = "dropout+augmentation"
# END SOLUTION
