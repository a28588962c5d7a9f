"""Hide passwords in addresses before they are shown, logged or stored."""

import re


def hide_passwords(text: str, *, keep_user: bool = True) -> str:
    """Replace the password of every address in a text by `***`, or user name and password."""
    if keep_user:
        return re.sub(r"(?<=://)([^\s/@:]*):[^\s/@]*@", r"\1:***@", text)
    return re.sub(r"(?<=://)[^\s/@]*@", "***@", text)
