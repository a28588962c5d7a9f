"""The files of the library: received, checked, stored, and deleted when nothing shows them."""
