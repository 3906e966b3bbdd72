"""Judging: what was seen, in; causes, out.  Pure: nothing here touches the world."""
