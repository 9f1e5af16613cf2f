"""Packages of the distribution: lucid as it stands, and kernels/ inside it as lucid.kernels."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["lucid", "lucid.*"]), "lucid.kernels"])
