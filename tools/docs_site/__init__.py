"""What `make docs` makes from the code, and what it checks."""
