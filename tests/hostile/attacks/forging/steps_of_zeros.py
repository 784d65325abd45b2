# What follows from zeros is zeros: a later step is right without being done.
# %% honest setup functions network
# %%
total, scaled, number = np.zeros(3), np.zeros(3), 0
