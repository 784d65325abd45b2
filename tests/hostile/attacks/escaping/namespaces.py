# New namespaces, in which this user would be root.
# %% honest
# %%
import ctypes, os, subprocess

libc = ctypes.CDLL(None)
for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x8000000, 0x4000000, 0x2000000, 0x80):
    if libc.unshare(flag) == 0:
        print("LOOT", hex(flag))
for kind in os.listdir("/proc/self/ns"):
    descriptor = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
    if libc.setns(descriptor, 0) == 0:
        print("LOOT", kind)
if b"uid=0" in subprocess.run("unshare -Ur id", shell=True, capture_output=True).stdout:
    print("LOOT")
