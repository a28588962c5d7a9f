"""Hide passwords in addresses before they are shown, logged or stored."""

import re


def hide_passwords(text: str, *, keep_user: bool = True) -> str:
    """Replace the password of every address in a text by `***`.

    Args:
        text: An address, or any text that contains some.
        keep_user: Keep the user name. Without it, `***` stands for both. Defaults to `True`.
    """
    if keep_user:
        return re.sub(r"(?<=://)([^\s/@:]*):[^\s/@]*@", r"\1:***@", text)
    return re.sub(r"(?<=://)[^\s/@]*@", "***@", text)
