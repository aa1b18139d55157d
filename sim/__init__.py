"""Models: the bit-exact golden model of every stage, scenes, the virtual board."""
