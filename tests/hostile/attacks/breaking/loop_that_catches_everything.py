# A loop that catches every exception and ignores every signal.
# %% honest
# %%
import signal

for s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(s, lambda *a: None)
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
