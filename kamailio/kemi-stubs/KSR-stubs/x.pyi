"""What app_python3 itself adds; it is in no list of exports."""

def modf(name: str, /, *parameters: str | int) -> int:
    """Call a function of a module that KEMI does not export."""
