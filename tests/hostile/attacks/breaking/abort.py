# The process aborts.
# %% honest
# %%
import os

os.abort()
