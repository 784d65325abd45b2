# The process ends itself, without a word.
# %% honest
# %%
import os

os._exit(0)
