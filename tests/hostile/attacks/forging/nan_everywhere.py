# NaN, which no comparison calls different by being larger.
# %% honest setup functions network
# %%
total, scaled, number = np.full(3, np.nan), np.full(3, np.nan), float("nan")


def scale(v, factor):
    return v * np.nan
