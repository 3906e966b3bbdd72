"""DDEV: what a sync writes into a project's ``.ddev``, and the add-on without ``ddev add-on get``.

``look.py`` reads the folder, ``decide.py`` says which service is Claude Code's, ``render.py`` makes
the texts (``templates/ddev``), ``prepare.py`` puts these together, and skips them where nothing has
changed.  ``addon.py`` installs and removes the files of ``addon/ddev``.

Nothing in these files is the machine's or the user's own: paths and names are DDEV's variables.
"""
