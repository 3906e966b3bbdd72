"""Readers: from the world's files to typed values.  ``world.py`` reads; all others only parse."""
