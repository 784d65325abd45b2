# Every descriptor that can be had is taken.
# %% honest
# %%
import os

held = []
while True:
    held.append(os.dup(1))
