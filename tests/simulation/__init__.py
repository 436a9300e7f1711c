"""The daemon's real core, run single-threaded under a seed in virtual time, with everything around it going wrong.

``world.py`` is time and order, ``weather.py`` chance, ``store.py``, ``lists.py`` and ``runner.py`` stand behind the
database, Redis and the handlers, ``node.py`` puts a daemon together, ``clients.py`` and ``nemesis.py`` are those
who use it and harm it, ``running.py`` is one run from a seed to the judge. ``make simulate SEEDS=1..2000``.
"""
