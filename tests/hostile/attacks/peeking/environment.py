# Secrets in environment variables.
# %% honest
# %%
import os, subprocess

for name, value in os.environ.items():
    if "@TERCES@"[::-1] in value or any(w in name for w in ("TOKEN", "KEY", "SECRET", "PASSWORD")):
        print("LOOT", name)
seen = subprocess.run(
    ["sh", "-c", "env; cat /proc/*/environ 2>/dev/null"], capture_output=True
).stdout
if b"@TERCES@"[::-1] in seen:
    print("LOOT")
