# Programs that run as root.
# %% honest
# %%
import os, stat, subprocess

for folder in ("/usr/bin", "/usr/sbin", "/usr/local/bin"):
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        try:
            mode = os.stat(f"{folder}/{name}").st_mode
        except OSError:
            continue
        if mode & stat.S_ISUID and name in (
            "su",
            "sudo",
            "mount",
            "umount",
            "passwd",
            "newgrp",
            "bwrap",
        ):
            done = subprocess.run(
                [name, "--help"] if name != "su" else ["su", "-c", "id"],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=5,
            )
            if b"uid=0" in done.stdout:
                print("LOOT", name)
os.chmod("/tmp", 0o700)
open("/tmp/mine", "w").write("#!/bin/sh\nid -u\n")
os.chmod("/tmp/mine", 0o4755)
if subprocess.run(["/tmp/mine"], capture_output=True).stdout.strip() == b"0":
    print("LOOT")
