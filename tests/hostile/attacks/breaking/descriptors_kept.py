# Every descriptor is taken, and kept for whoever asks a question.
# %% honest
# %%
import os

held = []
try:
    while True:
        held.append(os.dup(1))
except OSError:
    pass
