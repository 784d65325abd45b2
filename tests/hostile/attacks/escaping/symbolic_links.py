# Links that lead out of the scratch folder, for the grader to follow.
# %% honest
# %%
import os

for place, target in enumerate(
    (
        "/",
        "@SECRET_FILE@",
        "/proc/self/root",
        "/proc/1/root/@COURSE@",
        "/etc/shadow",
        "@COURSE@",
        "@HAND_INS@",
    )
):
    os.symlink(target, f"link{place}")
    for path in (f"link{place}", f"link{place}/@SECRET_FILE@", f"link{place}/@COURSE@/course.toml"):
        try:
            os.stat(path)
            if (
                target not in ("/", "/proc/self/root")
                or "@COURSE@" in path
                or "@SECRET_FILE@" in path
            ):
                print("LOOT", path)
        except OSError:
            pass
