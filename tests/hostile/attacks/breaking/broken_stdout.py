# The standard streams are gone or are something else.
# %% honest
# %%
import sys

sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
sys.stdin = 5
# %%
sys.displayhook = sys.excepthook = None
number = 74891
