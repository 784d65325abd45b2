# A generator that never ends, as an answer and in a variable.
# %% honest
# %%
import itertools


def scale(v, factor):
    while True:
        yield v


forever = itertools.count()
