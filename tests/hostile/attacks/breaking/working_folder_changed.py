# The working folder is another one, and then none.
# %% honest
# %%
import os

os.mkdir("/tmp/elsewhere")
os.chdir("/tmp/elsewhere")
os.rmdir("/tmp/elsewhere")
