"""The notebook of the gallery's student: every status of a cell and every kind of output."""

from __future__ import annotations

from base64 import b64encode

from grader.report import CellOutput, CellResult

_BARS = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 120" width="300" height="120">
<rect width="300" height="120" fill="#fff"/><g fill="#31688e"><rect x="20" y="60" width="50" height="50"/>
<rect x="90" y="35" width="50" height="75"/><rect x="160" y="20" width="50" height="90"/>
<rect x="230" y="26" width="50" height="84"/></g></svg>"""

_TRACEBACK = (
    "\x1b[31m---------------------------------------------------------------------------\x1b[39m\n"
    "\x1b[31mValueError\x1b[39m                                Traceback (most recent call last)\n"
    "\x1b[36mCell\x1b[39m\x1b[36m \x1b[39m\x1b[32mIn[7]\x1b[39m\x1b[32m, line 9\x1b[39m\n"
    "\x1b[32m----> 9\x1b[39m Y = pad_and_convolve(image, K)\n"
    "\x1b[31mValueError\x1b[39m: operands could not be broadcast together with shapes (3,2) (3,3)"
)


def _printed(data: str) -> list[CellOutput]:
    return [CellOutput(kind="text", data=data)]


CELLS = [
    CellResult(
        index=1,
        status="skipped",
        seconds=0,
        source="from google.colab import drive\ndrive.mount('/content/drive')\n",
    ),
    CellResult(
        index=2,
        status="ok",
        seconds=0.84,
        source=(
            "import numpy as np\nimport torch\nfrom torch import nn\n\n"
            "torch.manual_seed(0)\nkaggle = {'username': 'sara', 'key': '5f0c1d9e8b7a46352412fedcba098765'}\n"
        ),
        outputs=_printed("<torch._C.Generator object at 0x7f1c>\n"),
    ),
    CellResult(
        index=4,
        status="ok",
        seconds=0.012,
        source=(
            "def conv2d_weight_gradient(X, dY):\n"
            '    """گرادیان نسبت به وزن‌ها"""\n'
            "    dY = dY[::-1, ::-1]          # اینجا می‌چرخانیم\n"
            "    h, w = dY.shape\n"
            "    rows, cols = X.shape[0] - h + 1, X.shape[1] - w + 1\n"
            "    return np.array([[(X[i:i+h, j:j+w] * dY).sum() for j in range(cols)]\n"
            "                     for i in range(rows)])\n\n"
            "grad_W = conv2d_weight_gradient(X, dY)\nprint('گرادیان وزن‌ها:\\n', grad_W)\n"
        ),
        outputs=_printed("گرادیان وزن‌ها:\n [[ 0. -1.  2.]\n [-2.  3.  0.]\n [ 2.  0. -2.]]\n"),
    ),
    CellResult(
        index=5,
        status="ok",
        seconds=0.009,
        source="dX = full_convolution(dY, W)   # W, not rotated\nfeature_map = lambda *a, **k: None\ndX\n",
        outputs=_printed(
            "array([[ 1., -2.,  1.,  0.],\n       [-1.,  2., -1.,  0.],\n       [ 0.,  1., -3.,  2.],\n       [ 0., -1.,  2., -1.]])"
        ),
    ),
    CellResult(
        index=6,
        status="ok",
        seconds=0.21,
        source="softmax_calls = 1\ninputs_at_step = None\nprint('softmax:', softmax_calls, 'بار')\n",
        outputs=_printed("softmax: ۱ بار\n"),
    ),
    CellResult(
        index=7,
        status="error",
        seconds=0.33,
        error="ValueError: operands could not be broadcast together with shapes (3,2) (3,3)",
        source=(
            "def pad_and_convolve(X, K):\n    padded = X            # TODO: np.pad\n"
            "    out = np.zeros_like(X, dtype=float)\n    for i in range(X.shape[0]):\n"
            "        for j in range(X.shape[1]):\n"
            "            out[i, j] = (padded[i:i+3, j:j+3] * K).sum()\n    return out\n\n"
            "Y = pad_and_convolve(image, K)\n"
        ),
        outputs=[CellOutput(kind="error", data=_TRACEBACK)],
    ),
    CellResult(
        index=8,
        status="timeout",
        seconds=30.0,
        source=(
            "def residual_block(X, K):\n    Z = pad_and_convolve(X, K)\n    return np.maximum(Z + X, 0)\n\n"
            "def max_pool(X, size, stride):\n    i = 0\n    while i < X.shape[0]:\n        pass\n"
        ),
    ),
    CellResult(
        index=9,
        status="died",
        seconds=2.1,
        source="buffer = np.ones((10**6, 10**6))\n",
        error="the kernel died",
    ),
    CellResult(
        index=10,
        status="ok",
        seconds=0.06,
        source=(
            "class MobileNet(nn.Module):\n    def __init__(self, num_classes=10, alpha=1.0):\n"
            "        super().__init__()\n        self.features = nn.Sequential(\n"
            "            conv_bn(3, 32, 2), Block(32, 64, 1), Block(64, 128, 2))\n"
            "        self.classifier = nn.Linear(1024, num_classes)\n\n"
            "    def forward(self, x):\n        return self.classifier(self.features(x).mean((2, 3)))\n"
        ),
    ),
    CellResult(
        index=11,
        status="recorded",
        seconds=0,
        source="history = train(MobileNet(), train_loader, val_loader, epochs=30)\nplot(history)\n",
        outputs=[
            CellOutput(
                kind="text",
                data="\r 50%|#####     | 15/30\r100%|##########| 30/30 [12:04<00:00]\nepoch 30: train 0.188  val 0.797\n",
            ),
            CellOutput(kind="image", data=b64encode(_BARS.encode()).decode(), mime="image/svg+xml"),
            CellOutput(kind="image", data="R0lGODlhAQABAAAAACw=", mime="image/gif"),
        ],
    ),
    CellResult(index=12, status="ok", seconds=0, source=""),
]
