# All builtins are deleted.
# %% honest
# %%
import builtins

for name in list(vars(builtins)):
    delattr(builtins, name)
