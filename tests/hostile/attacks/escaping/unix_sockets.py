# Sockets of this machine by path and by abstract name.
# %% honest
# %%
import socket

for address in ("@SOCKET@", "\0@ABSTRACT@", "/var/run/docker.sock", "/run/dbus/system_bus_socket"):
    try:
        socket.socket(socket.AF_UNIX).connect(address)
        print("LOOT", address)
    except OSError:
        pass
