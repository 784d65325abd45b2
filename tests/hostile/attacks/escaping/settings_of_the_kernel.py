# Files of /proc and /sys that change the machine.
# %% honest
# %%
import os

for path in (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sysrq-trigger",
    "/proc/self/oom_score_adj",
    "/proc/1/oom_score_adj",
    "/sys/power/state",
    "/sys/fs/cgroup/cgroup.procs",
    "/proc/self/uid_map",
):
    try:
        with open(path, "w") as file:
            file.write("0")
        print("LOOT", path)
    except OSError:
        pass
try:
    print("LOOT", os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))
except OSError:
    pass
try:
    print("LOOT", os.nice(-5))
except OSError:
    pass
