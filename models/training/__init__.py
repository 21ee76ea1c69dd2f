"""Fitting a network: Lightning around optimizers, schedules and clipping."""
