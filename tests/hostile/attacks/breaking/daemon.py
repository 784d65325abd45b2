# A process of its own session is left behind, away from its parents.
# %% honest
# %%
import os, signal, time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for s in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(s, signal.SIG_IGN)
        while True:
            time.sleep(0.05)
            open("/tmp/alive", "a").write("x")
    os._exit(0)
