# A display that is updated a million times.
# %% honest
# %%
from IPython.display import display

shown = display("0", display_id=True)
for n in range(1_000_000):
    shown.update(str(n))
