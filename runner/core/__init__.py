"""What every room needs: errors with their exit codes, digests, files, bounded reading, text.

Imports nothing of ``runner`` but itself; everything else may import it.
"""
