"""The Polymorphism Explorer: two transformers, one function, rotated coordinates."""

__version__ = "0.1.0"
