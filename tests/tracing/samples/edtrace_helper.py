"""Called by edtrace_program and calls back: edtrace does not follow it, so its frame is between two that it follows."""


def call_with(function, number):
    return function(number)
