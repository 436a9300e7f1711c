"""One file for each tool: how it is set up, how work is submitted to it, and how its workers are started.

These run in the tool's own environment, so they import the tool and of this project nothing but ``serving`` and
``work`` (queuectl's of course imports queuectl).
"""
