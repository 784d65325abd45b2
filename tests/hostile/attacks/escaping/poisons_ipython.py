# IPython's startup folder, matplotlib's settings and caches are changed for the next student.
# %% honest
# %%
import os

code = "import numpy; numpy.poisoned = True"
for folder in (
    os.environ["IPYTHONDIR"] + "/profile_default/startup",
    "/home/student/.ipython/profile_default/startup",
    "/home/student/.config/matplotlib",
    "/tmp/.cache",
    "@HOME@/.ipython/profile_default/startup",
    "/etc/ipython/startup",
):
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        continue
    try:
        open(f"{folder}/00-poison.py", "w").write(code)
    except OSError:
        pass
import numpy

numpy.poisoned = True
get_ipython().extension_manager.install_extension = None
