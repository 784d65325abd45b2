# Shared memory of every kind is left behind.
# %% honest
# %%
from multiprocessing import shared_memory, resource_tracker
import ctypes

kept = shared_memory.SharedMemory(create=True, size=4 << 20, name="left")
print("LOOT" if ctypes.CDLL(None).shmget(7, 4096, 0o1666) >= 0 else "no System V memory")
open("/dev/shm/left2", "wb").write(bytes(1 << 20))
