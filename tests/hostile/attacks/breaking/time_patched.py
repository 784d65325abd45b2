# The clock stands still, runs backwards, and sleeps for ever.
# %% honest
# %%
import time

time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
time.sleep = lambda seconds: None
time.monotonic_ns = lambda: -1
