"""queuectl beside the tools that people would pick instead, all given the same work on the same servers."""
