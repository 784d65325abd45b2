# The process that answers stops itself, and the one that started it.
# %% honest
# %%
import os, signal


def scale(v, factor):
    os.kill(os.getppid(), signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGSTOP)
