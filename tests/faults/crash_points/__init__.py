"""Every crash point in turn: the process is killed before its first call that leaves a trace, its second, its third.

``make crash-points SCENARIO=submit STRIDE=1`` goes through all points of a scenario; ``POINT=pwrite64:7`` repeats one.
"""
