"""A small real course on disk, for tests to read, and to break in one place at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

COURSE = """\
title = { fa = "یادگیری ژرف", en = "Deep learning" }
languages = ["fa", "en"]
calendar = "jalali"
time_zone = "Asia/Tehran"
assignments = ["hw4_convnets"]
roster = "roster.csv"

[late]
policy = "grace-then-linear"
grace_hours = 72
percent_per_day = 50
"""

ASSIGNMENT = """\
title = { fa = "شبکه‌های پیچشی", en = "Convolutional networks" }
due = "1403/10/11 23:59"

[limits]
cell_seconds = 12.5
memory_mb = 4096

[aliases]
dW = ["grad_W", "weight_gradient"]

[[question]]
id = "depth"
label = { fa = "نظری ۱", en = "Theory 1" }
title = { fa = "ژرفا", en = "Depth" }

[[question.part]]
id = "why"
title = { fa = "چرا شبکهٔ خیلی ژرف بدتر می‌شود؟", en = "Why do very deep networks degrade?" }
kind = "rubric"
points = 5

[[question]]
id = "conv-gradients"
label = { fa = "نظری ۲", en = "Theory 2" }
title = { fa = "گرادیان پیچش", en = "Gradients of a convolution" }

[[question.part]]
id = "weights"
title = { fa = "گرادیان نسبت به وزن‌ها", en = "Gradient with respect to the weights" }
kind = "auto"
points = 5

[[question.part]]
id = "curves"
title = { fa = "نمودارهای آموزش", en = "Training curves" }
kind = "recorded"
points = 2.5

[[question]]
id = "grad-cam"
label = { fa = "امتیازی", en = "Bonus" }
title = { fa = "Grad-CAM", en = "Grad-CAM" }
bonus = true

[[question.part]]
id = "weights"
title = { fa = "ضریب هر کانال", en = "The weight of each channel" }
kind = "auto"
points = 0.1
"""

RUBRIC = """\
["depth/why"]
model_answer = { fa = "گرادیان در لایه‌های بسیار کوچک می‌شود.", en = "The gradient shrinks over many layers." }

[["depth/why".criterion]]
id = "vanishing"
points = 3.5
text = { fa = "محو شدن گرادیان را نام می‌برد.", en = "Names the vanishing gradient." }

[["depth/why".criterion]]
id = "reason"
points = 1.5
text = { fa = "دلیل آن را می‌گوید.", en = "Says why it happens." }
"""

FEEDBACK = """\
[check.test_gradient_of_the_weights]
title = { fa = "گرادیان وزن‌ها همبستگی متقابل است.", en = "The weight gradient is a cross-correlation." }
hint = { fa = "به پنجره‌های X نگاه کنید.", en = "Look at the windows of X." }

[check.test_curves_fall]
title = { fa = "خطای آموزش کم می‌شود.", en = "The training loss falls." }

[check.test_channel_weights]
title = { fa = "میانگین روی مکان‌ها است.", en = "It is the mean over all places." }

[misconception.flipped]
text = { fa = "گرادیان چرخانده شده است.", en = "The gradient has been rotated." }
credit = 0.4

[note.rotated-form]
text = { fa = "صورت چرخانده هم درست است.", en = "The rotated form is right too." }
"""


class Folder:
    """The folder of a course whose files can be changed by replacing a piece of text."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.assignment = root / "assignments" / "hw4_convnets"

    def file(self, name: str) -> Path:
        at_root = name in {"course.toml", "roster.csv"}
        return (self.root if at_root else self.assignment) / name

    def write(self, name: str, text: str) -> Path:
        path = self.file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def replace(self, name: str, old: str, new: str) -> None:
        text = self.file(name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        self.write(name, text.replace(old, new))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.write("course.toml", COURSE)
    made.write("roster.csv", "id,name\n400123456,مینا راد\n")
    made.write("assignment.toml", ASSIGNMENT)
    made.write("rubric.toml", RUBRIC)
    made.write("feedback.toml", FEEDBACK)
    return made
