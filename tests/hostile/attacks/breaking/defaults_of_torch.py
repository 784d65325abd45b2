# Other threads, dtype and device by default, no gradients, other seeds.
# %% honest
# %%
import random

torch.set_num_threads(8)
torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.use_deterministic_algorithms(True)
torch.manual_seed(9)
np.random.seed(9)
random.seed(9)
