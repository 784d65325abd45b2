# The function hands back what it was asked with.
# %% honest
# %%
def scale(v, factor):
    return v
