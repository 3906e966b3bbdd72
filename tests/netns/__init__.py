"""The firewall on real netfilter, in network namespaces that the tests make and remove."""
