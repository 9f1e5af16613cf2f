"""Tools to test and measure, lucid's own code and yours."""

from lucid.testing.close import assert_close as assert_close
