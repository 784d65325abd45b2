# Memory that is not there is read in C.
# %% honest
# %%
import ctypes

ctypes.string_at(0)
