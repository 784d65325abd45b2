"""The checks, as Karnameh's teams write them; `peers.py` holds the same for the others."""

import pytest
import torch

pytestmark = pytest.mark.question("tensors")


def data():
    X = torch.linspace(-1, 1, 30).reshape(10, 3) ** 2 + torch.eye(10, 3)
    return X, X @ torch.tensor([1.0, -2.0, 0.5])


@pytest.mark.part("softmax", points=1)
def test_softmax(student, reference, expect):
    z = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0]])
    expect(student.call("softmax", z, 2.0)).close(reference.softmax(z, 2.0), atol=1e-5)


@pytest.mark.part("softmax", points=1)
@pytest.mark.hidden
def test_softmax_of_large_logits(student, reference, expect):
    z = torch.tensor([[1000.0, 1001.0]])
    expect(student.call("softmax", z, 1.0)).close(reference.softmax(z, 1.0), atol=1e-5)


@pytest.mark.part("outer", points=2)
def test_rank_one(student, reference, expect):
    u, v = torch.arange(4.0), torch.arange(3.0) - 1
    expect(student.call("rank_one", u, v)).close(reference.rank_one(u, v), atol=1e-5)


@pytest.mark.part("gradient", points=2)
def test_gradient(student, reference, expect):
    X, y = data()
    w = torch.tensor([0.5, 0.5, 0.5])
    expect(student.call("mse_gradient", w, X, y)).close(reference.mse_gradient(w, X, y), atol=1e-4)


@pytest.mark.part("count", points=1)
def test_count(student, expect):
    expect(student.value("n_parameters", kind="integer")).equal(195)


@pytest.mark.part("training", points=3)
def test_fit(student, reference, expect):
    X, y = data()
    expect(student.call("fit", X, y)).close(reference.fit(X, y), atol=1e-2)
