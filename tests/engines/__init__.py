"""The firewall in containers of real engines."""
