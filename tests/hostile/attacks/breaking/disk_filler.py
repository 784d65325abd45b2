# Files until the disk is full.
# %% honest
# %%
n = 0
while True:
    with open(f"fill{n}", "wb") as file:
        file.write(bytes(4 << 20))
    n += 1
