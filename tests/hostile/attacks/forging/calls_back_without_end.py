# The search asks the objective for ever.
# %% honest
# %%
def best(objective, choices):
    while True:
        objective(0)
