# Names, texts and errors that are no Unicode, and very long ones.
# %% honest
# %%
globals()["\ud800"] = "\udfff" * 100
globals()["n" * 300_000] = 1
type_ = type("T" * 200_000, (Exception,), {"__module__": "\ud800" * 10})
value = type_("x")


def scale(v, factor):
    raise type_("\ud800" + "m" * (1 << 20))
