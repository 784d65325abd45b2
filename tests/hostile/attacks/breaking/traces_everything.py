# Every line of every module is traced, slowly, and every call profiled.
# %% honest
# %%
import sys, threading


def trace(frame, event, argument):
    return trace


sys.settrace(trace)
sys.setprofile(lambda *a: None)
threading.settrace(trace)
sys.monitoring.use_tool_id(1, "mine") if hasattr(sys, "monitoring") else None
