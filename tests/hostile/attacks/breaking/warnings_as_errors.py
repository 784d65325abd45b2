# Warnings are errors, in a locale with a comma for the point.
# %% honest
# %%
import locale, warnings, os

warnings.simplefilter("error")
np.seterr(all="raise")
for name in ("de_DE.UTF-8", "fa_IR.UTF-8", "C"):
    try:
        locale.setlocale(locale.LC_ALL, name)
    except locale.Error:
        pass
os.environ.update(LC_ALL="fa_IR.UTF-8", LANG="fa_IR.UTF-8", PYTHONWARNINGS="error")
