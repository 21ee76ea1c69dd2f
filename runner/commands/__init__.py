"""The verbs that need more than one line of ``cli``: one module or package each.

Imports every room but ``cli``.
"""
