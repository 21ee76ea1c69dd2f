"""A second implementation of what a job declares, to hold against what an arm did.

Nothing here is shared with what it audits: of ``models`` only the file contract is imported, and
the declared parameters come as plain values. Read ``job`` first.
"""
