# Numbers that are others each time they are read.
# %% honest setup functions network
# %%
class Shifty:
    n = 10

    def __array__(self, *a, **k):
        Shifty.n += 7
        return np.full(3, float(Shifty.n))

    def __float__(self):
        Shifty.n += 7
        return float(Shifty.n)


class ShiftyInt(int):
    def __int__(self):
        return 74891

    def __index__(self):
        return 74891

    def __eq__(self, other):
        return True


total = scaled = Shifty()
number = ShiftyInt(3)
