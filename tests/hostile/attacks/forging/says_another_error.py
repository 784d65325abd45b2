# A reply that claims an error with a message of ten megabytes.
# %% honest
# %%
import os, msgspec

body = msgspec.msgpack.encode(
    [
        "reply",
        "execute_reply",
        {"status": "error", "ename": "E" * 100, "evalue": "x" * (1 << 20), "execution_count": 5},
    ]
)
for descriptor in range(3, 16):
    try:
        os.write(descriptor, len(body).to_bytes(8, "big") + body)
    except OSError:
        pass
