# A loop that never ends.
# %% honest
# %%
while True:
    pass
