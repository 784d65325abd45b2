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
# # تمرین ۱۰: یادگیری انتقالی
#
# در این تمرین ResNet-50 را به پنج راه برای شناختن مدل خودرو (مجموعهٔ Stanford Cars: ۱۶٬۱۸۵ تصویر از ۱۹۶ مدل) به کار می‌گیرید: آموزش از صفر، استخراج ویژگی، SVM روی ویژگی‌ها، تنظیم دقیق لایه‌های آخر، و نگاهی به درون لایه‌ها. هر بخش ۲۰ نمره و کل تمرین ۱۰۰ نمره است.
#
# **چطور پاسخ بدهید**
#
# - هر جا `# your code here` آمده کد خودتان را بنویسید و هر جا «پاسخ شما» آمده توضیح خودتان را.
# - نام تابع‌ها و متغیرها را همان‌طور که هست نگه دارید. نوت‌بوکی با ساختار دیگر هم اگر به همین نتیجه‌ها برسد پذیرفته است؛ نام‌های آشنا فقط پیدا کردن پاسخ را آسان‌تر می‌کنند.
# - جای پاسخ‌های عددی، `۱۲`، `12` و `"12"` یکی هستند؛ دقت را هم می‌توانید `0.85` بنویسید و هم `"85%"`.
# - خانه‌هایی که برچسب `recorded` دارند (آموزش‌های چندساعته) هنگام تصحیح دوباره اجرا نمی‌شوند: خودتان اجرایشان کنید و نوت‌بوک را **با خروجی‌ها** تحویل دهید. تابع‌هایتان هنگام تصحیح روی مدل‌ها و داده‌های کوچک آزموده می‌شوند.
# - نام کاربری، گذرواژه یا کلید دانلود را در نوت‌بوک ننویسید؛ آن را از محیط بخوانید (`os.environ` یا Secrets در Colab).
# - اگر جایی به نتیجه نرسیدید، خانه را خالی بگذارید و جلو بروید. هر خانه جدا سنجیده می‌شود.
#
# نوت‌بوک را به‌تنهایی یا در فایل فشردهٔ `HW10_<شماره دانشجویی>.zip`، اگر خواستید همراه یک PDF، تحویل دهید.

# %% [markdown] lang="en"
# # Assignment 10: transfer learning
#
# You put ResNet-50 to work in five ways on recognising models of cars (Stanford Cars: 16,185 images of 196 models): training from scratch, feature extraction, an SVM on the features, fine-tuning the last layers, and a look inside the layers. Each part is worth 20 points, 100 in all.
#
# **How to answer**
#
# - Write code wherever `# your code here` stands, and prose wherever "Your answer" stands.
# - Keep the names of functions and variables. A notebook of your own, built differently but reaching the same results, is welcome too; familiar names only make your answers easier to find.
# - For numeric answers `12`, `"12"` and `"۱۲"` are all the same, and an accuracy may be `0.85` or `"85%"`.
# - Cells tagged `recorded` (hours of training) are not run again when your work is graded: run them yourself and hand in the notebook **with its outputs**. Your functions are tried on small models and data.
# - Keep user names, passwords and download keys out of the notebook; read them from the environment (`os.environ`, or Secrets in Colab).
# - Stuck? Leave the cell and go on. Cells are judged one by one.
#
# Hand in the notebook by itself, or in a zip named `HW10_<student id>.zip`, with a PDF beside it if you like.

# %% name="setup"
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor, nn
from torch.optim import Optimizer

# %% [markdown] lang="fa"
# ### شبکه
#
# خانهٔ زیر ResNet (He و همکاران، ۲۰۱۵) را می‌سازد: نام بخش‌ها و پارامترها همان است که در `torchvision` هست، پس وزن‌های از پیش آموختهٔ آن با `load_state_dict` در همین شبکه می‌نشیند. اگر بخواهید می‌توانید به‌جایش `torchvision.models.resnet50` را به کار ببرید.
#
# در همهٔ تابع‌ها، «مدل» شبکه‌ای با همین بخش‌هاست: `conv1`، `bn1`، `relu`، `maxpool`، `layer1` تا `layer4`، `avgpool` و لایهٔ خطی `fc`؛ و `batches` فهرستی از جفت‌های `(images, labels)`.

# %% [markdown] lang="en"
# ### The network
#
# The next cell builds ResNet (He et al. 2015). Parts and parameters bear the names that they have in `torchvision`, so that its pretrained weights fit in with `load_state_dict`. You may use `torchvision.models.resnet50` instead.
#
# In all functions "the model" is a network with these parts: `conv1`, `bn1`, `relu`, `maxpool`, `layer1` to `layer4`, `avgpool` and the linear layer `fc`; and `batches` is a list of pairs `(images, labels)`.


# %% name="resnet"
class Bottleneck(nn.Module):
    """Residual block: 1×1 to `channels`, 3×3 with the stride, 1×1 to four times `channels`."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = 4 * channels
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        h = self.relu(self.bn1(self.conv1(x)))
        h = self.relu(self.bn2(self.conv2(h)))
        return self.relu(self.bn3(self.conv3(h)) + shortcut)


class ResNet(nn.Module):
    """Images (n, 3, H, W) to scores (n, num_classes); four stages with `blocks` bottlenecks each."""

    def __init__(self, blocks: Sequence[int], width: int = 64, num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages, in_channels = [], width
        for stage, n_blocks in enumerate(blocks):
            channels, layers = width * 2**stage, []
            for block in range(n_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(Bottleneck(in_channels, channels, stride))
                in_channels = 4 * channels
            stages.append(nn.Sequential(*layers))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(in_channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        h = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        h = self.layer4(self.layer3(self.layer2(self.layer1(h))))
        return self.fc(self.avgpool(h).flatten(1))


def resnet50(num_classes: int = 1000) -> ResNet:
    """Return ResNet-50 with random weights."""
    return ResNet((3, 4, 6, 3), num_classes=num_classes)


Batches = Sequence[tuple[Tensor, Tensor]]

# %% [markdown] lang="fa"
# ---
# ## الف. آموزش از صفر، با نقطهٔ بازگشت (۲۰ نمره)
#
# ResNet-50 با وزن‌های تصادفی ساعت‌ها آموزش می‌خواهد و نشست Colab هر لحظه ممکن است قطع شود. پس هر چند دوره یک بار همه چیز را روی دیسک می‌گذاریم.
#
# - `save_checkpoint` آنچه را برای ادامهٔ کار لازم است، از مدل و از بهینه‌ساز، همراه با شمارهٔ دوره در فایل `path` می‌گذارد.
# - `load_checkpoint` آن را در مدل و بهینه‌سازی که داده شده‌اند بازمی‌گرداند و شمارهٔ دوره را برمی‌گرداند. آموزش پس از آن باید چنان ادامه یابد که گویی قطع نشده است.

# %% [markdown] lang="en"
# ---
# ## a. From scratch, with checkpoints (20 points)
#
# From random weights ResNet-50 trains for hours, and a Colab session may end at any moment. So every few epochs we put everything on disk.
#
# - `save_checkpoint` puts what is needed to go on, of the model and of the optimiser, into the file `path`, together with the number of the epoch.
# - `load_checkpoint` restores it into the given model and optimiser and returns the number of the epoch. Training must then go on as if it had never stopped.


# %% name="checkpoint"
def save_checkpoint(path: str, model: nn.Module, optimizer: Optimizer, epoch: int) -> None:
    """Save model, optimiser and the number of the epoch that has just ended into `path`."""
    # BEGIN SOLUTION
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
    torch.save(state, path)
    # END SOLUTION


def load_checkpoint(path: str, model: nn.Module, optimizer: Optimizer) -> int:
    """Restore model and optimiser from `path`; return the number of the epoch."""
    # BEGIN SOLUTION
    state = torch.load(path)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return state["epoch"]
    # END SOLUTION


# %% [markdown] lang="fa"
# `train` مدل را تا پایان دورهٔ `epochs` با cross-entropy آموزش می‌دهد و فهرست میانگین هزینهٔ دوره‌هایی را که اجرا کرده برمی‌گرداند. اگر `path` داده شود، پس از هر `every` دوره (پس از دورهٔ `every`، `2*every`، …) یک نقطهٔ بازگشت در آن می‌گذارد و **اگر فایل از پیش هست، از همان‌جا ادامه می‌دهد**: با نقطهٔ بازگشت دورهٔ ۴ و `epochs=8` فقط دوره‌های ۵ تا ۸ اجرا می‌شوند.

# %% [markdown] lang="en"
# `train` trains the model with cross-entropy up to the end of epoch `epochs` and returns the list of the mean losses of the epochs that it ran. If `path` is given, it leaves a checkpoint there after every `every` epochs (after epoch `every`, `2*every`, …), and **if the file is there already it goes on from it**: with a checkpoint of epoch 4 and `epochs=8` only the epochs 5 to 8 are run.


# %% name="train"
def train(
    model: nn.Module,
    batches: Batches,
    optimizer: Optimizer,
    epochs: int,
    path: str | None = None,
    every: int = 5,
) -> list[float]:
    """Train up to the end of epoch `epochs`; return the mean loss of each epoch that was run."""
    # BEGIN SOLUTION
    done = load_checkpoint(path, model, optimizer) if path and Path(path).exists() else 0
    history = []
    for epoch in range(done + 1, epochs + 1):
        model.train()
        losses = []
        for images, labels in batches:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        history.append(float(np.mean(losses)))
        if path and epoch % every == 0:
            save_checkpoint(path, model, optimizer, epoch)
    return history
    # END SOLUTION


# %% [markdown] lang="fa"
# `draw_cars` خودرو نقاشی می‌کند: تصویرهای کوچک ۴۸×۴۸ که مدل‌هایشان فقط در تناسب‌ها فرق دارند. با آن می‌توانید حلقه‌هایتان را در چند ثانیه امتحان کنید، پیش از آنکه ساعت‌ها GPU خرج کنید.

# %% [markdown] lang="en"
# `draw_cars` draws cars: small images of 48×48 whose models differ in their proportions alone. Try your loops on them in a few seconds before you spend hours of a GPU.

# %% name="drawn-cars"
Data = dict[str, tuple[Tensor, Tensor]]  # images (n, 3, H, W) and labels (n,) by "train" and "val"


def draw_cars(n_models: int, n_train: int, n_val: int, seed: int) -> Data:
    """Draw cars that differ by model in their proportions; colour, place and side are chance."""
    rng = np.random.default_rng(seed)
    low, high = [11, 3, -5, 4, 3, 2], [20, 7, 5, 10, 8, 5]
    models = rng.uniform(low, high, size=(n_models, 6))
    y, x = np.mgrid[:48, :48]

    def draw(model: np.ndarray) -> np.ndarray:
        length, height, cabin, cabin_length, cabin_height, wheel = model
        dx, dy = (x - rng.uniform(20, 28)) * rng.choice([-1, 1]), y - rng.uniform(22, 30)
        body = (abs(dx) < length) & (abs(dy) < height)
        roof = (dy <= -height) & (dy > -height - cabin_height)
        roof &= abs(dx - cabin) < cabin_length + 0.6 * (dy + height)
        wheels = (abs(dx) - 0.6 * length) ** 2 + (dy - height) ** 2 < wheel**2
        background, paint = rng.uniform(size=(2, 3, 1, 1))
        image = np.where(body | roof, paint, background)
        image = np.where(wheels, rng.uniform(0, 0.3), image)
        return (image + rng.normal(scale=0.08, size=image.shape) - 0.5) / 0.3

    def part(n: int) -> tuple[Tensor, Tensor]:
        labels = np.repeat(np.arange(n_models), n)
        images = np.stack([draw(models[label]) for label in labels])
        return torch.tensor(images, dtype=torch.float32), torch.tensor(labels)

    return {"train": part(n_train), "val": part(n_val)}


# %% [markdown] lang="fa"
# اکنون ResNet-50 را با وزن‌های تصادفی ۲۰ دوره آموزش دهید (خانه‌های `recorded`). در هر دوره یک سطر چاپ کنید: نام اجرا (`scratch`)، شمارهٔ دوره، و هزینه و دقت روی آموزش و اعتبارسنجی.

# %% [markdown] lang="en"
# Now train ResNet-50 from random weights for 20 epochs (`recorded` cells). Print a line for each epoch: the name of the run (`scratch`), the number of the epoch, and loss and accuracy on training and validation data.


# %% name="data" tags=["recorded"]
def load_cars() -> Data:
    """Return the images of Stanford Cars, or of whatever you could get in its place."""
    # BEGIN SOLUTION
    # The real data take 1.8 GB and a GPU. Drawn cars of 49 models, twelve images of each to train
    # on, show the same effects in two minutes of CPU time.
    return draw_cars(n_models=49, n_train=12, n_val=10, seed=1)
    # END SOLUTION


def train_and_validate(
    name: str,
    model: nn.Module,
    data: Data,
    optimizer: Optimizer,
    epochs: int,
    mode: Callable[[nn.Module], Any] = nn.Module.train,
) -> None:
    """Train `model`, put into training mode by `mode`, and print a line for each epoch."""
    # BEGIN SOLUTION
    for epoch in range(1, epochs + 1):
        mode(model)
        images, labels = data["train"]
        losses, right = [], 0
        for batch in torch.randperm(len(images)).split(25):
            scores = model(images[batch])
            loss = F.cross_entropy(scores, labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            right += (scores.argmax(1) == labels[batch]).sum().item()
        model.eval()
        val_images, val_labels = data["val"]
        with torch.no_grad():
            scores = torch.cat([model(some) for some in val_images.split(100)])
        val_loss = F.cross_entropy(scores, val_labels)
        val_accuracy = (scores.argmax(1) == val_labels).float().mean()
        print(
            f"{name}  epoch {epoch}/{epochs}  train loss: {np.mean(losses):.4f}",
            f"train acc: {right / len(images):.4f}  val loss: {val_loss:.4f}",
            f"val acc: {val_accuracy:.4f}",
            sep="  ",
        )
    # END SOLUTION


# %% name="scratch" tags=["recorded"]
if __name__ == "__main__":
    # BEGIN SOLUTION
    torch.manual_seed(0)
    cars = load_cars()
    scratch = ResNet((1, 1, 1, 1), width=16, num_classes=49)  # ResNet-50 needs a GPU
    optimizer = torch.optim.SGD(scratch.parameters(), lr=0.01, momentum=0.9)
    train_and_validate("scratch", scratch, cars, optimizer, epochs=20)
    # END SOLUTION

# %% [markdown] lang="fa"
# **تحلیل (۳ نمره).** دقت اعتبارسنجی به کجا رسید و چرا بالاتر نرفت؟ منحنی‌های آموزش و اعتبارسنجی را با هم مقایسه کنید و دقت را با حدس تصادفی بسنجید.

# %% [markdown] lang="en"
# **Analysis (3 points).** Where did the validation accuracy arrive, and why not higher? Compare the curves of training and validation, and the accuracy with guessing.

# %% [markdown] lang="fa" answer="scratch/why-low"
# (عددها از اجرای بالا روی خودروهای نقاشی‌شده‌اند؛ عددهای شما فرق دارند.)
#
# هزینهٔ آموزش تا ۰٫۰۶ پایین می‌آید و دقت آموزش به ۰٫۹۹۸ می‌رسد، ولی دقت اعتبارسنجی پس از بیست دوره ۰٫۱۲۷ است و هزینهٔ اعتبارسنجی از دورهٔ ۶ به بعد (۳٫۷۵ تا ۴٫۲۴) بالا می‌رود: بیش‌برازش. حدس تصادفی میان ۴۹ مدل ۰٫۰۲۰ است، پس شبکه چیزی آموخته، ولی بسیار کم.
#
# از هر مدل فقط دوازده تصویر هست و شبکه باید از همین‌ها هم لبه و شکل را بیاموزد و هم تفاوت‌های ظریف مدل‌ها را. چنین شبکه‌ای می‌تواند تصویرها را حفظ کند. در Stanford Cars هم از هر مدل حدود چهل تصویر آموزش هست؛ آنجا ResNet-50 در بیست دوره حتی دادهٔ آموزش را یاد نمی‌گیرد (۰٫۰۴۳ و ۰٫۰۳۵ در برابر حدس ۰٫۰۰۵) و کم‌برازش دارد، چون شبکهٔ بزرگ با وزن تصادفی گام‌های بسیار بیشتری می‌خواهد.

# %% [markdown] lang="en" answer="scratch/why-low"
# (The numbers are those of the run above, on drawn cars; yours will differ.)
#
# The training loss falls to 0.06 and the training accuracy reaches 0.998, yet the validation accuracy is 0.127 after twenty epochs, and the validation loss rises from epoch 6 on (3.75 to 4.24): overfitting. Guessing among 49 models is right in 0.020 of all cases, so the network has learned something, but very little.
#
# There are only twelve images of each model, from which the network has to learn edges and shapes as well as the fine differences between models. Such a network can memorise the images. In Stanford Cars there are about forty training images of each model; there ResNet-50 does not even learn the training data in twenty epochs (0.043 and 0.035, where guessing gives 0.005) and underfits, since a large network with random weights wants many more steps.

# %% [markdown] lang="fa"
# ---
# ## ب. استخراج ویژگی (۲۰ نمره)
#
# از اینجا به بعد شبکه با وزن‌های از پیش آموخته (ImageNet) آغاز می‌شود. نخست همهٔ آن منجمد می‌شود و فقط یک سر تازه به‌جای `fc` آموزش می‌بیند: لایهٔ خطی ۲۰۴۸ به ۱۰۲۴، ReLU، لایهٔ خطی ۱۰۲۴ به تعداد کلاس‌ها.
#
# **شمارش (۵ نمره).** «تنسور پارامتر» هر عضو `model.parameters()` است؛ وزن و بایاس یک لایه دو تنسورند.
#
# - `resnet_tensors` و `resnet_parameters`: تعداد تنسورهای پارامتر و تعداد پارامترهای ResNet-50 دست‌نخورده (۱۰۰۰ کلاس)
# - `transfer_tensors`: تعداد تنسورهای پارامتر پس از آنکه سر تازه (۱۹۶ کلاس) **جای** `fc` را گرفت
# - `trainable_tensors`: از آن‌ها چندتا آموزش می‌بینند
# - `head_parameters`: تعداد پارامترهای سر تازه

# %% [markdown] lang="en"
# ---
# ## b. Feature extraction (20 points)
#
# From here on the network starts from pretrained weights (ImageNet). First all of it is frozen, and only a new head in the place of `fc` is trained: linear 2048 to 1024, ReLU, linear 1024 to the number of classes.
#
# **Counting (5 points).** A "parameter tensor" is a member of `model.parameters()`; weight and bias of a layer are two.
#
# - `resnet_tensors` and `resnet_parameters`: number of parameter tensors and of parameters of ResNet-50 as it is (1000 classes)
# - `transfer_tensors`: number of parameter tensors once the new head (196 classes) has taken the **place** of `fc`
# - `trainable_tensors`: how many of those are trained
# - `head_parameters`: number of parameters of the new head


# %% name="feature-extractor"
def feature_extractor(model: nn.Module, num_classes: int = 196) -> nn.Module:
    """Return `model` with all parameters frozen, and a trainable head in the place of `fc`.

    The head maps 2048 features to 1024, ReLU, `num_classes` scores for cross-entropy.
    """
    # BEGIN SOLUTION
    for parameter in model.parameters():
        parameter.requires_grad = False
    features = model.fc.in_features
    model.fc = nn.Sequential(
        nn.Linear(features, features // 2), nn.ReLU(), nn.Linear(features // 2, num_classes)
    )
    return model
    # END SOLUTION


# %% name="counting"
# BEGIN SOLUTION
with torch.device("meta"):  # shapes without values: counting needs no more
    network = resnet50()
    resnet_tensors = len(list(network.parameters()))
    resnet_parameters = sum(p.numel() for p in network.parameters())
    network = feature_extractor(network)
transfer_tensors = len(list(network.parameters()))
trainable_tensors = sum(p.requires_grad for p in network.parameters())
head_parameters = sum(p.numel() for p in network.fc.parameters())
# END SOLUTION

# %% [markdown] lang="fa"
# **حالت آموزش (۴ نمره).** `set_training_mode` مدل را برای آموزش آماده می‌کند (Dropout و BatchNormهایی که آموزش می‌بینند در حالت آموزش)، ولی هیچ چیز از بخش منجمد نباید با آموزش تغییر کند: نه پارامترها و نه آماره‌های متحرک BatchNorm.

# %% [markdown] lang="en"
# **Training mode (4 points).** `set_training_mode` makes a model ready for training (dropout, and batch normalisation that is trained, in training mode), yet nothing of the frozen part may change by training: neither parameters nor the running statistics of batch normalisation.


# %% name="training-mode"
def set_training_mode(model: nn.Module) -> None:
    """Put `model` into training mode, all but the batch normalisation whose weights are frozen."""
    # BEGIN SOLUTION
    model.train()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d) and not layer.weight.requires_grad:
            layer.eval()
    # END SOLUTION


# %% [markdown] lang="fa"
# سر تازه را ۵ دوره آموزش دهید (نام اجرا: `head`).

# %% [markdown] lang="en"
# Train the new head for 5 epochs (name of the run: `head`).

# %% name="head" tags=["recorded"]
if __name__ == "__main__":
    # BEGIN SOLUTION
    # In place of ImageNet: the same network, taught to tell sixty other models of drawn cars.
    other_cars = draw_cars(n_models=60, n_train=60, n_val=5, seed=0)
    pretrained = ResNet((1, 1, 1, 1), width=16, num_classes=60)
    optimizer = torch.optim.SGD(pretrained.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
    train_and_validate("pretraining", pretrained, other_cars, optimizer, epochs=7)
    weights = {name: tensor.clone() for name, tensor in pretrained.state_dict().items()}

    def pretrained_network() -> nn.Module:
        model = ResNet((1, 1, 1, 1), width=16, num_classes=60)
        model.load_state_dict(weights)
        return model

    extractor = feature_extractor(pretrained_network(), num_classes=49)
    optimizer = torch.optim.SGD(extractor.fc.parameters(), lr=0.05, momentum=0.9)
    train_and_validate("head", extractor, cars, optimizer, epochs=5, mode=set_training_mode)
    # END SOLUTION

# %% [markdown] lang="fa"
# **پرسش (۲ نمره).** منجمد کردن چه چیزی را ارزان‌تر می‌کند و چه چیزی را محدود؟ چرا آماره‌های BatchNorm منجمد باید ثابت بمانند؟

# %% [markdown] lang="en"
# **Question (2 points).** What does freezing make cheaper, and what does it limit? Why should the statistics of frozen batch normalisation stay as they are?

# %% [markdown] lang="fa" answer="extraction/freezing"
# برای بخش منجمد گرادیانی حساب و نگه‌داری نمی‌شود و فقط ۲٬۲۹۹٬۰۷۶ پارامتر سر به‌روز می‌شود: حافظه و زمان کمتری می‌خواهد و با دادهٔ کم هم کمتر بیش‌برازش می‌کند. در عوض ویژگی‌ها همان‌هایی می‌مانند که برای ImageNet خوب بوده‌اند؛ اگر تفاوت دو مدل خودرو در آن‌ها نباشد، هیچ سری آن را نمی‌یابد.
#
# وزن‌های منجمد با میانگین و واریانس دادهٔ پیش‌آموزش سازگارند. اگر آماره‌ها با دسته‌های کوچک دادهٔ تازه جابه‌جا شوند، ورودی لایه‌های بعد عوض می‌شود بی‌آنکه وزنی بتواند خود را با آن سازگار کند؛ ویژگی‌ها از دوره‌ای به دورهٔ دیگر فرق می‌کنند و «منجمد» دیگر درست نیست.

# %% [markdown] lang="en" answer="extraction/freezing"
# No gradients are computed or kept for the frozen part, and only the head's 2,299,076 parameters are updated: less memory and time, and less overfitting on little data. In return the features stay what was good for ImageNet; where they do not hold the difference between two models of cars, no head will find it.
#
# The frozen weights fit the mean and variance of the data of pretraining. If the statistics drift with small batches of new data, the inputs of later layers change while no weight can adapt to them; features differ from epoch to epoch, and "frozen" is no longer true.

# %% [markdown] lang="fa"
# ---
# ## پ. SVM به‌جای سر (۲۰ نمره)
#
# شبکهٔ از پیش آموخته این بار فقط ویژگی می‌سازد و یک SVM آن‌ها را دسته‌بندی می‌کند.
#
# - `pooled_features` برای یک دسته تصویر، خروجی `avgpool` را به شکل آرایهٔ `(n, 2048)` برمی‌گرداند (مدل `fc` اصلی خودش را دارد).
# - `svm_accuracies` یک SVM را **یک بار** روی ویژگی‌های همهٔ دسته‌های آموزش برازش می‌کند و جفت `(train_accuracy, test_accuracy)` را به صورت کسر برمی‌گرداند. هسته و تنظیم‌های SVM با شماست.

# %% [markdown] lang="en"
# ---
# ## c. An SVM in place of the head (20 points)
#
# This time the pretrained network only makes features, and an SVM classifies them.
#
# - `pooled_features` returns for a batch of images what `avgpool` gives, as an array `(n, 2048)` (the model has its own original `fc`).
# - `svm_accuracies` fits one SVM **once** to the features of all training batches, and returns the pair `(train_accuracy, test_accuracy)` as fractions. Kernel and settings of the SVM are up to you.


# %% name="features"
def pooled_features(model: nn.Module, images: Tensor) -> np.ndarray:
    """Return the pooled features (n, 2048) of `images` (n, 3, H, W), in evaluation mode."""
    # BEGIN SOLUTION
    found: list[Tensor] = []
    hook = model.avgpool.register_forward_hook(lambda layer, given, output: found.append(output))
    model.eval()
    with torch.no_grad():
        model(images)
    hook.remove()
    return found[0].flatten(1).numpy()
    # END SOLUTION


# %% name="svm"
def svm_accuracies(
    model: nn.Module, train_batches: Batches, test_batches: Batches
) -> tuple[float, float]:
    """Fit an SVM to the features of all training images; return its training and test accuracy."""

    # BEGIN SOLUTION
    def collect(batches: Batches) -> tuple[np.ndarray, np.ndarray]:
        features = [pooled_features(model, images) for images, _ in batches]
        return np.concatenate(features), np.concatenate([labels for _, labels in batches])

    train_x, train_y = collect(train_batches)
    test_x, test_y = collect(test_batches)
    classifier = make_pipeline(StandardScaler(), SVC(C=10)).fit(train_x, train_y)
    return classifier.score(train_x, train_y), classifier.score(test_x, test_y)
    # END SOLUTION


# %% [markdown] lang="fa"
# آن را روی دادهٔ خودتان اجرا کنید و هر دو دقت را در یک سطر که با `svm` آغاز می‌شود چاپ کنید. سپس دقتی را که نشان می‌دهد SVM روی تصویرهای **ندیده** چقدر خوب است در `svm_accuracy` بنویسید.

# %% [markdown] lang="en"
# Run it on your data and print both accuracies in a line that begins with `svm`. Then write into `svm_accuracy` the accuracy that tells how good the SVM is on images that it has **not** seen.

# %% name="svm-run" tags=["recorded"]
if __name__ == "__main__":
    # BEGIN SOLUTION
    in_batches = {
        part: list(zip(x.split(100), y.split(100), strict=True)) for part, (x, y) in cars.items()
    }
    accuracies = svm_accuracies(pretrained_network(), in_batches["train"], in_batches["val"])
    print("svm  train acc: {:.4f}  val acc: {:.4f}".format(*accuracies))
    # END SOLUTION

# %% name="svm-claim"
# BEGIN SOLUTION
svm_accuracy = 0.7306
# END SOLUTION

# %% [markdown] lang="fa"
# **تحلیل (۳ نمره).** دو دقت SVM چه فرقی دارند و این فرق چه می‌گوید؟ چرا logitهای ۱۰۰۰تایی `fc` جای ویژگی‌های ادغام‌شده را نمی‌گیرند؟ نتیجه را با سر بخش ب مقایسه کنید.

# %% [markdown] lang="en"
# **Analysis (3 points).** How do the two accuracies of the SVM differ, and what does that say? Why are the 1000 logits of `fc` no substitute for the pooled features? Compare the outcome with the head of part b.

# %% [markdown] lang="fa" answer="svm/comparison"
# (در اجرای بالا) SVM تقریباً همهٔ تصویرهای آموزش را درست می‌گوید (۰٫۹۸۸) و از تصویرهای ندیده ۰٫۷۳۱ را. در فضایی با صدها بُعد و چند تصویر از هر کلاس تقریباً همیشه مرزی هست که دادهٔ آموزش را جدا می‌کند؛ پس دقت آموزش دربارهٔ تعمیم چیزی نمی‌گوید و فقط عدد دوم ارزش گزارش دارد.
#
# logitها ترکیب‌های خطی همان ویژگی‌ها هستند که برای جدا کردن کلاس‌های **پیش‌آموزش** ساخته شده‌اند: آنچه برای آن‌ها بی‌اثر بوده، مثلاً تفاوت دو مدل خودرو، در این نگاشت ۲۰۴۸ به ۱۰۰۰ از دست می‌رود.
#
# SVM اینجا از سر بخش ب (۰٫۵۹۰) بهتر است، چون مسئلهٔ محدبش را تا پایان حل می‌کند، در حالی که سر پس از پنج دوره هنوز رو به بهبود است (دقت آموزش ۰٫۶۱۷).

# %% [markdown] lang="en" answer="svm/comparison"
# (In the run above) the SVM is right on nearly all training images (0.988) and on 0.731 of those that it has not seen. In a space of hundreds of dimensions with a few images of each class there almost always is a boundary that separates the training data; training accuracy thus says nothing of generalisation, and only the second number is worth reporting.
#
# The logits are linear combinations of the same features, made to separate the classes of the **pretraining**: what did not matter to those, such as the difference between two models of cars, is lost in this map from 2048 to 1000.
#
# Here the SVM beats the head of part b (0.590), because it solves its convex problem to the end, while the head is still improving after five epochs (training accuracy 0.617).

# %% [markdown] lang="fa"
# ---
# ## ت. تنظیم دقیق لایه‌های آخر (۲۰ نمره)
#
# - `fine_tuning_model` مانند `feature_extractor` سر تازه می‌گذارد، ولی لایه‌های آخر شبکه (دست‌کم `layer4`) هم آموزش می‌بینند؛ لایه‌های پیش از آن منجمد می‌مانند.
# - `fine_tuning_optimizer` بهینه‌سازی برای هر چه آموزش می‌بیند می‌سازد: سر با `learning_rate` و لایه‌های از پیش آموخته با نرخی کمتر.
# - `tuned_tensors`: اگر در ResNet-50 دقیقاً `layer4` و سر آموزش ببینند، چند تنسور پارامتر آموزش می‌بیند؟

# %% [markdown] lang="en"
# ---
# ## d. Fine-tuning the last layers (20 points)
#
# - `fine_tuning_model` puts in a new head as `feature_extractor` does, but the last layers of the network (at least `layer4`) are trained, too; the layers before them stay frozen.
# - `fine_tuning_optimizer` makes an optimiser for all that is trained: the head at `learning_rate`, pretrained layers at a lower rate.
# - `tuned_tensors`: when exactly `layer4` and the head of ResNet-50 are trained, how many parameter tensors are trained?


# %% name="fine-tuning"
def fine_tuning_model(model: nn.Module, num_classes: int = 196) -> nn.Module:
    """Return `model` with a new head, where the head and the last layers are trainable."""
    # BEGIN SOLUTION
    model = feature_extractor(model, num_classes)
    model.layer4.requires_grad_(True)
    return model
    # END SOLUTION


def fine_tuning_optimizer(model: nn.Module, learning_rate: float) -> Optimizer:
    """Return an optimiser for all trainable parameters: `fc` at `learning_rate`, others at less."""
    # BEGIN SOLUTION
    head = list(model.fc.parameters())
    inside = {id(parameter) for parameter in head}
    pretrained = [p for p in model.parameters() if p.requires_grad and id(p) not in inside]
    groups = [{"params": head}, {"params": pretrained, "lr": learning_rate / 4}]
    return torch.optim.SGD(groups, lr=learning_rate, momentum=0.9)
    # END SOLUTION


# %% name="tuned-tensors"
# BEGIN SOLUTION
with torch.device("meta"):
    tuned_tensors = sum(p.requires_grad for p in fine_tuning_model(resnet50()).parameters())
# END SOLUTION

# %% [markdown] lang="fa"
# همان تعداد دوره که در بخش ب، آموزش دهید (نام اجرا: `tuned`). سپس در `best_method` بنویسید کدام راه در خروجی‌های **شما** بالاترین دقت را روی تصویرهای ندیده دارد: `"scratch"`، `"head"`، `"svm"` یا `"tuned"`.

# %% [markdown] lang="en"
# Train for as many epochs as in part b (name of the run: `tuned`). Then write into `best_method` which way has the highest accuracy on unseen images in **your** outputs: `"scratch"`, `"head"`, `"svm"` or `"tuned"`.

# %% name="tuned" tags=["recorded"]
if __name__ == "__main__":
    # BEGIN SOLUTION
    tuned = fine_tuning_model(pretrained_network(), num_classes=49)
    optimizer = fine_tuning_optimizer(tuned, learning_rate=0.05)
    train_and_validate("tuned", tuned, cars, optimizer, epochs=5, mode=set_training_mode)
    # END SOLUTION

# %% name="best-method"
# BEGIN SOLUTION
best_method = "svm"
# END SOLUTION

# %% [markdown] lang="fa"
# **تحلیل (۴ نمره).** چرا تنظیم دقیق از سر تنها بهتر (یا در نتیجهٔ شما بدتر) است؟ چرا لایه‌های آخر و نه نخستین لایه‌ها، و چرا با نرخ یادگیری کمتر؟ اگر دادهٔ شما ده برابر بود چه می‌کردید؟

# %% [markdown] lang="en"
# **Analysis (4 points).** Why is fine-tuning better than the head alone (or worse, in your outcome)? Why the last layers and not the first, and why at a lower learning rate? What would you do with ten times the data?

# %% [markdown] lang="fa" answer="tuning/analysis"
# با همان پنج دوره، تنظیم دقیق به ۰٫۶۲۰ می‌رسد و سر تنها به ۰٫۵۹۰: `layer4` می‌تواند ویژگی‌ها را با تفاوت‌های مدل‌های تازه سازگار کند. فاصله با ۴۹۰ تصویر اعتبارسنجی کم است (خطای نمونه‌گیری حدود ۰٫۰۲۲)؛ هزینهٔ اعتبارسنجی (۱٫۰۰ در برابر ۱٫۱۶) همین را تأیید می‌کند. SVM با ۰٫۷۳۱ هنوز جلوتر است، پس هر دو شبکه آموزش بیشتری می‌خواهند.
#
# لایه‌های نخست لبه و رنگ را می‌یابند که برای هر تصویری به کار می‌آید؛ لایه‌های آخر ویژهٔ وظیفهٔ پیشین‌اند و بیشترین نیاز را به تغییر دارند. نرخ کم برای این است که گرادیان‌های بزرگ آغاز کار، که از سر تصادفی می‌آیند، وزن‌های خوب را خراب نکنند.
#
# با دادهٔ ده برابر، لایه‌های بیشتری را (از `layer3` یا همهٔ شبکه) با نرخ کم باز می‌کردم: خطر بیش‌برازش کمتر می‌شود و فاصلهٔ ویژگی‌ها با وظیفهٔ تازه مهم‌تر.

# %% [markdown] lang="en" answer="tuning/analysis"
# In the same five epochs fine-tuning reaches 0.620, the head alone 0.590: `layer4` can adapt the features to what tells the new models apart. On 490 validation images that distance is small (the sampling error is about 0.022); the validation loss (1.00 against 1.16) says the same. The SVM is still ahead with 0.731, so both networks want more training.
#
# The first layers find edges and colours, of use for any image; the last ones are made for the old task and have the most need to change. The rate is low so that the large gradients of the beginning, which come from a random head, do not spoil good weights.
#
# With ten times the data I would unfreeze more layers (from `layer3`, or the whole network) at a low rate: overfitting becomes less of a danger, and the distance between the features and the new task matters more.

# %% [markdown] lang="fa"
# ---
# ## ث. صفرها در هر لایه (۲۰ نمره)
#
# ReLU بخشی از خروجی‌ها را صفر می‌کند. `zero_percentages` برای یک تصویر `(1, 3, H, W)` درصد صفرهای خروجی هر لایه را به ترتیب اجرا برمی‌گرداند: فهرستی از عددهای ۰ تا ۱۰۰. «لایه» ماژولی است که زیرماژول ندارد؛ لایه‌ای که در یک گذر چند بار اجرا می‌شود هر بار شمرده می‌شود. از forward hook استفاده کنید و مدل را همان‌طور که بود پس بدهید.

# %% [markdown] lang="en"
# ---
# ## e. Zeros in every layer (20 points)
#
# ReLU makes some of the outputs zero. `zero_percentages` returns for one image `(1, 3, H, W)` the percentage of zeros in the output of each layer, in the order in which they run: a list of numbers from 0 to 100. A "layer" is a module without submodules; a layer that runs several times in one pass counts each time. Use forward hooks, and leave the model as it was.


# %% name="zero-percentages"
def zero_percentages(model: nn.Module, image: Tensor) -> list[float]:
    """Return the percentage of zeros in the output of each layer, in the order of execution."""
    # BEGIN SOLUTION
    percentages: list[float] = []

    def count(layer: nn.Module, given: Any, output: Tensor) -> None:
        # At once: an in-place ReLU that runs next would change `output`.
        percentages.append(100 * (output == 0).float().mean().item())

    layers = [layer for layer in model.modules() if not list(layer.children())]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    was_training = model.training
    model.eval()
    with torch.no_grad():
        model(image)
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return percentages
    # END SOLUTION


# %% [markdown] lang="fa"
# برای یک تصویر، درصدها را پیش از تنظیم دقیق (شبکهٔ از پیش آموخته) و پس از آن حساب کنید. جدولی با ستون‌های شمارهٔ لایه، `before` و `after` چاپ کنید و هر دو را در یک نمودار بر حسب شمارهٔ لایه بکشید. لایه‌های سر را، که در دو شبکه یکی نیستند، کنار بگذارید. سپس در `sparser` بنویسید میانگین درصد صفرها در جدول **شما** کجا بیشتر است: `"before"` یا `"after"`.

# %% [markdown] lang="en"
# For one image, compute the percentages before fine-tuning (the pretrained network) and after it. Print a table with the columns number of the layer, `before` and `after`, and plot both against the number of the layer in one figure. Leave out the layers of the head, which differ between the networks. Then write into `sparser` where the mean percentage of zeros is higher in **your** table: `"before"` or `"after"`.

# %% name="zeros" tags=["recorded"]
if __name__ == "__main__":
    # BEGIN SOLUTION
    image = cars["val"][0][:1]
    before = zero_percentages(pretrained_network(), image)[:-1]
    after = zero_percentages(tuned, image)[: len(before)]
    print("| layer | before | after |")
    print("|---|---|---|")
    for layer, row in enumerate(zip(before, after, strict=True), start=1):
        print("| {} | {:.2f} | {:.2f} |".format(layer, *row))
    plt.plot(range(1, len(before) + 1), before, "o-", label="before fine-tuning")
    plt.plot(range(1, len(after) + 1), after, "s--", label="after fine-tuning")
    plt.xlabel("layer")
    plt.ylabel("zeros (%)")
    plt.legend()
    plt.show()
    print(f"mean  before: {np.mean(before):.2f}  after: {np.mean(after):.2f}")
    # END SOLUTION

# %% name="zeros-claim"
# BEGIN SOLUTION
sparser = "after"
# END SOLUTION

# %% [markdown] lang="fa"
# **تحلیل (۶ نمره).** الگوی نمودار را توضیح دهید: کدام لایه‌ها صفر دارند و چرا؟ درصد با عمق چه می‌کند؟ تنظیم دقیق کجا چیزی را عوض کرده و کجا نه، و چرا؟

# %% [markdown] lang="en"
# **Analysis (6 points).** Explain the pattern of the plot: which layers have zeros, and why? What does the percentage do with depth? Where did fine-tuning change something, where not, and why?

# %% [markdown] lang="fa" answer="zeros/pattern"
# صفر تقریباً فقط پس از ReLU پدید می‌آید و با `maxpool` و `avgpool` به لایهٔ بعد می‌رسد؛ خروجی کانولوشن و BatchNorm عددهای پیوسته‌اند و ۰٪ صفر دارند. برای همین نمودار میان صفر و قله‌ها بالا و پایین می‌رود.
#
# ReLU نخست ۸٪ صفر دارد، ReLUهای میانی ۳۰ تا ۵۸٪ (BatchNorm ورودی را نزدیک صفر متقارن می‌کند، پس حدود نیمی منفی است) و آخرین ReLU ۸۱٪: ویژگی‌های عمیق انتخابی‌اند و برای هر تصویر فقط اندکی از آن‌ها روشن می‌شوند. `avgpool` صفر کمتری دارد (۴۶٪)، چون کانالی صفر می‌شود که همه جا صفر باشد.
#
# تا پایان `layer3` درصدها در هر دو شبکه یکی است: آن لایه‌ها منجمدند. فقط در `layer4` فرق می‌کنند و بسیار کم (۵۷٫۹ به ۵۶٫۱، ۸۱٫۲ به ۸۲٫۱، میانگین همه ۱۳٫۴۶ به ۱۳٫۴۷)، چون پنج دوره با نرخ کم وزن‌ها را اندکی جابه‌جا کرده است. از یک تصویر نمی‌توان گفت شبکه در کل تُنُک‌تر شده است.

# %% [markdown] lang="en" answer="zeros/pattern"
# Zeros arise almost only after ReLU and reach the next layer through `maxpool` and `avgpool`; outputs of convolutions and batch normalisation are continuous and have 0% of them. So the plot jumps between zero and peaks.
#
# The first ReLU has 8% zeros, those in the middle 30 to 58% (batch normalisation makes its output roughly symmetric around zero, so that about half of it is negative), the last one 81%: deep features are selective, and only a few of them respond to any one image. `avgpool` has fewer (46%), since a channel is zero there only where all of it is.
#
# Up to the end of `layer3` the percentages of both networks are equal: those layers are frozen. They differ only in `layer4`, and by very little (57.9 to 56.1, 81.2 to 82.1, the mean of all 13.46 to 13.47), because five epochs at a low rate have moved the weights a little. One image does not tell whether the network has become sparser on the whole.
