"""The true reason why a server does not work: evidence from every station, then one verdict."""
