# A cell that waits for a program which waits.
# %% honest
# %%
!sleep 100000
