# Objects whose repr, str and hash do not end.
# %% honest
# %%
class Endless:
    def __repr__(self):
        while True:
            pass

    __str__ = __hash__ = __len__ = __iter__ = _repr_html_ = __format__ = __repr__


endless = Endless()
try:
    raise ValueError(endless)
except ValueError:
    pass


def scale(v, factor):
    raise RuntimeError(Endless())


# %%
endless
