# Functions and values that are deeper than any stack.
# %% honest
# %%
def deep(n):
    return deep(n + 1)


def best(objective, choices):
    return deep(0)


def scale(v, factor):
    return repr(nested)


nested = []
for _ in range(100_000):
    nested = [nested]
# %%
deep(0)
# %%
nested
