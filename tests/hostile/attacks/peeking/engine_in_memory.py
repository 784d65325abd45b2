# Modules of the engine that came along in memory, beyond the ones meant to be there.
# %% honest
# %%
import sys

meant = {
    "caged",
    "grader",  # a stand-in with a check() that does nothing
    *("caged." + n for n in "agent budget compiler confine figures frames installs libraries".split()),
    *("caged." + n for n in "networks outlines settled shell texts titles wire zygote".split()),
}
print(
    *[
        "LOOT " + n
        for n in sys.modules
        if n.split(".")[0] in ("grader", "caged", "reference", "tests", "pytest", "_pytest")
        and n not in meant
    ]
)
