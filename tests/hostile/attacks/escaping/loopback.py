# What listens on this machine.
# %% honest
# %%
import socket
for address in (("127.0.0.1", @PORT@), ("localhost", @PORT@), ("0.0.0.0", @PORT@), ("@HOSTNAME@", @PORT@)):
    try:
        socket.create_connection(address, timeout=0.2)
        print("LOOT", address)
    except OSError: pass
