# The process at the other end of the channel, by its credentials.
# %% honest
# %%
import os, socket, struct, signal

for number_ in range(3, 32):
    try:
        sock = socket.socket(fileno=os.dup(number_))
    except OSError:
        continue
    if sock.family != socket.AF_UNIX:
        continue
    try:
        pid, uid, gid = struct.unpack(
            "3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        )
    except OSError:
        continue
    if pid == os.getpid():
        continue  # a pair of sockets of its own
    if pid > 0:
        print("LOOT", pid)
    try:
        peer = struct.unpack("i", sock.getsockopt(1, 77, 4))[0]
    except OSError:
        continue
    try:
        signal.pidfd_send_signal(peer, 0)
        print("LOOT a handle")
    except OSError:
        pass
