# Many processes that each hold less than they may, and together far more.
# %% honest
# %%
import os, time

for _ in range(6):
    if os.fork() == 0:
        held = np.ones(12 << 20)
        time.sleep(1000)
time.sleep(1000)
