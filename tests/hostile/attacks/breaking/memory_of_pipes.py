# Memory that no process maps: huge pages of which one byte waits in a pipe.
# %% honest
# %%
import ctypes, mmap, os

libc = ctypes.CDLL(None)
libc.vmsplice.argtypes = ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_uint
page = mmap.mmap(-1, 2 << 20)
page[0] = 1
vector = (ctypes.c_size_t * 2)(ctypes.addressof(ctypes.c_char.from_buffer(page)), 1)
reader, writer = os.pipe()
if libc.vmsplice(writer, vector, 1, 0) > 0:
    print("LOOT", os.read(reader, 1))
