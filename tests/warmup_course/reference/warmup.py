# %% [markdown] lang="fa"
# # گرم کردن
# %% [markdown] lang="en"
# # Warm-up
# %% name="setup"
import numpy as np
import torch
from torch import nn

M = np.array([[1.25, 2.5, 4.125], [3.5, 5.75, 9.0625], [0.5, 0.25, 7.375]])


# %% name="numbers"
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


# %% name="values"
# BEGIN SOLUTION
total = row_sums(M)
scaled = scale(total, 2.0)
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


# %% name="training" tags=["recorded"]
if __name__ == "__main__":
    # BEGIN SOLUTION
    torch.manual_seed(0)
    net = Net()
    x = torch.randn(32, 3)
    y = x.sum(dim=1, keepdim=True)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(5):
        loss = ((net(x) - y) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        print(f"Epoch {epoch + 1} loss: {loss.item():.4f}")
    # END SOLUTION

# %% [markdown] lang="fa" answer="network/why"
# چون بدون آن شبکه فقط یک تابع خطی است.
# %% [markdown] lang="en" answer="network/why"
# Because without it the network is one linear function.

# %% name="choice"
# BEGIN SOLUTION
activation = "relu"
# END SOLUTION
