# Memory that no process maps: events of files that nobody reads.
# %% honest
# %%
import ctypes

libc = ctypes.CDLL(None)
for watch in (libc.inotify_init(), libc.inotify_init1(0), libc.fanotify_init(0x200, 0)):
    if watch >= 0:
        print("LOOT")
