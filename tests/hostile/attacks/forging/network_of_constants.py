# A network that ignores the weights it is given, and lies about its layers.
# %% honest setup functions values
# %%
class Net(nn.Module):
    def __init__(self, hidden=4):
        super().__init__()
        self.first, self.second = nn.Linear(3, hidden), nn.Linear(hidden, 1)
        self.kept = [nn.Linear(3, hidden), nn.Linear(hidden, 1)]

    def forward(self, x):
        self.second(self.first(x))
        return self.kept[1](torch.relu(self.kept[0](x)))
