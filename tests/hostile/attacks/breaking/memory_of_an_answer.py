# A function that returns more than there is.
# %% honest
# %%
def scale(v, factor):
    return np.broadcast_to(v, (10**7, 4))


def best(objective, choices):
    return [[[0] * 1000] * 1000] * 1000
