"""How assignments begin: as a scaffold that teaches, or read from another grader's format.

:mod:`scaffold` writes a small assignment that is valid as it is, and a course for
it where there is none. :mod:`nbgrader` and :mod:`otter` read their notebooks into
:class:`~foreign.Foreign`, :mod:`carrying` makes our files of it, with the tests as
:mod:`statements` rewrites them, and :mod:`importing` tries and reports them.
:mod:`placing` puts a new assignment's files into a course, and never over what is there.
"""
