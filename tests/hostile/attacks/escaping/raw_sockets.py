# Raw packets, packets of the link, and sockets of a virtual machine.
# %% honest
# %%
import socket

for family, kind, protocol in (
    (2, 3, 1),
    (17, 3, 3),
    (40, 1, 0),
    (38, 5, 0),
    (31, 3, 0),
    (16, 3, 0),
    (16, 3, 9),
):
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError:
        continue
    if family != 16:
        print("LOOT", family)
