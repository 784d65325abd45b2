# Many processes that each hold less than they may, and together far more.
# %% honest
# %%
import os, time

for _ in range(6):
    if os.fork() == 0:
        held = b"x" * (96 << 20)  # not numpy's: huge pages cost some machines the time of the cell
        time.sleep(1000)
time.sleep(1000)
