# A program that lies in memory, or in a folder for data, with more rights.
# %% honest
# %%
import os

try:
    print("LOOT", os.memfd_create("program"))
except OSError:
    pass
os.symlink("/proc/self/exe", "python")
