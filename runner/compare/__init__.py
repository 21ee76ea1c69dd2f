"""Two hubs or more beside one another: where they were made, and what differs, causes first.

Imports ``report``, ``verify`` and below.
"""
