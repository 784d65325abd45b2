# %% [markdown] lang="en"
# # Cage
# %% name="setup"
import numpy as np
import torch
from torch import nn

M = np.array([[1.25, 2.5, 4.125], [3.5, 5.75, 9.0625], [0.5, 0.25, 7.375]])


# %% name="functions"
def row_sums(M):
    """Return the sum of each row."""
    # BEGIN SOLUTION
    return M.sum(axis=1)
    # END SOLUTION


def scale(v, factor):
    """Return v times factor."""
    # BEGIN SOLUTION
    return factor * v
    # END SOLUTION


def best(objective, choices):
    """Return the choice with the largest objective."""
    # BEGIN SOLUTION
    return max(choices, key=objective)
    # END SOLUTION


# %% name="values"
# BEGIN SOLUTION
total = row_sums(M)
scaled = scale(total, 2.0)
number = 74891
# END SOLUTION


# %% name="network"
class Net(nn.Module):
    """Two linear layers with ReLU: 3, hidden, 1."""

    def __init__(self, hidden=4):
        super().__init__()
        # BEGIN SOLUTION
        self.first = nn.Linear(3, hidden)
        self.second = nn.Linear(hidden, 1)
        # END SOLUTION

    def forward(self, x):
        # BEGIN SOLUTION
        return self.second(torch.relu(self.first(x)))
        # END SOLUTION
