#!/bin/sh
# The first thing that runs in the container: closed, then open for what is listed, or no container.
/usr/local/sbin/mcpconf-container start && exit 0
echo "mcpconf: this container cannot be closed, so it ends" >&2
kill -TERM 1
exit 1
