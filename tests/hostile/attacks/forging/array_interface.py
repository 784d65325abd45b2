# An array interface that points at memory which is not there.
# %% honest setup functions network
# %%
class Memory:
    __array_interface__ = {"shape": (3,), "typestr": "<f8", "data": (8, False), "version": 3}


total = scaled = number = Memory()
