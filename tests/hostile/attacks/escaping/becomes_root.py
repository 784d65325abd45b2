# The user is changed, and capabilities are taken.
# %% honest
# %%
import ctypes, os

for call in (
    lambda: os.setuid(0),
    lambda: os.setresuid(0, 0, 0),
    lambda: os.setgroups([0]),
    lambda: os.setgid(0),
):
    try:
        call()
        print("LOOT")
    except OSError:
        pass
libc = ctypes.CDLL(None)
if libc.prctl(47, 2, 21, 0, 0) == 0:
    print("LOOT ambient")
