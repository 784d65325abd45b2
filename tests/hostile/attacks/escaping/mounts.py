# Something is mounted, moved, unmounted, or made the root.
# %% honest
# %%
import ctypes, os

libc = ctypes.CDLL(None)
os.makedirs("/tmp/m", exist_ok=True)
for call in (
    lambda: libc.mount(b"none", b"/tmp/m", b"tmpfs", 0, 0),
    lambda: libc.mount(b"/", b"/tmp/m", 0, 4096, 0),
    lambda: libc.umount2(b"/tmp", 2),
    lambda: libc.umount2(b"/stage", 2),
    lambda: libc.syscall(155, b".", b"."),
    lambda: libc.chroot(b"/tmp/m"),
    lambda: libc.syscall(428, -100, b"/", 1),
    lambda: libc.syscall(430, b"tmpfs", 0),
):
    if call() >= 0:
        print("LOOT mounted")
