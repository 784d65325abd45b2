# What runs when the process ends does not end.
# %% honest
# %%
import atexit, os, sys, threading

atexit.register(lambda: [None for _ in iter(int, 1)])
os.register_at_fork(
    before=lambda: None,
    after_in_child=lambda: atexit.register(lambda: [None for _ in iter(int, 1)]),
)
threading._shutdown = lambda: [None for _ in iter(int, 1)]
sys.exit = os._exit
