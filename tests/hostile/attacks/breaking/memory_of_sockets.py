# Memory that no process maps: what waits in the buffers of sockets, in several processes.
# %% honest
# %%
import os, socket, time

for _ in range(6):
    if os.fork() == 0:
        break
held = []
try:
    while True:
        pair = socket.socketpair()
        held.append(pair)
        for sock in pair:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
            try:
                while True:
                    sock.send(bytes(1 << 16))
            except BlockingIOError:
                pass
except OSError:
    pass
time.sleep(1000)
