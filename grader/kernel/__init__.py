"""Running code nobody trusts.

:mod:`cage` builds the outer sandbox, :mod:`zygotes` keeps a warm process in it
that forks one child a submission, :mod:`forked` and :mod:`cold` are the two
kernels that nbclient can drive, :mod:`run` runs a notebook cell by cell and
survives what it does, :mod:`probe` asks the executed notebook questions.
Everything that student code can see lives in :mod:`caged`.
"""
