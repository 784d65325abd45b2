"""Metric readers: what students' training loops print, read into curves and tables, and judged."""

from __future__ import annotations

import math
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader.checks.curves import (
    Curve,
    better_than,
    falls,
    first_epoch_of_overfitting,
    gap,
    pick,
    read_curves,
    read_tables,
    rises,
)

TRAIN_LOSS = ("train", "loss")
TRAIN_ACC = ("train", "accuracy")
VAL_LOSS = ("validation", "loss")
VAL_ACC = ("validation", "accuracy")
TEST_LOSS = ("test", "loss")
TEST_ACC = ("test", "accuracy")

BACKSPACES = "\b" * 60

# One entry per way of printing: what was saved, and the curves in it.
LOGS = {
    "udacity": (
        """
Epoch 1/15..  Training loss: 0.839..  Test loss: 0.612.. Test accuracy: 0.736
Epoch 2/15..  Training loss: 0.491..  Test loss: 0.503.. Test accuracy: 0.836
""",
        {TRAIN_LOSS: {1: 0.839, 2: 0.491}, TEST_LOSS: {1: 0.612, 2: 0.503}, TEST_ACC: {1: 0.736, 2: 0.836}},
    ),
    "pytorch transfer learning tutorial": (
        """
Epoch 0/1
----------
train Loss: 4.1011 Acc: 0.1057
val Loss: 3.1011 Acc: 0.1957

Epoch 1/1
----------
train Loss: 2.1011 Acc: 0.3057
val Loss: 2.5011 Acc: 0.2957

Training complete in 2m 3s
Best val Acc: 0.2957
""",
        {
            TRAIN_LOSS: {0: 4.1011, 1: 2.1011},
            TRAIN_ACC: {0: 0.1057, 1: 0.3057},
            VAL_LOSS: {0: 3.1011, 1: 2.5011},
            VAL_ACC: {0: 0.1957, 1: 0.2957},
        },
    ),
    "count in brackets, percent": (
        """
[1/20] loss=0.92 acc=65.1%
[12/20] loss=0.42 acc=85.1%
""",
        {TRAIN_LOSS: {1: 0.92, 12: 0.42}, TRAIN_ACC: {1: 0.651, 12: 0.851}},
    ),
    "keras 2 with backspaces": (
        f"""
Epoch 1/2
   1/1875 [..............................] - ETA: 5:00 - loss: 2.3026 - accuracy: 0.1000{BACKSPACES} 900/1875 [=====>........] - ETA: 2s - loss: 0.8123 - accuracy: 0.6612{BACKSPACES}1875/1875 [==============================] - 5s 3ms/step - loss: 0.4980 - accuracy: 0.8250 - val_loss: 0.4201 - val_accuracy: 0.8511
Epoch 2/2
1875/1875 [==============================] - 5s 3ms/step - loss: 0.3812 - accuracy: 0.8640 - val_loss: 0.4004 - val_accuracy: 0.8599
""",
        {
            TRAIN_LOSS: {1: 0.4980, 2: 0.3812},
            TRAIN_ACC: {1: 0.8250, 2: 0.8640},
            VAL_LOSS: {1: 0.4201, 2: 0.4004},
            VAL_ACC: {1: 0.8511, 2: 0.8599},
        },
    ),
    "keras 3 with colours": (
        ("Epoch 1/2\n\x1b[1m  10/1875\x1b[0m \x1b[37m━━━━━━━━━━━━━━━━━━━━\x1b[0m \x1b[1m4s\x1b[0m 2ms/step"
        " - accuracy: 0.1 - loss: 2.3\r\x1b[1m1875/1875\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m "
        "\x1b[1m4s\x1b[0m 2ms/step - accuracy: 0.8012 - loss: 0.6 - val_accuracy: 0.85 - val_loss: 0.4\n"
        "Epoch 2/2\n\x1b[1m1875/1875\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m \x1b[1m4s\x1b[0m 2ms/step"
        " - accuracy: 0.9012 - loss: 0.3 - val_accuracy: 0.87 - val_loss: 0.35\n"),
        {
            TRAIN_LOSS: {1: 0.6, 2: 0.3},
            TRAIN_ACC: {1: 0.8012, 2: 0.9012},
            VAL_LOSS: {1: 0.4, 2: 0.35},
            VAL_ACC: {1: 0.85, 2: 0.87},
        },
    ),
    "keras checkpoints": (
        """
Epoch 1/2
Epoch 00001: val_loss improved from inf to 0.51234, saving model to best.h5
10/10 - 1s - loss: 0.9 - val_loss: 0.5123
Epoch 2/2
Epoch 00002: val_loss did not improve from 0.51234
10/10 - 1s - loss: 0.8 - val_loss: 0.6123
""",
        {TRAIN_LOSS: {1: 0.9, 2: 0.8}, VAL_LOSS: {1: 0.5123, 2: 0.6123}},
    ),
    "pytorch mnist example": (
        """
Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.300039
Train Epoch: 1 [640/60000 (1%)]\tLoss: 1.213470

Test set: Average loss: 0.0484, Accuracy: 9842/10000 (98%)

Train Epoch: 2 [0/60000 (0%)]\tLoss: 0.051
Test set: Average loss: 0.0384, Accuracy: 9882/10000 (99%)
""",
        {
            TRAIN_LOSS: {1: 1.21347, 2: 0.051},
            TEST_LOSS: {1: 0.0484, 2: 0.0384},
            TEST_ACC: {1: 0.9842, 2: 0.9882},
        },
    ),
    "pytorch quickstart": (
        """
Epoch 1
-------------------------------
loss: 2.303494  [   64/60000]
loss: 2.294637  [ 6464/60000]
Test Error:
 Accuracy: 44.7%, Avg loss: 2.150

Epoch 2
-------------------------------
loss: 2.160000  [   64/60000]
Test Error:
 Accuracy: 57.7%, Avg loss: 1.901

Done!
""",
        {
            TRAIN_LOSS: {1: 2.294637, 2: 2.16},
            TEST_ACC: {1: 0.447, 2: 0.577},
            TEST_LOSS: {1: 2.15, 2: 1.901},
        },
    ),
    "pytorch cifar tutorial": (
        """
[1,  2000] loss: 2.182
[1,  4000] loss: 1.843
[2,  2000] loss: 1.404
Finished Training
Accuracy of the network on the 10000 test images: 54 %
Accuracy for class: plane is 37.9 %
""",
        {TRAIN_LOSS: {1: 1.843, 2: 1.404}, TEST_ACC: {2: 0.54}},
    ),
    "pytorch training loop tutorial": (
        """
EPOCH 1:
  batch 1000 loss: 1.7
  batch 2000 loss: 0.8
LOSS train 0.40 valid 0.43
EPOCH 2:
  batch 1000 loss: 0.38
LOSS train 0.30 valid 0.41
""",
        {TRAIN_LOSS: {1: 0.4, 2: 0.3}, VAL_LOSS: {1: 0.43, 2: 0.41}},
    ),
    "imagenet example": (
        ("Epoch: [0][  10/5005]\tTime 0.2 ( 0.3)\tLoss 6.9e+00 (7.0e+00)\tAcc@1  10.39 (  0.10)\tAcc@5  21.39 (  0.10)\n"
        "Epoch: [1][  10/5005]\tTime 0.2 ( 0.3)\tLoss 5.9e+00 (7.0e+00)\tAcc@1  20.39 (  0.10)\tAcc@5  41.39 (  0.10)\n"),
        {
            TRAIN_LOSS: {0: 6.9, 1: 5.9},
            TRAIN_ACC: {0: 0.1039, 1: 0.2039},
            ("train", "top5_accuracy"): {0: 0.2139, 1: 0.4139},
        },
    ),
    "bentrevett": (
        """
Epoch: 01 | Epoch Time: 0m 10s
\tTrain Loss: 0.652 | Train Acc: 61.17%
\t Val. Loss: 0.561 |  Val. Acc: 71.00%
Epoch: 02 | Epoch Time: 0m 10s
\tTrain Loss: 0.552 | Train Acc: 71.17%
\t Val. Loss: 0.461 |  Val. Acc: 75.00%
""",
        {
            TRAIN_LOSS: {1: 0.652, 2: 0.552},
            TRAIN_ACC: {1: 0.6117, 2: 0.7117},
            VAL_LOSS: {1: 0.561, 2: 0.461},
            VAL_ACC: {1: 0.71, 2: 0.75},
        },
    ),
    "split once, metrics after it": (
        """
Epoch 01 | Train: loss 0.5 acc 70.1 | Val: loss 0.6 acc 65.2
Epoch 02 | Train: loss 0.4 acc 75.1 | Val: loss 0.5 acc 70.2
""",
        {
            TRAIN_LOSS: {1: 0.5, 2: 0.4},
            TRAIN_ACC: {1: 0.701, 2: 0.751},
            VAL_LOSS: {1: 0.6, 2: 0.5},
            VAL_ACC: {1: 0.652, 2: 0.702},
        },
    ),
    "split heads a line": (
        """
Epoch 1
Training: loss 0.5 acc 0.7
Validation: loss 0.6 acc 0.6
Epoch 2
Training: loss 0.4 acc 0.8
Validation: loss 0.5 acc 0.7
""",
        {
            TRAIN_LOSS: {1: 0.5, 2: 0.4},
            TRAIN_ACC: {1: 0.7, 2: 0.8},
            VAL_LOSS: {1: 0.6, 2: 0.5},
            VAL_ACC: {1: 0.6, 2: 0.7},
        },
    ),
    "metric once, splits after it": (
        "Epoch 1 - loss: train 0.5, val 0.6\nEpoch 2 - loss: train 0.4, val 0.55\n",
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}, VAL_LOSS: {1: 0.6, 2: 0.55}},
    ),
    "train without a word beside val": (
        """
Epoch 5, Loss: 0.5, Val Loss: 0.6, Acc: 0.8, Val Acc: 0.7
Epoch 6, Loss: 0.4, Val Loss: 0.5, Acc: 0.9, Val Acc: 0.75
""",
        {
            TRAIN_LOSS: {5: 0.5, 6: 0.4},
            TRAIN_ACC: {5: 0.8, 6: 0.9},
            VAL_LOSS: {5: 0.6, 6: 0.5},
            VAL_ACC: {5: 0.7, 6: 0.75},
        },
    ),
    "camel case and numbers as names": (
        "epoch=3 trainLoss=1.2e-3 testAcc=.85 lr=0.001 time=3.2s\nepoch=4 trainLoss=1.1e-3 testAcc=.86 lr=0.001 time=3.1s",
        {TRAIN_LOSS: {3: 0.0012, 4: 0.0011}, TEST_ACC: {3: 0.85, 4: 0.86}},
    ),
    "validation first, names glued": (
        "Epoch 1 val_loss=0.6 loss=0.5 valacc=0.7 trainacc=0.8\nEpoch 2 val_loss=0.55 loss=0.4 valacc=0.75 trainacc=0.9\n",
        {
            VAL_LOSS: {1: 0.6, 2: 0.55},
            TRAIN_LOSS: {1: 0.5, 2: 0.4},
            VAL_ACC: {1: 0.7, 2: 0.75},
            TRAIN_ACC: {1: 0.8, 2: 0.9},
        },
    ),
    "sections with a title": (
        """
Epoch 1
*** Results on the training set ***
loss = 0.5
*** Results on the validation set ***
loss = 0.6
Epoch 2
*** Results on the training set ***
loss = 0.4
*** Results on the validation set ***
loss = 0.55
""",
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}, VAL_LOSS: {1: 0.6, 2: 0.55}},
    ),
    "log file with time stamps": (
        """
2024-01-05 10:11:12,123 - INFO - Epoch 1/3 - train_loss: 0.5, valid_loss: 0.6, accuracy: 0.8
2024-01-05 10:12:12,123 - INFO - Epoch 2/3 - train_loss: 0.4, valid_loss: 0.5, accuracy: 0.85
""",
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}, VAL_LOSS: {1: 0.6, 2: 0.5}, VAL_ACC: {1: 0.8, 2: 0.85}},
    ),
    "tensors printed whole": (
        """
epoch: 1 loss: tensor(0.4321, device='cuda:0', grad_fn=<NllLossBackward0>)
epoch: 2 loss: tensor(0.3321, device='cuda:0', grad_fn=<NllLossBackward0>)
""",
        {TRAIN_LOSS: {1: 0.4321, 2: 0.3321}},
    ),
    "dictionaries": (
        """
{'epoch': 1, 'train_loss': 0.5, 'val_acc': np.float64(0.8)}
{'epoch': 2, 'train_loss': 0.4, 'val_acc': np.float64(0.85)}
""",
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}, VAL_ACC: {1: 0.8, 2: 0.85}},
    ),
    "hugging face trainer": (
        """
{'loss': 0.5, 'grad_norm': 1.2, 'learning_rate': 2e-05, 'epoch': 1.0}
{'eval_loss': 0.4, 'eval_accuracy': 0.85, 'eval_runtime': 3.2, 'epoch': 1.0}
{'loss': 0.3, 'learning_rate': 1e-05, 'epoch': 2.0}
{'eval_loss': 0.35, 'eval_accuracy': 0.88, 'eval_runtime': 3.2, 'epoch': 2.0}
{'train_runtime': 100.2, 'train_loss': 0.4, 'epoch': 2.0}
""",
        {TRAIN_LOSS: {1: 0.5, 2: 0.3}, VAL_LOSS: {1: 0.4, 2: 0.35}, VAL_ACC: {1: 0.85, 2: 0.88}},
    ),
    "history as a dictionary of lists": (
        ("{'loss': [0.5, 0.4, 0.3], 'accuracy': [0.7, 0.8, 0.85], 'val_loss': [0.6, 0.5, 0.55], "
        "'val_accuracy': [0.6, 0.7, 0.71]}"),
        {
            TRAIN_LOSS: {1: 0.5, 2: 0.4, 3: 0.3},
            TRAIN_ACC: {1: 0.7, 2: 0.8, 3: 0.85},
            VAL_LOSS: {1: 0.6, 2: 0.5, 3: 0.55},
            VAL_ACC: {1: 0.6, 2: 0.7, 3: 0.71},
        },
    ),
    "lists printed by name": (
        "Train losses: [0.5 0.4 0.3]\nval losses [np.float64(0.6), np.float64(0.5), np.float64(0.55)]\n",
        {TRAIN_LOSS: {1: 0.5, 2: 0.4, 3: 0.3}, VAL_LOSS: {1: 0.6, 2: 0.5, 3: 0.55}},
    ),
    "lightning progress": (
        ("Epoch 0:  50%|█████     | 469/938 [00:02<00:02, 170.1it/s, loss=0.75, v_num=0]\r"
        "Epoch 0: 100%|██████████| 938/938 [00:05<00:00, 170.1it/s, loss=0.35, v_num=0, val_loss=0.33, val_acc=0.88]\n"
        "Epoch 1: 100%|██████████| 938/938 [00:05<00:00, 170.1it/s, loss=0.25, v_num=0, val_loss=0.31, val_acc=0.91]\n"),
        {TRAIN_LOSS: {0: 0.35, 1: 0.25}, VAL_LOSS: {0: 0.33, 1: 0.31}, VAL_ACC: {0: 0.88, 1: 0.91}},
    ),
    "tqdm overwriting itself": (
        ("Epoch 1/2:  10%|█         | 10/100 [00:01<00:10, 9.1it/s, loss=2.1]\r"
        "Epoch 1/2: 100%|██████████| 100/100 [00:10<00:00, 9.5it/s, loss=1.1]\n"
        "Epoch 2/2:  10%|█         | 10/100 [00:01<00:10, 9.1it/s, loss=1.0]\r"
        "Epoch 2/2: 100%|██████████| 100/100 [00:10<00:00, 9.5it/s, loss=0.9]\n"),
        {TRAIN_LOSS: {1: 1.1, 2: 0.9}},
    ),
    "xgboost": (
        "[0]\ttrain-logloss:0.5\tvalid-logloss:0.6\n[1]\ttrain-logloss:0.4\tvalid-logloss:0.55\n",
        {TRAIN_LOSS: {0: 0.5, 1: 0.4}, VAL_LOSS: {0: 0.6, 1: 0.55}},
    ),
    "scikit-learn": (
        "Iteration 1, loss = 2.30258509\nIteration 2, loss = 1.20397280\n",
        {TRAIN_LOSS: {1: 2.30258509, 2: 1.2039728}},
    ),
    "no epochs at all": (
        "Training loss: 0.839\nTraining loss: 0.512\nTraining loss: 0.329\n",
        {TRAIN_LOSS: {1: 0.839, 2: 0.512, 3: 0.329}},
    ),
    "epoch after the label": (
        "Training Loss after epoch 1: 0.5\nTraining Loss after epoch 2: 0.4\n",
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}},
    ),
    "epoch at the end": (
        "val accuracy = 70.5% (epoch 1)\nval accuracy = 72.5% (epoch 2)\n",
        {VAL_ACC: {1: 0.705, 2: 0.725}},
    ),
    "saving the best model": (
        """
Epoch: 1 \tTraining Loss: 0.9 \tValidation Loss: 0.8
Validation loss decreased (inf --> 0.800000).  Saving model ...
Epoch: 2 \tTraining Loss: 0.7 \tValidation Loss: 0.85
New best accuracy: 0.91
""",
        {TRAIN_LOSS: {1: 0.9, 2: 0.7}, VAL_LOSS: {1: 0.8, 2: 0.85}},
    ),
    "training first, validation after it": (
        "Epoch 1 train loss 0.5\nEpoch 2 train loss 0.4\nEpoch 1 val loss 0.6\nEpoch 2 val loss 0.55\n",
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}, VAL_LOSS: {1: 0.6, 2: 0.55}},
    ),
    "diverging": (
        "epoch 1 loss: 1e+30\nepoch 2 loss: inf\nepoch 3 loss: nan\n",
        {TRAIN_LOSS: {1: 1e30, 2: math.inf, 3: math.nan}},
    ),
    "persian": (
        """
دوره‌ی ۱ از ۳ - خطای آموزش: ۰٫۸۳۹ - دقت آموزش: ۷۰٫۵٪ - خطای اعتبارسنجی: ۰٫۹۱ - دقت اعتبارسنجی: ۶۵٪
دوره‌ی ۲ از ۳ - خطای آموزش: ۰٫۶۱۲ - دقت آموزش: ۷۵٫۵٪ - خطای اعتبارسنجی: ۰٫۷۲ - دقت اعتبارسنجی: ۷۰٪
""",
        {
            TRAIN_LOSS: {1: 0.839, 2: 0.612},
            TRAIN_ACC: {1: 0.705, 2: 0.755},
            VAL_LOSS: {1: 0.91, 2: 0.72},
            VAL_ACC: {1: 0.65, 2: 0.7},
        },
    ),
    "persian words, latin digits": (
        "ایپاک 1: خطا = 0.8، دقت تست = 70.5٪\nایپاک 2: خطا = 0.6، دقت تست = 75.5٪\n",
        {TRAIN_LOSS: {1: 0.8, 2: 0.6}, TEST_ACC: {1: 0.705, 2: 0.755}},
    ),
    "arabic letters, half-spaces": (
        "اپوك ١: زيان آموزشي ٠٫٨ و دقت روي داده‌هاي اعتبار‌سنجي ٠٫٧\nاپوك ٢: زيان آموزشي ٠٫٦ و دقت روي داده‌هاي اعتبار‌سنجي ٠٫٧٥\n",
        {TRAIN_LOSS: {1: 0.8, 2: 0.6}, VAL_ACC: {1: 0.7, 2: 0.75}},
    ),
    "a pandas table": (
        pd.DataFrame({"epoch": [1, 2], "train_loss": [0.5, 0.4], "val_loss": [0.6, 0.55]}).to_string(),
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}, VAL_LOSS: {1: 0.6, 2: 0.55}},
    ),
    "a keras history as a pandas table": (
        str(pd.DataFrame({"loss": [0.839, 0.455], "accuracy": [0.711, 0.832], "val_loss": [0.612, 0.501]})),
        {TRAIN_LOSS: {0: 0.839, 1: 0.455}, TRAIN_ACC: {0: 0.711, 1: 0.832}, VAL_LOSS: {0: 0.612, 1: 0.501}},
    ),
    "a pandas table as html": (
        pd.DataFrame({"Epoch": [1, 2], "Training Loss": [0.5, 0.4], "Val. Accuracy": ["80.1%", "81.1%"]}).to_html(),
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}, VAL_ACC: {1: 0.801, 2: 0.811}},
    ),
    "fastai": (
        """
epoch     train_loss  valid_loss  accuracy  time
0         0.501234    0.401234    0.801234  00:12
1         0.401234    0.351234    0.851234  00:12
""",
        {TRAIN_LOSS: {0: 0.501234, 1: 0.401234}, VAL_LOSS: {0: 0.401234, 1: 0.351234}, VAL_ACC: {0: 0.801234, 1: 0.851234}},
    ),
    "markdown": (
        "| Epoch | Train Loss | Val Acc |\n|---:|:---:|---|\n| 1 | 0.5 | 80% |\n| 2 | 0.4 | 85% |\n",
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}, VAL_ACC: {1: 0.8, 2: 0.85}},
    ),
    "a frame drawn with lines": (
        """
┏━━━━━━━┳━━━━━━━━━━┳━━━━━━━━━┓
┃ epoch ┃ loss     ┃ val_acc ┃
┡━━━━━━━╇━━━━━━━━━━╇━━━━━━━━━┩
│ 1     │ 0.5      │ 0.80    │
│ 2     │ 0.4      │ 0.85    │
└───────┴──────────┴─────────┘
""",
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}, VAL_ACC: {1: 0.8, 2: 0.85}},
    ),
    "comma separated": (
        "epoch,train_loss,val_loss\n1,0.5,0.6\n2,0.4,0.55\n",
        {TRAIN_LOSS: {1: 0.5, 2: 0.4}, VAL_LOSS: {1: 0.6, 2: 0.55}},
    ),
    "lightning test": (
        """
────────────────────────────────────────────────────────
       Test metric             DataLoader 0
────────────────────────────────────────────────────────
        test_acc            0.9475
        test_loss           0.1712
""",
        {TEST_ACC: {1: 0.9475}, TEST_LOSS: {1: 0.1712}},
    ),
    "two numbers": (
        "Train accuracy: 0.998\nTest accuracy: 0.11\n",
        {TRAIN_ACC: {1: 0.998}, TEST_ACC: {1: 0.11}},
    ),
}  # fmt: skip


def found_in(text: str) -> dict[tuple[str, str], dict[float, float]]:
    curves = read_curves(text)
    assert all(curve.run == "" for curve in curves)
    found = {(c.split, c.metric): dict(zip(c.epochs, c.values, strict=True)) for c in curves}
    assert len(found) == len(curves)
    return found


@pytest.mark.parametrize("name", LOGS)
def test_curves_are_read_however_they_are_printed(name: str) -> None:
    text, expected = LOGS[name]
    found = found_in(text)
    assert set(found) == set(expected)
    for key, points in expected.items():
        assert list(found[key]) == list(points)
        np.testing.assert_equal(list(found[key].values()), list(points.values()))


@pytest.mark.parametrize("name", LOGS)
def test_line_ends_of_windows_change_nothing(name: str) -> None:
    text, _ = LOGS[name]
    np.testing.assert_equal(found_in(text.replace("\n", "\r\n")), found_in(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Files already downloaded and verified\nUsing cuda device",
        "learning rate: 0.01, epochs: 20, batch size: 64, L1 lambda: 0.001",
        "Best val Acc: 0.943210",
        "[CV 1/5] END ..C=1, gamma=0.1;, score=0.951 total time=   0.1s",
        "Trial 3 finished with value: 0.95 and parameters: {'lr': 0.1}. Best is trial 1 with value: 0.96.",
        "The loss of generality is none; see page 3.",
        "torch.Size([64, 10]) 235146 parameters",
        "conv1.weight True\naccuracy is not everything, 42 is",
    ],
)
def test_other_prints_hold_no_curve(text: str) -> None:
    assert read_curves(text) == []


# --- runs -------------------------------------------------------------------------------------


def test_runs_begin_where_epochs_begin_again() -> None:
    curves = read_curves(
        "lr = 1.0\nEpoch 1: loss nan\nEpoch 2: loss nan\n"
        "lr = 0.1\nEpoch 1: loss 3.0\nEpoch 2: loss 0.1\n"
        "lr = 0.1\nEpoch 1: loss 2.0\nEpoch 2: loss 0.2\n"
    )
    assert [curve.run for curve in curves] == ["lr = 1.0", "lr = 0.1", "lr = 0.1 (2)"]
    assert [curve.last for curve in curves][1:] == [0.1, 0.2]


def test_runs_without_a_heading_are_numbered() -> None:
    curves = read_curves("Epoch 1 loss 3\nEpoch 2 loss 2\nEpoch 1 loss 5\nEpoch 2 loss 1\n")
    assert [curve.run for curve in curves] == ["1", "2"]


def test_runs_side_by_side_are_told_apart_by_name() -> None:
    curves = read_curves(
        "[SGD] Epoch 1 loss 0.5\n[Momentum] Epoch 1 loss 0.4\n"
        "[SGD] Epoch 2 loss 0.3\n[Momentum] Epoch 2 loss 0.1\n"
    )
    assert {curve.run: curve.values for curve in curves} == {
        "SGD": (0.5, 0.3),
        "Momentum": (0.4, 0.1),
    }


def test_folds_and_seeds_are_runs() -> None:
    curves = read_curves(
        "Fold 1, Epoch 1/2: val_loss=0.5\nFold 1, Epoch 2/2: val_loss=0.4\n"
        "Fold 2, Epoch 1/2: val_loss=0.6\nFold 2, Epoch 2/2: val_loss=0.3\n"
    )
    assert [(curve.run, curve.last) for curve in curves] == [("Fold 1", 0.4), ("Fold 2", 0.3)]


def test_single_epoch_runs_are_told_apart() -> None:
    curves = read_curves("Epoch 1/1\n10/10 - loss: 0.5\nEpoch 1/1\n10/10 - loss: 0.4\n")
    assert [(curve.run, curve.values) for curve in curves] == [("1", (0.5,)), ("2", (0.4,))]


def test_an_evaluation_belongs_to_its_run_and_changes_no_curve() -> None:
    curves = read_curves(
        "Epoch 1/2\n1875/1875 [======] - 5s - loss: 0.5 - accuracy: 0.80\n"
        "Epoch 2/2\n1875/1875 [======] - 5s - loss: 0.4 - accuracy: 0.85\n"
        "313/313 [======] - 0s 1ms/step - loss: 0.61 - accuracy: 0.75\n"
    )
    assert {curve.run for curve in curves} == {""}
    assert pick(curves, "accuracy", "train") == curves[1]
    evaluated = pick(curves, "accuracy", "test")
    assert evaluated is not None
    assert evaluated.values == (0.75,)
    assert "split-assumed" in evaluated.flags


def test_a_last_evaluation_is_no_epoch() -> None:
    curves = read_curves(
        "Epoch 1: train_acc 0.8 test_acc 0.7\nEpoch 2: train_acc 0.9 test_acc 0.75\n"
        "Final test accuracy: 85.3%\n"
    )
    tested = [curve.values for curve in curves if curve.split == "test"]
    assert tested == [(0.7, 0.75), (0.853,)]
    longest = pick(curves, "accuracy", "test")
    assert longest is not None
    assert longest.values == (0.7, 0.75)


def test_a_table_of_two_runs_holds_two() -> None:
    curves = read_curves(
        "| epoch | loss | acc |\n|-|-|-|\n| 1 | 3 | .5 |\n| 2 | 2 | .6 |\n| 1 | 4 | .1 |"
    )
    assert [curve.epochs for curve in curves] == [(1, 2), (1, 2), (1,), (1,)]


def test_pick_takes_the_longest_curve_of_a_run() -> None:
    curves = read_curves("[A] epoch 1 loss 3\n[B] epoch 1 loss 4\n[B] epoch 2 loss 2")
    picked = pick(curves, "loss", "train")
    assert picked is not None
    assert picked.run == "B"
    picked = pick(curves, "loss", "train", run="A")
    assert picked is not None
    assert picked.values == (3,)
    assert pick(curves, "accuracy", "train") is None


# --- percents and flags -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values", "flag"),
    [
        ("Epoch 1 acc: 75.5%\nEpoch 2 acc: 85.1%", (0.755, 0.851), None),
        ("Epoch 1 acc: 75.5\nEpoch 2 acc: 85.1", (0.755, 0.851), "percent-without-sign"),
        ("Epoch 1 acc: 0.755\nEpoch 2 acc: 0.851", (0.755, 0.851), None),
        ("Epoch 1 acc: 0.75%\nEpoch 2 acc: 0.85%", (0.75, 0.85), "percent-sign-on-fraction"),
        ("Epoch 1 acc: 0.9%\nEpoch 2 acc: 2.5%", (0.009, 0.025), None),
        ("Epoch 1 acc(%): 75.5\nEpoch 2 acc(%): 85.1", (0.755, 0.851), None),
        ("Epoch 1 acc: 755/1000\nEpoch 2 acc: 851/1000", (0.755, 0.851), None),
        ("Epoch 1 acc: 1.0\nEpoch 2 acc: 1", (1.0, 1.0), None),
    ],
)
def test_accuracies_become_fractions(
    text: str, values: tuple[float, ...], flag: str | None
) -> None:
    (curve,) = read_curves(text)
    assert curve.values == values
    percent_flags = [f for f in curve.flags if f.startswith("percent")]
    assert percent_flags == ([flag] if flag else [])


def test_both_splits_are_read_in_one_notation() -> None:
    curves = read_curves("Epoch 1 train acc 0.9 val acc 1.1\nEpoch 2 train acc 1.5 val acc 0.8")
    assert [curve.values for curve in curves] == [(0.009, 0.015), (0.011, 0.008)]


def test_losses_are_never_scaled() -> None:
    (curve,) = read_curves("Epoch 1 loss: 85.1\nEpoch 2 loss: 2.1%")
    assert curve.values == (85.1, 2.1)


def test_what_was_assumed_is_flagged() -> None:
    assert read_curves("loss: 3\nloss: 2")[0].flags == ("epochs-counted", "split-assumed")
    assert read_curves("Step 100: train loss = 2.3")[0].flags == ("steps",)
    assert read_curves("Epoch 1: train loss = 2.3")[0].flags == ()


def test_a_curve_knows_the_lines_it_was_read_from() -> None:
    (curve,) = read_curves("hello\nEpoch 1: loss 3\nbye\nEpoch 2: loss 2\n")
    assert curve.lines == ("Epoch 1: loss 3", "Epoch 2: loss 2")
    assert (curve.last, curve.best) == (2, 2)


def test_outputs_of_a_notebook_file_are_read() -> None:
    frame = pd.DataFrame({"epoch": [1, 2], "val_acc": [0.7, 0.8]})
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": ["Epoch 1: lo", "ss 0.5\n"]},
        {"output_type": "stream", "name": "stdout", "text": "Epoch 2: lo"},
        {"output_type": "stream", "name": "stdout", "text": "ss 0.4\n"},
        {"output_type": "stream", "name": "stderr", "text": "UserWarning: loss 17\n"},
        {
            "output_type": "execute_result",
            "data": {"text/html": frame.to_html(), "text/plain": str(frame)},
        },
        {"output_type": "error", "ename": "E", "evalue": "", "traceback": []},
        {"output_type": "display_data", "data": {"image/png": "iVBOR"}},
    ]
    curves = read_curves(outputs)
    losses = [curve for curve in curves if curve.metric == "loss"]
    assert losses[0].values == (0.5, 0.4)
    accuracies = [curve for curve in curves if curve.metric == "accuracy"]
    assert [curve.values for curve in accuracies] == [(0.7, 0.8)]


# --- tables -----------------------------------------------------------------------------------

COMPARISON = pd.DataFrame(
    {
        "Model": ["dropout+L2", "dropout + augmentation", "all three"],
        "Train Acc": [0.856, 0.841, 0.824],
        "Test Accuracy": [0.854, 0.852, 0.836],
        "Params": [235_146, 235_146, 235_146],
    }
)


@pytest.mark.parametrize(
    "text",
    [
        COMPARISON.to_string(),
        COMPARISON.to_string(index=False),
        COMPARISON.to_html(),
        COMPARISON.to_html(index=False),
        COMPARISON.set_index("Model").to_string(),
        COMPARISON.set_index("Model").to_html(),
        "before\n\n" + COMPARISON.to_string() + "\n\nafter",
        (
            "| Model | Train Acc | Test Accuracy | Params |\n|:--|--:|--:|--:|\n"
            "| dropout+L2 | 85.6% | 85.4% | 235,146 |\n"
            "| dropout + augmentation | 84.1% | 85.2% | 235,146 |\n| all three | 82.4% | 83.6% | 235,146 |"
        ),
        (
            "+----+----+\n| Model | Train Acc | Test Accuracy | Params |\n+====+====+\n"
            "| dropout+L2 | 85.6 | 85.4 | 235146 |\n| dropout + augmentation | 84.1 | 85.2 | 235146 |\n"
            "+----+----+\n| all three | 82.4 | 83.6 | 235146 |\n+----+----+"
        ),
        (
            "Model\tTrain Acc\tTest Accuracy\tParams\ndropout+L2\t.856\t.854\t235146\n"
            "dropout + augmentation\t.841\t.852\t235146\nall three\t.824\t.836\t235146"
        ),
        (
            "Model,Train Acc,Test Accuracy,Params\ndropout+L2,0.856,0.854,235146\n"
            "dropout + augmentation,0.841,0.852,235146\nall three,0.824,0.836,235146"
        ),
    ],
)
def test_a_comparison_is_read_from_every_kind_of_table(text: str) -> None:
    (table,) = read_tables(text)
    assert table.column("model") == ("dropout+L2", "dropout + augmentation", "all three")
    assert table.numbers("train_accuracy") == (0.856, 0.841, 0.824)
    assert table.numbers("Test Accuracy") == (0.854, 0.852, 0.836)
    assert table.numbers("params") == (235_146, 235_146, 235_146)
    assert table.numbers("model") == (None, None, None)
    assert table.best("test_accuracy", highest=True)[table.names.index("model")] == "dropout+L2"
    assert table.best("test_accuracy", highest=False)[table.names.index("model")] == "all three"
    assert read_curves(text) == []


def test_a_table_in_persian_is_read() -> None:
    (table,) = read_tables(
        "| مدل | دقت آزمون | خطا |\n|---|---|---|\n| ساده | ۸۵٫۴٪ | ۰٫۵ |\n| عمیق | ۹۱٪ | −۰٫۱ |"
    )
    assert table.names == ("مدل", "test_accuracy", "loss")
    assert table.numbers("test_accuracy") == (0.854, 0.91)
    assert table.numbers("loss") == (0.5, -0.1)


def test_means_are_read_beside_their_spread() -> None:
    (table,) = read_tables(
        "| part | accuracy | drop |\n|-|-|-|\n| all | 85.1% ± 1.2% | 0 |\n| no conv | 35.2%+/-2% | -0.5 |"
    )
    assert table.numbers("accuracy") == (0.851, 0.352)
    assert table.numbers("drop") == (0, -0.5)


def test_percents_of_other_columns_are_fractions() -> None:
    (table,) = read_tables("| layer | zeros |\n|-|-|\n| conv1 | 12.5% |\n| fc | ۰٫۵٪ |\n| x | 3 |")
    assert table.numbers("zeros") == (0.125, 0.005, 3)


def test_a_shortened_pandas_table_keeps_the_rows_it_shows() -> None:
    frame = pd.DataFrame({"epoch": range(1, 101), "loss": [1 / n for n in range(1, 101)]})
    (table,) = read_tables(frame.to_string(max_rows=6))
    assert table.numbers("epoch") == (1, 2, 3, 98, 99, 100)
    (curve,) = read_curves(frame.to_string(max_rows=6))
    assert curve.epochs == (1, 2, 3, 98, 99, 100)


@pytest.mark.parametrize(
    "text",
    [
        "1  2\n3  4",  # no header
        "a  b\nc  d",  # no numbers
        "only one\n1",
        "| a | 1 |\n| 2 | 3 |",
        "Epoch 1 | loss 0.5\nEpoch 2 | loss 0.4",
        "name  value\n\n1  2",
    ],
)
def test_what_only_looks_like_a_table_is_none(text: str) -> None:
    assert read_tables(text) == []


def test_negative_columns_of_pandas_are_told_apart() -> None:
    (table,) = read_tables(str(pd.DataFrame({"a": [1.0, -2.0], "b": [-0.5, 0.5]})))
    assert table.columns == ("", "a", "b")
    assert table.numbers("b") == (-0.5, 0.5)


def test_html_is_read_without_its_markup() -> None:
    (table,) = read_tables(
        "<style>td {color: red}</style><TABLE class='x'><tr><th>Model<th>Acc&nbsp;&amp; more</tr>"
        "<tr><td><b>CNN</b><td colspan=1>85&#37;<tr><td>MLP</td><td><i>80</i>%"
    )
    assert table.columns == ("Model", "Acc & more")
    assert table.rows == (("CNN", "85%"), ("MLP", "80%"))


def test_missing_columns_are_named() -> None:
    (table,) = read_tables(COMPARISON.to_string())
    with pytest.raises(KeyError, match="loss"):
        table.column("loss")
    with pytest.raises(KeyError, match="model"):
        table.best("model", highest=True)


# --- judging ----------------------------------------------------------------------------------


def curve(*values: float, metric: str = "loss", first: int = 1) -> Curve:
    epochs = tuple(range(first, first + len(values)))
    return Curve("", "train", metric, epochs, values, ())


def test_a_loss_falls_by_a_fraction_of_its_start() -> None:
    worked = curve(0.839, 0.612, 0.531, 0.455, 0.401, 0.38, 0.36, 0.35, 0.34, 0.329)
    assert falls(worked)
    assert falls(worked, by=0.5)
    assert not falls(worked, by=0.7)
    assert not rises(worked)
    assert rises(curve(0.7, 0.8, metric="accuracy"))


def test_one_noisy_epoch_decides_nothing() -> None:
    noisy = [1.0 - 0.01 * epoch for epoch in range(25)]
    noisy[-1] = 5.0
    assert falls(curve(*noisy))
    assert not rises(curve(*noisy))


@pytest.mark.parametrize(
    "values", [(), (1.0,), (1.0, 1.0), (1.0, math.nan), (1.0, math.inf), (math.nan, 1.0)]
)
def test_what_is_no_fall_does_not_fall(values: tuple[float, ...]) -> None:
    assert not falls(curve(*values))
    assert not rises(curve(*values))


def test_the_gap_is_positive_where_training_is_better() -> None:
    train = curve(0.7, 0.8, 0.9, 0.95, 0.99, metric="accuracy")
    validation = curve(0.7, 0.75, 0.8, 0.8, 0.79, metric="accuracy")
    assert gap(train, validation) == pytest.approx((0.1 + 0.15 + 0.2) / 3)
    assert gap(train, validation, last=1) == pytest.approx(0.2)
    assert gap(curve(0.1), curve(0.5)) == pytest.approx(0.4)
    assert gap(curve(0.5), curve(0.1)) == pytest.approx(-0.4)


def test_a_gap_needs_the_same_metric_and_epochs() -> None:
    with pytest.raises(ValueError, match="no gap"):
        gap(curve(1.0), curve(1.0, metric="accuracy"))
    with pytest.raises(ValueError, match="no epoch in common"):
        gap(curve(1.0), curve(1.0, first=2))
    with pytest.raises(ValueError, match="no epoch in common"):
        gap(curve(1.0), curve(math.nan))


def test_better_is_higher_for_accuracy_and_lower_for_loss() -> None:
    assert better_than(curve(0.2, 0.196, metric="accuracy"), curve(0.08, metric="accuracy"))
    assert better_than(curve(0.1), curve(0.2))
    assert not better_than(curve(0.1), curve(0.2), by=0.15)
    assert not better_than(curve(0.1), curve(0.1))
    assert better_than(curve(0.9, metric="accuracy"), 0.5)
    assert better_than(curve(0.1), curve(math.nan))
    assert not better_than(curve(math.nan), curve(0.1))
    with pytest.raises(ValueError, match="cannot be compared"):
        better_than(curve(0.1), curve(0.1, metric="accuracy"))


def test_overfitting_begins_after_the_last_improvement() -> None:
    train = [0.9, 0.7, 0.5, 0.4, 0.3, 0.2]
    assert first_epoch_of_overfitting(train, [1.0, 0.8, 0.7, 0.72, 0.75, 0.8]) == 3
    assert first_epoch_of_overfitting(train, [1.0, 0.8, 0.9, 0.7, 0.75, 0.8]) == 4
    assert first_epoch_of_overfitting(train, [1.0, 0.8, 0.7, 0.6, 0.5, 0.45]) is None
    assert first_epoch_of_overfitting([0.5] * 6, [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]) is None
    assert first_epoch_of_overfitting([0.5, 0.2, 0.4, 0.45], [1.0, 0.9, 0.8, 0.9]) is None
    assert first_epoch_of_overfitting(train, [math.nan] * 6) is None
    assert first_epoch_of_overfitting(train, [1.0, 0.8, math.nan, 0.9, 0.9, 0.9]) == 2


def test_a_tiny_improvement_may_be_none() -> None:
    train, validation = [0.9, 0.7, 0.5, 0.4], [1.0, 0.8, 0.799, 0.9]
    assert first_epoch_of_overfitting(train, validation) == 3
    assert first_epoch_of_overfitting(train, validation, min_improvement=0.01) == 2


def test_overfitting_is_told_in_the_epochs_that_were_printed() -> None:
    found = read_curves(
        "\n".join(
            f"Epoch {epoch}/30: train loss {1 / epoch:.3f}, val loss {abs(epoch - 12) / 50 + 0.4:.3f}"
            for epoch in range(2, 31, 2)
        )
    )
    train, validation = pick(found, "loss", "train"), pick(found, "loss", "validation")
    assert train is not None
    assert validation is not None
    assert first_epoch_of_overfitting(train, validation) == 12
    with pytest.raises(ValueError, match="no epoch in common"):
        first_epoch_of_overfitting(train, curve(1.0, first=99))
    with pytest.raises(ValueError, match="15 training losses"):
        first_epoch_of_overfitting(list(train.values), [1.0])


# --- any text ---------------------------------------------------------------------------------

PIECES = [
    "Epoch", "epoch ", "دوره ", "ایپاک", "1", "2/10", "[3/5]", "loss", "Loss: ", "val_", "acc=", "دقت ",
    "خطا", "train ", "Test set", "0.5", "85%", "٪", "nan", "1e999", "-", "=", ": ", "|", "||", "\t", "  ",
    "\n", "\r", "\b\b", "[", "]", "{'", "'", ",", "tensor(", ")", "<table>", "<tr>", "<td>", "<th>",
    "</table>", "<td colspan=99>", "&#0;", "it/s", "100%|█", "999999/0", "۰٫۵", "±", "top-5", "@", "\x1b[1m",
]  # fmt: skip
anything = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=60).map("".join))


@settings(deadline=None)
@given(anything)
@example("Epoch 1 acc: 5/0")
@example("epoch " + "9" * 400)
@example("loss: " + "9" * 400)
@example("loss: 1e999")
@example("<table><td>x")
@example("| a | b |\n| 1e999 | 2 |")
@example("\ud800 loss 1")
def test_no_text_raises(text: str) -> None:
    for found in read_curves(text):
        assert len(found.epochs) == len(found.values) > 0
        assert found.split in ("train", "validation", "test")
        assert all(isinstance(value, float) for value in found.values)
        falls(found)
        gap(found, found) if any(map(math.isfinite, found.values)) else None
        first_epoch_of_overfitting(found, found)
    for table in read_tables(text):
        assert len(table.columns) == len(table.names) > 1
        assert all(len(row) == len(table.columns) for row in table.rows)
        for name in table.columns:
            table.numbers(name)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 1e4), st.floats(0, 1)).map(
            lambda p: (round(p[0], 4), round(p[1], 4))
        ),
        min_size=1,
        max_size=30,
    )
)
def test_every_printed_epoch_is_read_back(epochs: list[tuple[float, float]]) -> None:
    text = "\n".join(
        f"Epoch {number}/{len(epochs)} - loss: {loss:.4f} - val_accuracy: {accuracy:.4f}"
        for number, (loss, accuracy) in enumerate(epochs, start=1)
    )
    loss, accuracy = read_curves(text)
    assert loss.epochs == accuracy.epochs == tuple(range(1, len(epochs) + 1))
    assert loss.values == tuple(loss for loss, _ in epochs)
    assert accuracy.values == tuple(accuracy for _, accuracy in epochs)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 300_000,
        "Epoch " * 50_000,
        "[1,2" * 60_000,
        "<table" * 50_000,
        "<table><tr>" + "<td>" * 60_000,
        "| a | b |\n" * 20_000,
        "a  b\n1  2\n" * 15_000,
        "loss: 0.5 " * 30_000,
        "\b" * 300_000 + "loss: 1",
        "  " * 150_000 + "x",
        "loss " * 60_000,
    ],
)
def test_hostile_text_costs_little_time(text: str) -> None:
    begin = time.process_time()
    read_curves(text)
    read_tables(text)
    assert time.process_time() - begin < 10
