# The engine, the reference and the checks as modules.
# %% honest
# %%
import importlib, sys

sys.path += ["@ROOT@", "@COURSE@", "@COURSE@/reference", "/karnameh"]
for name in (
    "grader.report",
    "grader.checks.student",
    "grader.kernel.run",
    "cage",
    "reference.cage",
    "assignments.cage.test_cage",
    "tests.desk",
):
    try:
        print("LOOT", importlib.import_module(name))
    except ImportError:
        pass
