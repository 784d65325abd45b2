# Empty files without number.
# %% honest
# %%
import os

for n in range(40_000):
    os.mknod(f"/tmp/{n}")
# %%
for n in range(40_000, 80_000):
    os.mknod(f"/tmp/{n}")
