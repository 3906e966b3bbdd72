"""DDEV: the add-on, and what a sync writes into ``.ddev``.  No engine, no ddev."""
