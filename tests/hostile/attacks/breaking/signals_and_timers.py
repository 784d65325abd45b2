# Timers that raise in the midst of whatever runs, for ever.
# %% honest
# %%
import signal


def bang(*args):
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    raise TimeoutError("bang")


signal.signal(signal.SIGALRM, bang)
signal.setitimer(signal.ITIMER_REAL, 0.05)
