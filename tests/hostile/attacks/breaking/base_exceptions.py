# Exceptions that are no errors, out of functions and their signatures.
# %% honest
# %%
class Stop(BaseException):
    pass


class Odd:
    @property
    def __signature__(self):
        raise Stop

    def __call__(self, *a, **k):
        raise KeyboardInterrupt


scale = Odd()


def best(objective, choices):
    raise SystemExit(0)
