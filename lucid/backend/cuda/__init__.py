"""CUDA through CuPy. Nothing in here is imported before a CUDA device is first used."""
