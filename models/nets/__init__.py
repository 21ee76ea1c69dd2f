"""The generator networks: from measured amplitudes to complex object patches."""
