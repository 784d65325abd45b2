# Names and addresses of the internet.
# %% honest
# %%
import socket, urllib.request

for call in (
    lambda: socket.gethostbyname("pypi.org"),
    lambda: socket.create_connection(("1.1.1.1", 53), timeout=0.2),
    lambda: socket.create_connection(("2606:4700::1111", 53), timeout=0.2),
    lambda: urllib.request.urlopen("http://example.org", timeout=0.2),
):
    try:
        print("LOOT", call())
    except OSError:
        pass
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    print("LOOT", sock.sendto(b"x", ("8.8.8.8", 53)))
except OSError:
    pass
