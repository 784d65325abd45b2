"""All of the engine that student code can see.

These modules are mounted into the cage as the package ``caged`` and run there
beside the student's code: :mod:`zygote` imports the heavy libraries once and
forks one child a submission, :mod:`confine` shuts that child in, :mod:`shell`
runs the cells, :mod:`agent` answers the grader's questions and :mod:`wire`
is the language both sides speak. Nothing here knows an expected value, a
check or a point, so nothing here is worth reading or patching: whoever does
can only give another answer.
"""
