# Lists and bytes until nothing is left.
# %% honest
# %%
held = []
while True:
    held.append(bytearray(b"x") * (1 << 26))
