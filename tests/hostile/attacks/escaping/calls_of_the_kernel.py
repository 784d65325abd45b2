# Interfaces of the kernel that student code has no use for.
# %% honest
# %%
import ctypes, platform

libc = ctypes.CDLL(None)
calls = (
    {
        "bpf": 321,
        "userfaultfd": 323,
        "io_uring": 425,
        "perf": 298,
        "keyctl": 250,
        "kexec": 246,
        "module": 175,
        "handle": 304,
        "kcmp": 312,
    }
    if platform.machine() == "x86_64"
    else {"bpf": 280}
)
for name, number_ in calls.items():
    if libc.syscall(number_, 0, ctypes.create_string_buffer(256), 128, 0, 0) >= 0:
        print("LOOT", name)
if libc.syscall(0x40000000 + 39) > 0:
    print("LOOT another architecture")
