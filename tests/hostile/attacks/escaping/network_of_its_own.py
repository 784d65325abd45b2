# An interface is brought up, and a route added.
# %% honest
# %%
import fcntl, socket, struct

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    fcntl.ioctl(sock, 0x8914, struct.pack("16sH14s", b"lo", 1, b""))
    print("LOOT it is up")
except OSError:
    pass
