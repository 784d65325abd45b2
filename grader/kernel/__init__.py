"""Running code nobody trusts.

:mod:`cage` builds the outer sandbox, :mod:`zygotes` keeps a warm process in it
that forks one child a submission, :mod:`forked` and :mod:`cold` are the two
kernels that nbclient can drive, :mod:`run` runs a notebook cell by cell and
survives what it does, :mod:`probe` asks the executed notebook questions.
:mod:`messages` and :mod:`outputs` take in what cells publish, :mod:`processes`
watches what they start, and :mod:`doctor` says what this machine has of all
that. Everything that student code can see lives in :mod:`caged`.
"""
