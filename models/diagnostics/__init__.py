"""What an arm says about itself: effective configuration, activations, statistics."""
