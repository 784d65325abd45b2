# Messages of the machine: the kernel's log, other users' processes, mounted secrets.
# %% honest
# %%
import ctypes, os

buffer = ctypes.create_string_buffer(1000)
if ctypes.CDLL(None).klogctl(3, buffer, 1000) > 0:
    print("LOOT", buffer.value)
for path in (
    "/dev/kmsg",
    "/proc/kmsg",
    "/proc/kcore",
    "/etc/shadow",
    "/root",
    "/var/log",
    "/etc/machine-id",
    "/run/secrets",
    "@HOME@",
):
    shown = set("@PREFIX@/@BASE@".split("/")) | {".venv", "bin", "lib"}  # where Python lies
    try:
        found = set(os.listdir(path)) - shown if os.path.isdir(path) else open(path, "rb").read(10)
    except OSError:
        continue
    if found:
        print("LOOT", path, found)
