"""Bugs that are planted to test the testers: each breaks a promise, and the harness that it names must find it.

The bugs are never in the tree: ``planting.py`` puts them into the source as it is imported, or into a copy of the
tree. ``make planted`` plants all of them, one after the other.
"""
