"""Dev containers: what ``init devcontainer`` adds to a project, and how ``remove`` takes it back.

::

    find.py       which devcontainer.json
    edits.py      what its properties need; each change is a Step that can be undone
    undo.py       takes Steps back, also where the user has changed something since
    record.py     Steps and files, kept in .devcontainer/mcpconf/init.json for whoever removes
    feature.py    the files of the local Feature; scaffold.py  all other files
    init.py       puts these together: a Plan, which is shown or carried out
    files.py      reads and writes below the project, never through a link
    hook.py       what runs on the host before each start

The rules, and what they were measured on, are in docs/devcontainer.md.
"""
