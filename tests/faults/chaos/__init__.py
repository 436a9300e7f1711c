"""Random faults of real processes: each run draws an engine, nodes and one to three faults, then heals and judges.

``make faults RUNS=100 SEED=1 TASKS=1000`` makes a hundred runs; ``SEED=17 RUNS=1`` repeats the draw of one. What
threads, servers and the kernel do in a run is still their own.
"""
