"""The examples in the documentation of every function give what they say."""

import doctest
import importlib
import pkgutil

import pytest

import lab

MODULES = [
    module.name
    for module in pkgutil.walk_packages(lab.__path__, "lab.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    found = [finder.find(importlib.import_module(name)) for name in MODULES]
    assert sum(len(test.examples) for tests in found for test in tests) > 60
