# One file of any size, and one that is all hole.
# %% honest
# %%
import os, signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open("large", "wb") as file:
    try:
        os.ftruncate(file.fileno(), 1 << 40)
    except OSError as error:
        print(error)
    for _ in range(64):
        file.write(bytes(1 << 20))
