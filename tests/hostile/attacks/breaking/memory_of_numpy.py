# Arrays that are written to, until nothing is left.
# %% honest
# %%
held = []
while True:
    held.append(np.ones(1 << 25))
