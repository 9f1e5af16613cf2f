"""The CPU device: NumPy, a small thread pool, and the fast forms that NumPy lacks."""
