# Nothing can be imported any more, and what was is gone.
# %% honest
# %%
import builtins, sys


class Refuses:
    def find_spec(self, *a):
        raise ImportError("no")


sys.meta_path[:] = [Refuses()]
sys.path[:] = []
for name in list(sys.modules):
    if name.split(".")[0] in ("caged", "msgspec", "socket", "os", "inspect", "traceback"):
        del sys.modules[name]
builtins.__import__ = None
