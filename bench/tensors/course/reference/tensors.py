# %% [markdown] lang="en"
# # Tensors
# %% name="setup"
import torch
from torch import nn


# %% name="softmax"
def softmax(z, T):
    """Softmax of the logits `z` at temperature `T`."""
    # BEGIN SOLUTION
    return torch.softmax(z / T, dim=-1)
    # END SOLUTION


# %% name="outer"
def rank_one(u, v):
    """The matrix with u[i] * v[j] in row i and column j."""
    # BEGIN SOLUTION
    return torch.outer(u, v)
    # END SOLUTION


# %% name="gradient"
def mse_gradient(w, X, y):
    """Gradient with respect to `w` of the mean of (X w - y)^2."""
    # BEGIN SOLUTION
    return 2 * X.T @ (X @ w - y) / len(y)
    # END SOLUTION


# %% name="count"
# BEGIN SOLUTION
n_parameters = sum(p.numel() for p in nn.Sequential(nn.Linear(20, 8), nn.Linear(8, 3)).parameters())
# END SOLUTION


# %% name="training"
def fit(X, y, steps=200, lr=0.1):
    """Fit y = X w by gradient descent from w = 0; return w."""
    # BEGIN SOLUTION
    w = torch.zeros(X.shape[1], requires_grad=True)
    optimiser = torch.optim.SGD([w], lr=lr)
    for _ in range(steps):
        optimiser.zero_grad()
        ((X @ w - y) ** 2).mean().backward()
        optimiser.step()
    return w.detach()
    # END SOLUTION
