# Signals to the zygote and to the grader.
# %% honest
# %%
import os, signal
for pid in [0, *range(2, 300), @GRADER@]:
    try:
        if pid and pid != os.getpid():
            os.kill(pid, signal.SIGKILL)
            print("LOOT", pid)
    except OSError: pass
