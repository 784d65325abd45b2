# Tensors until nothing is left.
# %% honest
# %%
held = []
while True:
    held.append(torch.ones(1 << 24))
