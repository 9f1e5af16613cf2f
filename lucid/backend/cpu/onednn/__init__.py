"""oneDNN, a library of CPU kernels, as an optional engine; used through ctypes.

    library.py       find and load libdnnl.so.3
    primitive.py     layouts of arrays and computations on them
    convolution.py   y = w * x and its two gradients
    parts.py         one thread's part of it: reorder, compute, reorder
    cut.py           which parts; by the shapes alone
    choice.py        when it is worth it
    pooling.py       maxima, averages, and their gradients
    windows.py       one thread's part of them
    setting.py       lucid.backends.onednn.enabled

oneDNN's own threads are not used: nothing promises that a weight gradient, a sum over samples, has
the same bits whatever their number, they spin on the cores that BLAS and lucid's pool need, and
OpenMP's don't survive a fork.
lucid's pool shares the parts instead, and each part runs in the thread that takes it.
"""
