# The history of the course and of the engine.
# %% honest
# %%
import os, subprocess

for folder in ("@ROOT@", "@COURSE@", "/karnameh", "/"):
    if os.path.exists(f"{folder}/.git"):
        print("LOOT", folder)
    done = (
        subprocess.run(["git", "-C", folder, "log", "-1"], capture_output=True)
        if os.path.exists("/usr/bin/git")
        else None
    )
    if done and done.returncode == 0:
        print("LOOT", done.stdout)
