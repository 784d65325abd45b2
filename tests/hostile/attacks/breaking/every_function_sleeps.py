# Every function waits for ever: it costs the same checks as if it computed.
# %% honest
# %%
import time


def hang(*args, **kwargs):
    time.sleep(10**6)


scale = best = hang


class Net(nn.Module):
    def __init__(self, hidden=4):
        hang()
