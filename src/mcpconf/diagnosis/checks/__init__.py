"""What ``doctor`` looks at beside the servers, and how a report is kept without secrets."""
