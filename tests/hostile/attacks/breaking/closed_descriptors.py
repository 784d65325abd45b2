# Every descriptor is closed.
# %% honest
# %%
import os

os.closerange(0, 1024)
# %%
number = 74891
