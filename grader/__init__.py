"""Karnameh: an autograder for deep-learning coursework.

The engine knows no homework. It reads a course (:mod:`grader.course`), a
submission (:mod:`grader.notebook`), runs it in a cage (:mod:`grader.kernel`),
judges it (:mod:`grader.checks`, :mod:`grader.grading`) and tells the student
(:mod:`grader.feedback`).
"""

__version__ = "0.1.0"
