# Memory that no process maps: sets of semaphores in the kernel.
# %% honest
# %%
import ctypes

libc = ctypes.CDLL(None)
for _ in range(200):
    if libc.semget(0, 32_000, 0o600) >= 0:
        print("LOOT")
