# %%
import numpy as np


def total(numbers):
    return np.sum(numbers)


def mean(numbers):
    return total(numbers) / len(numbers)


# %%
def double(number):
    return 2 * number
