# An answer that hedges: all candidates in one value.
# %% honest setup functions network
# %%
total = [[7.875, 18.3125, 8.125], [5.25, 8.5, 20.5625]]
scaled = {"a": [15.75, 36.625, 16.25], "b": [0, 0, 0]}
number = "74891 or 74892 or 74893"
