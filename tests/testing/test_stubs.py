"""methods.pyi, which tells type checkers of Tensor's methods, is what the generator writes."""

from lucid.testing import stubs


def test_the_stub_file_is_up_to_date():
    hint = "run: python -m lucid.testing.stubs"
    assert stubs.PATH.read_text() == stubs.text(), hint
