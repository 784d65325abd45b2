"""From a hand-in to its :class:`~grader.report.Report`, and from a class to all of them.

:mod:`submission` grades one hand-in; :mod:`batch` a class, on several
workers (:mod:`worker`); :mod:`notices` words what the student should know
about the run; :mod:`selfcheck` is a student's own check; :mod:`release` makes
the notebooks that students receive.
"""
