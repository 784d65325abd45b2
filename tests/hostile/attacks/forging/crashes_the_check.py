# Odd answers of every kind, for the check itself to fail on.
# %% honest setup network
# %%
total = {(1, "a"): {2, 3}, None: [np.float16(1), "x"], "t": torch.Size([1])}
scaled = np.array(["2026-01-01"], dtype="datetime64[D]")
number = 10**1200


def scale(v, factor):
    return {"v": [None, ..., 1j], b"x": np.dtype("int8")}


def best(objective, choices):
    return objective("x" * 1000)
