# Arrays that are written to, until nothing is left.
# %% honest
# %%
held = []
while True:
    held.append(np.ones(1 << 18))  # too small for huge pages, which cost some machines the time of the cell
