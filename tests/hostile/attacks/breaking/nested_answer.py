# Answers nested a hundred thousand deep, and answers that hold themselves.
# %% honest
# %%
def scale(v, factor):
    answer = []
    for _ in range(100_000):
        answer = [answer]
    return answer


def best(objective, choices):
    answer = []
    answer.append(answer)
    return answer


deep = scale(0, 0)
