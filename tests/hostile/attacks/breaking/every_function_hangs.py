# Every function computes for ever: the whole hand-in costs a bounded time.
# %% honest
# %%
def hang(*args, **kwargs):
    while True:
        pass


scale = best = hang


class Net(nn.Module):
    def __init__(self, hidden=4):
        hang()
