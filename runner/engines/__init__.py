"""Where jobs run. Each engine is a module behind the protocol of :mod:`runner.engines.base`."""
