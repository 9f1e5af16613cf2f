"""CUDA sources, installed as lucid.kernels. Compiled at run time; nothing here is imported."""
