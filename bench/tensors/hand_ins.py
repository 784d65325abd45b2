"""Twenty hand-ins of one small torch assignment, and the tests of it in the peers' own forms."""

from __future__ import annotations

from itertools import cycle, islice
from typing import Final

import msgspec

SETUP: Final = "import torch\nfrom torch import nn"

ANSWERS: Final = {
    "softmax": [
        "def softmax(z, T):\n    return torch.softmax(z / T, dim=-1)",
        "def softmax(z, T):\n    e = torch.exp((z - z.max(-1, keepdim=True).values) / T)\n    return e / e.sum(-1, keepdim=True)",
        "def softmax(z, T):\n    e = torch.exp(z / T)\n    return e / e.sum(-1, keepdim=True)",  # overflows
        "def softmax(z, T):\n    return torch.log_softmax(z / T, -1).exp()",
        "def softmax(z, T):\n    return torch.softmax(z, dim=-1)",  # no temperature
        "def softmax(z, T):\n    return nn.Softmax(dim=-1)(z / T)",
    ],
    "outer": [
        "def rank_one(u, v):\n    return torch.outer(u, v)",
        "def rank_one(u, v):\n    return u[:, None] * v",
        "def rank_one(u, v):\n    M = torch.zeros(len(u), len(v))\n    for i in range(len(u)):\n        for j in range(len(v)):\n            M[i, j] = u[i] * v[j]\n    return M",
        "def rank_one(u, v):\n    return torch.outer(v, u)",  # transposed
        "def rank_one(u, v):\n    return torch.einsum('i,j->ij', u, v)",
    ],
    "gradient": [
        "def mse_gradient(w, X, y):\n    return 2 * X.T @ (X @ w - y) / len(y)",
        "def mse_gradient(w, X, y):\n    w = w.clone().requires_grad_()\n    ((X @ w - y) ** 2).mean().backward()\n    return w.grad",
        "def mse_gradient(w, X, y):\n    return X.T @ (X @ w - y) / len(y)",  # the factor 2
        "def mse_gradient(w, X, y):\n    return torch.autograd.functional.jacobian(lambda a: ((X @ a - y) ** 2).mean(), w)",
        "def mse_gradient(w, X, y):\n    return 2 * X @ (X.T @ w - y) / len(y)",  # raises
        "def mse_gradient(w, X, y):\n    r = X @ w - y\n    return 2 * (X * r[:, None]).mean(0)",
        "def mse_gradient(w, X, y):\n    return (2 / len(y)) * torch.einsum('ni,n->i', X, X @ w - y)",
    ],
    "count": [
        "n_parameters = 20 * 8 + 8 + 8 * 3 + 3",
        "n_parameters = sum(p.numel() for p in nn.Sequential(nn.Linear(20, 8), nn.Linear(8, 3)).parameters())",
        "n_parameters = 20 * 8 + 8 * 3",  # without biases
    ],
    "training": [
        "def fit(X, y, steps=200, lr=0.1):\n    w = torch.zeros(X.shape[1], requires_grad=True)\n    optimiser = torch.optim.SGD([w], lr=lr)\n    for _ in range(steps):\n        optimiser.zero_grad()\n        ((X @ w - y) ** 2).mean().backward()\n        optimiser.step()\n    return w.detach()",
        "def fit(X, y, steps=200, lr=0.1):\n    w = torch.zeros(X.shape[1])\n    for _ in range(steps):\n        w = w - lr * 2 * X.T @ (X @ w - y) / len(y)\n    return w",
        "def fit(X, y, steps=200, lr=0.1):\n    w = torch.zeros(X.shape[1])\n    for _ in range(steps):\n        w = w + lr * 2 * X.T @ (X @ w - y) / len(y)\n    return w",  # uphill
        "def fit(X, y, steps=200, lr=0.1):\n    raise ValueError('not today')",
    ],
}
"""Answers of students to each question, right and wrong."""

_DATA: Final = [
    "X = torch.linspace(-1, 1, 30).reshape(10, 3) ** 2 + torch.eye(10, 3)",
    "y = X @ torch.tensor([1.0, -2.0, 0.5])",
]


class Test(msgspec.Struct, frozen=True):
    """One test: its points, the lines before it, and what has to be true."""

    name: str
    points: int
    lines: list[str]
    holds: str


TESTS: Final = [
    Test(
        "softmax",
        1,
        ["z = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0]])"],
        "torch.allclose(softmax(z, 2.0), torch.softmax(z / 2.0, -1), atol=1e-5)",
    ),
    Test(
        "softmax_of_large_logits",
        1,
        ["z = torch.tensor([[1000.0, 1001.0]])"],
        "torch.allclose(softmax(z, 1.0), torch.softmax(z, -1), atol=1e-5)",
    ),
    Test(
        "rank_one",
        2,
        ["u, v = torch.arange(4.0), torch.arange(3.0) - 1"],
        "rank_one(u, v).shape == (4, 3) and torch.allclose(rank_one(u, v), torch.outer(u, v), atol=1e-5)",
    ),
    Test(
        "gradient",
        2,
        [*_DATA, "w = torch.tensor([0.5, 0.5, 0.5])"],
        "torch.allclose(mse_gradient(w, X, y), 2 * X.T @ (X @ w - y) / 10, atol=1e-4)",
    ),
    Test("count", 1, [], "n_parameters == 195"),
    Test(
        "fit",
        3,
        [
            *_DATA,
            "expected = torch.zeros(3)",
            "for _ in range(200): expected = expected - 0.2 * X.T @ (X @ expected - y) / 10",
        ],
        "torch.allclose(fit(X, y), expected, atol=1e-2)",
    ),
]


def students(count: int = 20) -> dict[str, dict[str, str]]:
    """Return the answers of each student by question. The numbers of answers share few factors."""
    answers = {q: list(islice(cycle(each), count)) for q, each in ANSWERS.items()}
    return {f"s{n:02d}": {q: answers[q][n] for q in answers} for n in range(count)}
