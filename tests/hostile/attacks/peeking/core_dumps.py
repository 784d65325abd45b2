# A process that dies leaves its memory in a file, or a program is told of it.
# %% honest
# %%
import ctypes, glob, os, resource

if os.fork() == 0:
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))
    except (ValueError, OSError):
        pass
    ctypes.string_at(0)
os.wait()
print(
    *[
        "LOOT " + p
        for p in glob.glob("core*")
        + glob.glob("/tmp/core*")
        + glob.glob("/var/lib/systemd/coredump/*")
    ]
)
