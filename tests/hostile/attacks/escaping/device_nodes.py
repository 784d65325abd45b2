# Devices are made and opened.
# %% honest
# %%
import os, stat

for kind, major, minor in ((stat.S_IFCHR, 1, 1), (stat.S_IFBLK, 8, 0), (stat.S_IFCHR, 10, 200)):
    try:
        os.mknod("/tmp/device", kind | 0o666, os.makedev(major, minor))
        print("LOOT made")
    except OSError:
        pass
for path in (
    "/dev/mem",
    "/dev/sda",
    "/dev/vda",
    "/dev/kvm",
    "/dev/fuse",
    "/dev/net/tun",
    "/dev/loop-control",
):
    try:
        print("LOOT", os.open(path, os.O_RDWR))
    except OSError:
        pass
