"""The methods that lucid/ops give to Tensor, as type checkers and editors see them.

At run time this class is empty: ``@tensor_method`` attaches the functions when lucid.ops is
imported. methods.pyi lists them; ``python -m lucid.testing.stubs`` writes it anew, and a test
fails when it is out of date.
"""


class TensorMethods:
    """Base of Tensor, for type checkers."""
