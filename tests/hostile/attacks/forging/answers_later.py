# A process is left behind that holds the channel and answers in the notebook's place.
# %% honest
# %%
import os, sys, time

if os.fork() == 0:
    body = sys.modules["caged.wire"].pack({"value": np.zeros(3)}, 1 << 20)
    while True:
        time.sleep(0.02)
        for descriptor in range(3, 16):
            try:
                os.write(descriptor, len(body).to_bytes(8, "big") + body)
            except OSError:
                pass
