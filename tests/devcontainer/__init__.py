"""Dev containers: the editor, what init does to a project, the Feature."""
