# Objects with the attributes of an array, and none of its numbers.
# %% honest setup functions network
# %%
from types import SimpleNamespace

total = scaled = SimpleNamespace(
    shape=(3,),
    dtype=np.dtype(float),
    ndim=1,
    size=3,
    nbytes=24,
    tolist=lambda: [7.875, 18.3125, 8.125],
)
number = SimpleNamespace(shape=(), item=lambda: 74891, dtype=np.dtype(int))


def scale(v, factor):
    return SimpleNamespace(shape=v.shape, dtype=v.dtype)
