"""Builds of everything the sandbox runs, out of package registries, cached by content.

`recipes` says what a build is, `store` keeps the results, `workshop` runs the tools, `graph` runs
the builds in order, `catalogue` lists them all.
"""
