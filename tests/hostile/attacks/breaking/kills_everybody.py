# Every process that can be seen is killed.
# %% honest
# %%
import os, signal
for target in (-1, 0, os.getppid(), 1, 2, 3, @GRADER@):
    try: os.kill(target, signal.SIGKILL)
    except OSError: pass
