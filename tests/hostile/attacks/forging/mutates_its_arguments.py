# The function rewrites what it was asked with, to make that the question.
# %% honest
# %%
def scale(v, factor):
    v[:] = 0
    return v
