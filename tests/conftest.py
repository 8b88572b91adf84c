"""Failing asserts of the contract suites that we ship are shown in full, as those of the tests are."""

import pytest

pytest.register_assert_rewrite("assistant_gateway.testing")
