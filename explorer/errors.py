"""Errors that are meant for a person: they say what, what was given, what is allowed and what to do next."""


class InputError(ValueError):
    """Something that the user gave cannot be used; the message is shown as it is, without a traceback."""
