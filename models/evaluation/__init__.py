"""From a network's patches to an image, its scores and its picture."""
